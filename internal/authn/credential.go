package authn

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// MaxCredentialLen is the length in bytes of the longest key that is looked at.
const MaxCredentialLen = keys.MaxImportedLen

// Credential is the key that came with a request, or that one came which cannot be understood. The zero
// value stands for none at all. It keeps the slice it was made of and is valid as long as that is. It
// prints as redacted.
type Credential struct {
	key       []byte
	malformed bool
}

// NewCredential checks the bounds of a key: at most MaxCredentialLen bytes, of printable ASCII. An empty
// key is no credential.
func NewCredential(key []byte) Credential {
	if len(key) > MaxCredentialLen || !printable(key) {
		return UnreadableCredential()
	}
	return Credential{key: key}
}

// UnreadableCredential stands for one that was given in a way that cannot be understood, such as two
// different keys in one place.
func UnreadableCredential() Credential {
	return Credential{malformed: true}
}

// Missing reports whether none was given at all.
func (c Credential) Missing() bool {
	return len(c.key) == 0 && !c.malformed
}

// AppendHint appends what may be shown of a key that is known to be a generated one: keys.AppendHint.
func (c Credential) AppendHint(dst []byte) []byte { return keys.AppendHint(dst, c.key) }

// Format implements fmt.Formatter, so that no log line or error that is given a Credential holds the key.
func (Credential) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "[REDACTED]") // a fmt.State that cannot be written to has no one to tell
}

// printable reports whether all bytes are from the space to the tilde. It looks at eight at a time, which
// at a key's length saves a twentieth of the time of a decision.
func printable(key []byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	for ; len(key) >= 8; key = key[8:] {
		// Of a byte, the highest bit is set by itself where it is not ASCII, after subtracting a space where
		// it is less than one, and after adding one where it is 0x7f. Only a byte that is refused anyway
		// can carry into the next.
		b := binary.LittleEndian.Uint64(key)
		if (b|(b-' '*ones)|(b+ones))&highs != 0 {
			return false
		}
	}
	for _, b := range key {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}
