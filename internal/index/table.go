package index

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

const (
	shardBits  = 12
	shardCount = 1 << shardBits
)

// A hash chooses its shard by its first 8 bytes, and by the second 8 its cell and its tag there.

func shardOf(h *keys.Hash) int {
	return int(binary.BigEndian.Uint64(h[:]) >> (64 - shardBits))
}

func cellOf(second8 uint64) uint32 { return uint32(second8) }

func tagOf(second8 uint64) uint32 { return uint32(second8 >> 32) }

// table is the content of one shard. It never changes once it is built.
type table struct {
	claims string // sorted, each at a multiple of the unit
	// cells is an open-addressing hash table. A cell holds, in its low bits, where in claims a hash has
	// its first claim, in units and plus one, and above them a tag of bits of the hash, so that a claim
	// on another hash, most likely not in the processor's cache, is seldom looked at. Zero is an empty
	// cell. The length is a power of two.
	cells   []uint32
	tagMask uint32
	count   int
}

// unit is what claims are aligned to. With it, 32 bits tell places in 32 GiB of claims of one shard, of
// which there are 4096; a machine has less.
const unit = 8

func padded(n int) int { return (n + unit - 1) &^ (unit - 1) }

// newTable takes claims in their order. It returns nil where there are none.
func newTable(claims []claim) *table {
	if len(claims) == 0 {
		return nil
	}
	size := 0
	for _, c := range claims {
		size += padded(len(c))
	}
	t := &table{
		cells:   make([]uint32, cellsFor(len(claims))),
		tagMask: ^uint32(0) << bits.Len(uint(size/unit)),
		count:   len(claims),
	}
	t.lay(claims, size)
	return t
}

// cellsFor is the least power of two of which n claims fill at most three quarters.
func cellsFor(n int) int {
	return 1 << bits.Len(uint(n+n/3))
}

func (t *table) lay(claims []claim, size int) {
	text := make([]byte, 0, size)
	for i, c := range claims {
		if i == 0 || claims[i-1].hash() != c.hash() {
			t.place(c.hash(), uint32(len(text)/unit+1))
		}
		text = append(text, c...)
		text = append(text, make([]byte, padded(len(c))-len(c))...)
	}
	t.claims = string(text)
}

// place puts the position of a claim in the first empty cell for its hash.
func (t *table) place(hash string, position uint32) {
	where := uint64At(hash, 8)
	mask := uint32(len(t.cells) - 1)
	i := cellOf(where) & mask
	for t.cells[i] != 0 {
		i = (i + 1) & mask
	}
	t.cells[i] = tagOf(where)&t.tagMask | position
}

// find returns the first claim on h, or an empty one.
func (t *table) find(h *keys.Hash) claim {
	where := binary.BigEndian.Uint64(h[8:])
	tag := tagOf(where) & t.tagMask
	mask := uint32(len(t.cells) - 1)
	for i := cellOf(where) & mask; ; i = (i + 1) & mask { // ends, since a quarter of the cells is empty
		cell := t.cells[i]
		if cell == 0 {
			return ""
		}
		if cell&t.tagMask != tag {
			continue
		}
		at := int(cell&^t.tagMask-1) * unit
		if c := firstClaim(t.claims[at:]); c.hash() == string(h[:]) {
			return c
		}
	}
}

// bytes is the memory that t takes.
func (t *table) bytes() int64 {
	const own, perCell = 56, 4
	if t == nil {
		return 0
	}
	return own + int64(len(t.claims)) + perCell*int64(len(t.cells))
}

func (t *table) len() int64 {
	if t == nil {
		return 0
	}
	return int64(t.count)
}

// each yields all claims in their order.
func (t *table) each() iter.Seq[claim] {
	return func(yield func(claim) bool) {
		if t == nil {
			return
		}
		for rest := t.claims; rest != ""; {
			c := firstClaim(rest)
			if !yield(c) {
				return
			}
			rest = rest[padded(len(c)):]
		}
	}
}

// sortedClaims puts claims in their order that stand one behind the other without padding.
func sortedClaims(claims []byte) []claim {
	var all []claim
	for rest := string(claims); rest != ""; {
		c := firstClaim(rest)
		all = append(all, c)
		rest = rest[len(c):]
	}
	slices.SortFunc(all, compareClaims)
	return all
}
