package keys

import (
	"bytes"
	"math/big"
)

// Recognize tells whether value is exactly what Generate makes in this format: its prefix, a random part of
// its width, and a checksum that holds. It returns the hint of such a key, so that one that stands in a
// Secret can be adopted. Nothing is recognised in a format out of bounds.
func (f Format) Recognize(value []byte) (hint string, ok bool) {
	f = f.withDefaults()
	if f.Validate() != nil {
		return "", false
	}
	body, ok := bytes.CutPrefix(value, []byte(f.Prefix))
	largest := largestNumber(f.Bytes)
	if !ok || len(body) != len(largest)+checksumLen || !isNumberUpTo(largest, body[:len(largest)]) || !ChecksumOK(value) {
		return "", false
	}
	return hintOf(value, len(f.Prefix)), true
}

// largestNumber is the largest number of n bytes in base62.
func largestNumber(n int) string {
	largest := new(big.Int).Lsh(big.NewInt(1), uint(n)*8)
	return largest.Sub(largest, big.NewInt(1)).Text(base)
}

// isNumberUpTo compares digit by digit, since a big.Int would leave a copy of the key in memory. Both have as
// many digits.
func isNumberUpTo(largest string, digits []byte) bool {
	below := false // largest already, by an earlier digit
	for i, c := range digits {
		digit, bound := digitValues[c], digitValues[largest[i]]
		if digit == notADigit || !below && digit > bound {
			return false
		}
		below = below || digit < bound
	}
	return true
}
