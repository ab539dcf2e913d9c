package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Hash is what is stored of a key: SHA-256 over hashDomain and the key. A plain SHA-256 is enough,
// since a key carries at least 192 random bits and cannot be guessed.
type Hash [sha256.Size]byte

// hashDomain sets our hashes apart from a plain SHA-256 of the same key, so that a hash read from a
// status can never be passed off as one of another form.
const hashDomain = "apikey-operator/v1\x00"

// hashPrefix names the form in the encoded hash.
const hashPrefix = "v1:"

// Keys of up to so many bytes are hashed without an allocation: what any Format makes, and what a verifier
// accepts at most.
const (
	usualKeyLen = 128
	maxStackKey = 512
)

// HashV1 returns SHA-256("apikey-operator/v1" NUL key). It does not allocate for keys of up to 512 bytes.
func HashV1[T string | []byte](key T) Hash {
	switch {
	case len(key) <= usualKeyLen: // clearing a buffer for the longest would take a fifth of the time
		var buf [len(hashDomain) + usualKeyLen]byte
		return hashIn(buf[:0], key)
	case len(key) <= maxStackKey:
		var buf [len(hashDomain) + maxStackKey]byte
		return hashIn(buf[:0], key)
	}
	return hashIn(nil, key)
}

func hashIn[T string | []byte](buf []byte, key T) Hash {
	return sha256.Sum256(append(append(buf, hashDomain...), key...))
}

// Encode returns the form that stands in a status: "v1:" and 64 lower-case hexadecimal digits.
func (h Hash) Encode() string {
	return hashPrefix + hex.EncodeToString(h[:])
}

// ParseHash reads what Encode wrote, and nothing else: upper-case digits are refused so that one hash
// has one spelling. Its errors do not repeat s, which may be a key that someone put in the wrong place.
func ParseHash(s string) (Hash, error) {
	digits, ok := strings.CutPrefix(s, hashPrefix)
	if !ok {
		return Hash{}, fmt.Errorf("hash does not start with %q", hashPrefix)
	}
	if len(digits) != hex.EncodedLen(sha256.Size) || strings.ContainsAny(digits, "ABCDEF") {
		return Hash{}, fmt.Errorf("hash does not have 64 lower-case hexadecimal digits after %q", hashPrefix)
	}
	var h Hash
	if _, err := hex.Decode(h[:], []byte(digits)); err != nil {
		return Hash{}, fmt.Errorf("hash after %q is not hexadecimal", hashPrefix)
	}
	return h, nil
}
