package index

import (
	"iter"
	"math/bits"
)

const (
	shardBits  = 12
	shardCount = 1 << shardBits
)

// table is the content of one shard. It never changes once it is built.
type table struct {
	slots []slot // in the order of compareClaims, with empty ones among them
	homes uint64 // how many slots digests are spread over; the last ones may have been pushed beyond
	names string
	arena *arena
	count census
}

// newTable takes claims in their order, whose grants stand in the arena. It returns nil where there are none.
func newTable(claims []claim, a *arena) *table {
	if len(claims) == 0 {
		return nil
	}
	t := &table{
		homes: uint64(len(claims) + len(claims)*2/3 + 1), // three fifths full: then a look-up sees 1.75 slots
		arena: a,
		count: censusOf(claims),
	}
	t.slots = make([]slot, t.lastSlot(claims)+1)
	names := make([]byte, 0, len(claims)*64)
	next := 0
	for _, c := range claims {
		next = max(next, t.home(prefixOf(&c.digest)))
		t.slots[next] = c.slot
		t.slots[next].names = uint32(len(names))
		names = append(names, c.names...)
		next++
	}
	t.names = string(names) // without the capacity to spare
	return t
}

// lastSlot is where the last of claims comes to stand.
func (t *table) lastSlot(claims []claim) int {
	next := 0
	for i := range claims {
		next = max(next, t.home(prefixOf(&claims[i].digest))) + 1
	}
	return next - 1
}

// home is the slot where a digest belongs. Greater ones belong further back.
func (t *table) home(p prefix) int {
	home, _ := bits.Mul64(uint64(p)<<shardBits, t.homes)
	return int(home)
}

// find returns the first claim under d, or nil.
func (t *table) find(d *digest, p prefix) *slot {
	for i := t.home(p); i < len(t.slots) && t.slots[i].is(held); i++ {
		s := &t.slots[i]
		if s.digest == *d {
			return s
		}
		if prefixOf(&s.digest) > p { // d would stand before it
			return nil
		}
	}
	return nil
}

// each yields all claims in their order.
func (t *table) each() iter.Seq[claim] {
	return func(yield func(claim) bool) {
		if t == nil {
			return
		}
		for i := range t.slots {
			s := &t.slots[i]
			if s.is(held) && !yield(claim{*s, t.names[s.names:][:s.namesLen()]}) {
				return
			}
		}
	}
}

// inArena returns a copy of t whose grants stand in another arena.
func (t *table) inArena(a *arena) *table {
	moved := *t
	moved.arena = a
	moved.slots = make([]slot, len(t.slots))
	for i, s := range t.slots {
		if s.is(held) {
			s.grant = a.hold([]byte(grantAt(t.arena, s.grant)))
		}
		moved.slots[i] = s
	}
	return &moved
}

// bytes is the memory that t takes.
func (t *table) bytes() int64 {
	const own, perSlot = 64, 64
	if t == nil {
		return 0
	}
	return own + perSlot*int64(len(t.slots)) + int64(len(t.names))
}

func (t *table) census() census {
	if t == nil {
		return census{}
	}
	return t.count
}

// census counts the claims of a table.
type census struct{ all, imported int32 }

func censusOf(claims []claim) census {
	c := census{all: int32(len(claims))}
	for i := range claims {
		if claims[i].is(imported) {
			c.imported++
		}
	}
	return c
}
