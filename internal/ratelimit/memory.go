package ratelimit

import (
	"hash/maphash"
	"sync"
	"time"
)

// shardCount is how many parts a Memory has: so many goroutines can take at once where their subjects differ.
const shardCount = 64

// looks is how many subjects are looked at whenever another comes: with more than one, those whose burst is whole
// again go more quickly than others come.
const looks = 2

// Memory counts in memory of this process. It holds the subjects whose burst is not whole, and of those whose burst is
// no more than come between two looks at each: they are dropped as others come, and forgetting them changes
// no verdict. No goroutine belongs to it.
//
// Subjects are told apart by a hash of 64 bits under a seed that nobody knows, so that the collector finds nothing to
// follow here and a look-up touches little memory. Two of a million subjects share a hash, and are counted
// together, in one of 37 million processes.
type Memory struct {
	start  time.Time
	seeds  [2]maphash.Seed
	shards [shardCount]shard
}

var _ Store = (*Memory)(nil)

// NewMemory makes a store that has counted nothing. The time of each Take is measured from start; where both come
// from time.Now, which has a monotonic reading beside that of the wall clock, steps of the wall clock change nothing.
func NewMemory(start time.Time) *Memory {
	m := &Memory{start: start, seeds: [...]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	for i := range m.shards {
		m.shards[i].places = map[uint64]int32{}
	}
	return m
}

// Take counts in memory; it never fails, and for a known subject it allocates nothing. Time that goes back, as it
// does between goroutines that asked for it before they came here, counts as time that stands still.
func (m *Memory) Take(s Subject, l Limit, now time.Time) (Verdict, error) {
	hash := m.hash(s)
	return m.shards[hash%shardCount].take(hash, l, now.Sub(m.start)), nil
}

// Subjects is how many subjects are held.
func (m *Memory) Subjects() int {
	sum := 0
	for i := range m.shards {
		sum += m.shards[i].size()
	}
	return sum
}

// hash has a seed for each part, so that a/b is another subject than b/a.
func (m *Memory) hash(s Subject) uint64 {
	return maphash.String(m.seeds[0], s.Namespace) ^ maphash.String(m.seeds[1], s.Name)
}

// shard is a part of the subjects under a lock of their own.
type shard struct {
	mu      sync.Mutex
	now     time.Duration    // the latest that any Take had
	places  map[uint64]int32 // of entries, by their hash
	entries []entry
	hand    int // the entry to be looked at next

	_ [72]byte // fills two cache lines, so that no two locks share one
}

type entry struct {
	hash    uint64
	counter Counter
}

func (s *shard) take(hash uint64, l Limit, now time.Duration) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = max(s.now, now)
	place, known := s.places[hash]
	if !known {
		place = s.insert(hash)
	}
	return s.entries[place].counter.Take(l, s.now)
}

func (s *shard) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

func (s *shard) insert(hash uint64) int32 {
	for range looks {
		s.look()
	}
	place := int32(len(s.entries))
	s.entries = append(s.entries, entry{hash: hash})
	s.places[hash] = place
	return place
}

// look drops the entry at the hand where its burst is whole, and puts the last one into its place.
func (s *shard) look() {
	if len(s.entries) == 0 {
		return
	}
	s.hand %= len(s.entries)
	looked, last := &s.entries[s.hand], len(s.entries)-1
	if !looked.counter.Whole(s.now) {
		s.hand++
		return
	}
	delete(s.places, looked.hash)
	if s.hand != last {
		*looked = s.entries[last]
		s.places[looked.hash] = int32(s.hand)
	}
	s.entries = s.entries[:last]
}
