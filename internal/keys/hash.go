package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Hash is what is stored of a key, in one of two forms. Hashes of different forms are never equal, so one that
// was read from a status cannot be passed off as one of the other form.
type Hash struct {
	_ [0]uint64 // for a size in whole words: copying 33 bytes right after a Sum was written costs a tenth of hashing

	Sum [sha256.Size]byte
	// Imported tells the form. False: what HashV1 makes of a generated key. True: what SHA256 makes of an
	// imported or referenced one; whoever imports a key chooses the Sum.
	Imported bool
}

// hashDomain sets the hashes of generated keys apart from a plain SHA-256 of the same key. A plain SHA-256 is
// otherwise enough, since a generated key carries at least 192 random bits and cannot be guessed.
const hashDomain = "apikey-operator/v1\x00"

// These name the form in an encoded hash; ImportedPrefix stands before the digits that an author gives.
const (
	generatedPrefix = "v1:"
	ImportedPrefix  = "sha256:"
)

// Keys of up to so many bytes are hashed without an allocation: what any Format makes, and what a verifier
// accepts at most.
const (
	usualKeyLen = 128
	maxStackKey = MaxImportedLen
)

// HashV1 returns SHA-256("apikey-operator/v1" NUL key), the form for generated keys. It does not allocate for
// keys of up to 512 bytes.
func HashV1[T string | []byte](key T) (h Hash) {
	switch {
	case len(key) <= usualKeyLen: // clearing a buffer for the longest would take a fifth of the time
		var buf [len(hashDomain) + usualKeyLen]byte
		h.Sum = sumIn(buf[:0], key)
	case len(key) <= maxStackKey:
		var buf [len(hashDomain) + maxStackKey]byte
		h.Sum = sumIn(buf[:0], key)
	default:
		h.Sum = sumIn(nil, key)
	}
	return h
}

func sumIn[T string | []byte](buf []byte, key T) [sha256.Size]byte {
	return sha256.Sum256(append(append(buf, hashDomain...), key...))
}

// SHA256 returns the plain SHA-256 of a key, the form for imported and referenced ones. It does not allocate for bytes.
func SHA256[T string | []byte](key T) Hash {
	return Hash{Sum: sha256.Sum256([]byte(key)), Imported: true}
}

// Encode returns the form that stands in a status: "v1:" or "sha256:" and 64 lower-case hexadecimal digits.
func (h Hash) Encode() string {
	if h.Imported {
		return ImportedPrefix + hex.EncodeToString(h.Sum[:])
	}
	return generatedPrefix + hex.EncodeToString(h.Sum[:])
}

// ParseHash reads what Encode wrote, and nothing else: upper-case digits are refused so that one hash
// has one spelling. Its errors do not repeat s, which may be a key that someone put in the wrong place.
func ParseHash(s string) (Hash, error) {
	digits, imported := strings.CutPrefix(s, ImportedPrefix)
	if !imported {
		var generated bool
		if digits, generated = strings.CutPrefix(s, generatedPrefix); !generated {
			return Hash{}, fmt.Errorf("hash starts with neither %q nor %q", generatedPrefix, ImportedPrefix)
		}
	}
	if len(digits) != hex.EncodedLen(sha256.Size) || strings.ContainsAny(digits, "ABCDEF") {
		return Hash{}, errors.New("hash does not have 64 lower-case hexadecimal digits after its form")
	}
	h := Hash{Imported: imported}
	if _, err := hex.Decode(h.Sum[:], []byte(digits)); err != nil {
		return Hash{}, errors.New("hash is not hexadecimal after its form")
	}
	return h, nil
}
