package index

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// table is the content of one shard. It never changes once it is built.
type table struct {
	slots []slot
	// A cell holds the number of a slot plus one in as many bits as number the cells, and in those above
	// a tag of bits of the hash, so that a slot of another hash, most likely not in the processor's
	// cache, is seldom looked at. Zero is an empty cell. The length is a power of two.
	cells []uint32
	text  string
}

// find returns the claim on h that is answered for, or nil.
func (t *table) find(h *keys.Hash) *slot {
	mask := uint32(len(t.cells) - 1)
	tag := tagOf(h) &^ mask
	for i := cellOf(h) & mask; ; i = (i + 1) & mask { // ends, since a quarter of the cells is empty
		cell := t.cells[i]
		if cell == 0 {
			return nil
		}
		if cell&^mask != tag {
			continue
		}
		if s := &t.slots[cell&mask-1]; s.hash == *h {
			return s
		}
	}
}

// bytes is the memory that t takes.
func (t *table) bytes() int64 {
	if t == nil {
		return 0
	}
	return int64(unsafe.Sizeof(*t)) + int64(cap(t.slots))*int64(unsafe.Sizeof(slot{})) +
		int64(cap(t.cells))*int64(unsafe.Sizeof(uint32(0))) + int64(len(t.text))
}

func (t *table) len() int {
	if t == nil {
		return 0
	}
	return len(t.slots)
}

// tableBuilder collects claims for a new table.
type tableBuilder struct {
	slots []slot
	text  []byte
}

func newTableBuilder(slots, textBytes int) *tableBuilder {
	return &tableBuilder{slots: make([]slot, 0, slots), text: make([]byte, 0, textBytes)}
}

func (b *tableBuilder) add(s slot, text string) {
	s.offset = int64(len(b.text))
	b.slots = append(b.slots, s)
	b.text = append(b.text, text...)
}

// build returns nil for a table without claims.
func (b *tableBuilder) build() *table {
	if len(b.slots) == 0 {
		return nil
	}
	t := &table{
		slots: b.slots,
		cells: make([]uint32, cellsFor(len(b.slots))),
		text:  string(b.text), // a copy that has no capacity to spare
	}
	for i := range t.slots {
		t.place(i)
	}
	return t
}

// place gives slot i the cell of its hash, unless another claim on that hash comes first.
func (t *table) place(i int) {
	s := &t.slots[i]
	mask := uint32(len(t.cells) - 1)
	cell := tagOf(&s.hash)&^mask | uint32(i+1)
	for at := cellOf(&s.hash) & mask; ; at = (at + 1) & mask {
		if t.cells[at] == 0 {
			t.cells[at] = cell
			return
		}
		if other := &t.slots[t.cells[at]&mask-1]; other.hash == s.hash {
			if compareClaims(s, other, t.text) < 0 {
				t.cells[at] = cell
			}
			return
		}
	}
}

// cellsFor is the least power of two of which n slots fill at most three quarters.
func cellsFor(n int) int {
	return 1 << bits.Len(uint(n+n/3))
}

// Shard, cell and tag are taken from different bits, since all hashes of a shard share the shard's.

func shardOf(h *keys.Hash) int {
	return int(binary.LittleEndian.Uint16(h[0:])) % shardCount
}

func cellOf(h *keys.Hash) uint32 {
	return binary.LittleEndian.Uint32(h[4:])
}

func tagOf(h *keys.Hash) uint32 {
	return binary.LittleEndian.Uint32(h[8:])
}
