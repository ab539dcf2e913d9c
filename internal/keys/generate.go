package keys

import (
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
)

// Format says what a generated key looks like.
type Format struct {
	// Prefix stands before the random part and lets people and secret scanners tell whose key it is.
	// At most MaxPrefixLen characters of A-Z a-z 0-9 _ and -, as in the API. Where empty, DefaultPrefix.
	Prefix string
	// Bytes is how many random bytes the key carries, MinBytes to MaxBytes. Where zero, DefaultBytes.
	Bytes int
}

// Defaults and bounds of Format.
const (
	DefaultPrefix = "ak_"
	DefaultBytes  = 32
	MinBytes      = 24
	MaxBytes      = 64
	MaxPrefixLen  = 24
)

const (
	base         = 62
	checksumLen  = 6 // 62^6 > 2^32, so a CRC32 always fits
	minKeyLength = checksumLen + 1
)

// Generate makes a key of the given format from the bytes that rand yields. It fails on a format out of
// bounds and when rand does.
func Generate(rand io.Reader, f Format) (Plaintext, error) {
	f = f.withDefaults()
	if err := f.Validate(); err != nil {
		return Plaintext{}, err
	}
	random := make([]byte, f.Bytes)
	defer clear(random)
	if _, err := io.ReadFull(rand, random); err != nil {
		return Plaintext{}, fmt.Errorf("read %d random bytes for a key: %w", f.Bytes, err)
	}
	key := make([]byte, 0, len(f.Prefix)+MaxBytes*8/5+checksumLen) // never grows, so no copy is left behind
	key = append(key, f.Prefix...)
	key = appendBase62(key, new(big.Int).SetBytes(random), len(largestNumber(f.Bytes)))
	key = appendBase62(key, new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE(key))), checksumLen)
	return newPlaintext(&material{key: key, prefixLen: len(f.Prefix)}), nil
}

// Validate reports what about f is out of bounds. Empty fields stand for their defaults and are valid.
func (f Format) Validate() error {
	f = f.withDefaults()
	if f.Bytes < MinBytes || f.Bytes > MaxBytes {
		return fmt.Errorf("key format: bytes is %d, use %d to %d", f.Bytes, MinBytes, MaxBytes)
	}
	if len(f.Prefix) > MaxPrefixLen {
		return fmt.Errorf("key format: prefix has %d characters, use at most %d", len(f.Prefix), MaxPrefixLen)
	}
	for i := range len(f.Prefix) {
		if !isPrefixChar(f.Prefix[i]) {
			return fmt.Errorf("key format: prefix %q: use letters, digits, '_' and '-' only", f.Prefix)
		}
	}
	return nil
}

func (f Format) withDefaults() Format {
	if f.Prefix == "" {
		f.Prefix = DefaultPrefix
	}
	if f.Bytes == 0 {
		f.Bytes = DefaultBytes
	}
	return f
}

func isPrefixChar(c byte) bool {
	return isAlphanumeric(c) || c == '_' || c == '-'
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// appendBase62 appends v to dst, padded on the left with zeros so that the length tells nothing of v.
func appendBase62(dst []byte, v *big.Int, width int) []byte {
	digits := v.Append(nil, base)
	defer clear(digits)
	for range width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
