package keys

import (
	"bytes"
	"errors"
	"fmt"
)

// The bounds of an imported or referenced key.
const (
	// MaxImportedLen is what a verifier looks at, in bytes.
	MaxImportedLen = 512
	// MinImportedLen and MinImportedDistinct keep out what could be guessed from its hash, or by asking.
	MinImportedLen      = 20
	MinImportedDistinct = 8
)

// What CheckImported finds. Neither they nor what wraps them quote the key.
var (
	// ErrMalformedKey: no request can carry such a key.
	ErrMalformedKey = errors.New("malformed key")
	// ErrWeakKey: such a key could be guessed.
	ErrWeakKey = errors.New("weak key")
)

// CheckImported reports what is wrong with a key that was not generated here, as ErrMalformedKey or
// ErrWeakKey. A key that it accepts need not be strong: no program can tell "ChangeMe-In-Production!" from
// random characters.
func CheckImported(key []byte) error {
	if fault := malformation(key); fault != "" {
		return fmt.Errorf("%w: %s", ErrMalformedKey, fault)
	}
	if len(key) < MinImportedLen {
		return fmt.Errorf("%w: it has fewer than %d characters", ErrWeakKey, MinImportedLen)
	}
	if distinct(key) < MinImportedDistinct {
		return fmt.Errorf("%w: it has fewer than %d different characters", ErrWeakKey, MinImportedDistinct)
	}
	return nil
}

func malformation(key []byte) string {
	switch {
	case len(key) == 0:
		return "it is empty"
	case key[len(key)-1] == '\n' || key[len(key)-1] == '\r':
		return "it ends in a line break: store it without one"
	case len(key) > MaxImportedLen:
		return fmt.Sprintf("it is longer than %d bytes", MaxImportedLen)
	case bytes.IndexByte(key, ' ') >= 0:
		return "it holds a space, which no header carries safely"
	case bytes.ContainsFunc(key, func(c rune) bool { return c < '!' || c > '~' }):
		return "it holds something other than the printable characters of ASCII"
	}
	return ""
}

func distinct(key []byte) (n int) {
	var seen [256]bool
	for _, c := range key {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}

// HintOfReference returns what may be shown of a referenced key: an ellipsis and its last 2 characters. Of a key
// that CheckImported refuses it shows nothing, since that may be too short to give away any of it.
func HintOfReference(key []byte) string {
	const shown = 2
	if CheckImported(key) != nil {
		return ellipsis
	}
	return ellipsis + string(key[len(key)-shown:])
}
