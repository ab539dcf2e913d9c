package keys

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every way of printing a Plaintext shows.
const redacted = "[REDACTED]"

// hintRandomChars is how many of a key's random characters its hint shows: enough to tell the keys of
// one owner apart, and 24 of at least 192 random bits.
const hintRandomChars = 4

const ellipsis = "…"

// Plaintext holds an issued key. It redacts itself wherever it could leak: fmt with any verb, JSON,
// text encoders and slog. Only Reveal gives the key away, and there is one caller for that: the code
// that writes the Secret.
//
// Copies share the key, so that Wipe on one of them empties all. The zero value holds no key.
type Plaintext struct {
	// A function, because fmt calls no methods on the unexported fields of whatever holds a Plaintext and
	// would walk a pointer; of a function, reflection sees only the address.
	open func() *material
}

type material struct {
	key       []byte
	prefixLen int
}

func newPlaintext(m *material) Plaintext {
	return Plaintext{open: func() *material { return m }}
}

// Reveal returns the key. The caller must neither keep nor change the slice, which Wipe overwrites.
// It returns nil for the zero value and after Wipe.
func (p Plaintext) Reveal() []byte {
	if p.open == nil {
		return nil
	}
	return p.open().key
}

// Hash returns what is stored of the key. It must be called before Wipe.
func (p Plaintext) Hash() Hash {
	return HashV1(p.Reveal())
}

// Hint returns what may be shown of the key: its prefix, the first 4 random characters, an ellipsis.
// It is only the ellipsis for the zero value and after Wipe.
func (p Plaintext) Hint() string {
	key := p.Reveal()
	if len(key) == 0 {
		return ellipsis
	}
	return hintOf(key, p.open().prefixLen)
}

func hintOf(key []byte, prefixLen int) string {
	return string(key[:prefixLen+hintRandomChars]) + ellipsis
}

// Wipe overwrites the key in memory, in this and every other copy of p.
func (p Plaintext) Wipe() {
	if p.open == nil {
		return
	}
	m := p.open()
	clear(m.key)
	m.key = nil
}

// String implements fmt.Stringer for what calls it directly.
func (Plaintext) String() string { return redacted }

// GoString implements fmt.GoStringer for what calls it directly.
func (Plaintext) GoString() string { return redacted }

// Format implements fmt.Formatter, which comes before Stringer and GoStringer and covers every verb,
// %x and %d among them.
func (Plaintext) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, redacted) // a fmt.State that cannot be written to has no one to tell
}

// MarshalJSON implements json.Marshaler.
func (Plaintext) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler.
func (Plaintext) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (Plaintext) LogValue() slog.Value { return slog.StringValue(redacted) }
