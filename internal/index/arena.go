package index

import (
	"crypto/sha256"
	"sync/atomic"
)

// arena holds the texts of grants, each distinct one once. Readers take them from chunks that never change
// but for being replaced by longer ones; one writer adds. A text that nobody uses any more stays until
// the whole arena is replaced.
type arena struct {
	chunks atomic.Pointer[[]string]

	// The writer's own, from here on.
	full  []string // all chunks but the last
	last  []byte
	known map[textID]use
	added bool // something that readers were not shown yet
	// waste is the memory of texts that nobody uses, size that of all.
	waste, size int
}

// place tells where in an arena a text stands: the chunk, and in its low bits where in it.
type place uint32

// The 11 low bits of a place tell 2048 places of 16 bytes in a chunk of 32 KiB. That leaves bits for 64 GiB.
const (
	placeBits = 11
	placeUnit = 16
	chunkSize = placeUnit << placeBits
)

// textID stands for a text: 128 bits of its SHA-256, which nobody can make collide.
type textID [16]byte

// use is where a text stands and how many claims refer to it.
type use struct {
	place place
	count uint32
}

func newArena() *arena {
	a := &arena{known: map[textID]use{}, added: true}
	a.publish()
	return a
}

// at returns the text at a place, with all that stands behind it.
func (a *arena) at(p place) string {
	return (*a.chunks.Load())[p>>placeBits][p%(1<<placeBits)*placeUnit:]
}

// hold returns the place of a text and counts one more use of it. Readers must not be shown a new place
// before publish.
func (a *arena) hold(text []byte) place {
	id := idOf(text)
	known, ok := a.known[id]
	if !ok {
		known.place = a.add(text)
	}
	known.count++
	a.known[id] = known
	return known.place
}

// release counts one use less of a text. Tables that readers still see may refer to it.
func (a *arena) release(text string) {
	id := idOf([]byte(text))
	known := a.known[id]
	if known.count--; known.count > 0 {
		a.known[id] = known
		return
	}
	delete(a.known, id)
	a.waste += alignedLen(text)
}

func (a *arena) add(text []byte) place {
	if len(a.last)+alignedLen(text) > chunkSize {
		a.full = append(a.full, string(a.last))
		a.last = a.last[:0]
	}
	p := place(len(a.full)<<placeBits | len(a.last)/placeUnit)
	a.last = append(a.last, text...)
	a.last = append(a.last, make([]byte, alignedLen(text)-len(text))...)
	a.size += alignedLen(text)
	a.added = true
	return p
}

// publish shows readers all texts that were added.
func (a *arena) publish() {
	if !a.added {
		return
	}
	a.added = false
	chunks := make([]string, 0, len(a.full)+1)
	chunks = append(append(chunks, a.full...), string(a.last))
	a.chunks.Store(&chunks)
}

// isWasteful reports whether replacing the arena pays.
func (a *arena) isWasteful() bool {
	const allowed = 1 << 20
	return a.waste > a.size/2+allowed
}

func alignedLen[T string | []byte](text T) int {
	return (len(text) + placeUnit - 1) / placeUnit * placeUnit
}

func idOf(text []byte) textID {
	sum := sha256.Sum256(text)
	return textID(sum[:])
}
