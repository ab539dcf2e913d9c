package index

import (
	"encoding/binary"
	"iter"
	"math"
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

// table is the content of one shard. It never changes once it is built.
type table struct {
	claims string // sorted, each at a multiple of the unit
	// cells is an open-addressing hash table, a quarter of it empty. A cell holds, in its low bits,
	// where in claims a hash has its first claim, in units and plus one, and above them a tag of bits of
	// the hash, so that a claim on another hash is seldom looked at. Zero is an empty cell. At two
	// bytes each, the cells of a million credentials stay in a processor's cache, as their claims do not.
	cells   []uint16
	tagMask uint16
	unit    uint8 // as a power of two
	count   uint32
}

// cacheLine is the least unit, so that the hash and the lengths of a claim, which a look-up reads
// first, are one access to memory.
const cacheLine = 6

// newTable takes claims in their order. It returns nil where there are none.
func newTable(claims []claim) *table {
	if len(claims) == 0 {
		return nil
	}
	unit, size := layout(claims)
	t := &table{
		cells:   make([]uint16, len(claims)+len(claims)/3+1),
		tagMask: ^uint16(0) << bits.Len(uint(size>>unit)),
		unit:    unit,
		count:   uint32(len(claims)),
	}
	t.lay(claims, size)
	return t
}

// layout finds the least unit in which a cell can tell every place, and the size of claims in it.
func layout(claims []claim) (unit uint8, size int) {
	for unit = cacheLine; ; unit++ {
		size = 0
		for _, c := range claims {
			size += padded(len(c), unit)
		}
		if size>>unit <= math.MaxUint16 {
			return unit, size
		}
	}
}

func padded(n int, unit uint8) int {
	return (n + 1<<unit - 1) >> unit << unit
}

func (t *table) lay(claims []claim, size int) {
	text := make([]byte, size)
	at := 0
	for i, c := range claims {
		if i == 0 || claims[i-1].hash() != c.hash() {
			t.place(c.hash(), uint16(at>>t.unit+1))
		}
		copy(text[at:], c)
		at += padded(len(c), t.unit)
	}
	t.claims = string(text)
}

// place puts the position of a claim in the first empty cell for its hash.
func (t *table) place(hash string, position uint16) {
	i, tag := t.probe(uint64At(hash, 8))
	for t.cells[i] != 0 {
		i = t.after(i)
	}
	t.cells[i] = tag | position
}

// find returns the first claim on h, or an empty one.
func (t *table) find(h *keys.Hash) claim {
	i, tag := t.probe(binary.BigEndian.Uint64(h[8:]))
	for {
		cell := t.cells[i]
		if cell == 0 {
			return ""
		}
		if cell&t.tagMask == tag {
			at := int(cell&^t.tagMask-1) << t.unit
			if c := firstClaim(t.claims[at:]); c.hash() == string(h[:]) {
				return c
			}
		}
		i = t.after(i)
	}
}

// probe returns the first cell to look at for a hash, and its tag.
func (t *table) probe(second8 uint64) (cell int, tag uint16) {
	high, _ := bits.Mul64(second8, uint64(len(t.cells)))
	return int(high), uint16(second8) & t.tagMask
}

func (t *table) after(cell int) int {
	if cell++; cell < len(t.cells) {
		return cell
	}
	return 0
}

// bytes is the memory that t takes.
func (t *table) bytes() int64 {
	const own, perCell = 48, 2
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
			rest = rest[padded(len(c), t.unit):]
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
