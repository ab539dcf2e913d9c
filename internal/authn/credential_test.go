package authn

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestBoundsOfACredential(t *testing.T) {
	tests := map[string]struct {
		key                        string
		wantMissing, wantMalformed bool
	}{
		"a key":                     {key: "ak_0000"},
		"a key of one character":    {key: "k"},
		"the longest":               {key: strings.Repeat("k", 512)},
		"every printable character": {key: " !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~"},
		"nothing":                   {key: "", wantMissing: true},
		"one byte too long":         {key: strings.Repeat("k", 513), wantMalformed: true},
		"a zero byte":               {key: "a\x00b", wantMalformed: true},
		"a tab":                     {key: "a\tb", wantMalformed: true},
		"a line break behind":       {key: "ak_0000\n", wantMalformed: true},
		"a delete character":        {key: "a\x7fb", wantMalformed: true},
		"outside ASCII":             {key: "schlüssel", wantMalformed: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := NewCredential([]byte(tt.key))
			if c.Missing() != tt.wantMissing || c.malformed != tt.wantMalformed {
				t.Errorf("missing %v, malformed %v", c.Missing(), c.malformed)
			}
			if c.malformed && c.key != nil {
				t.Error("a malformed key is kept")
			}
		})
	}
	if c := UnreadableCredential(); c.Missing() || !c.malformed {
		t.Error("an unreadable credential is not malformed")
	}
}

func TestEveryByteCountsWhereverItStands(t *testing.T) {
	for length := 1; length <= 20; length++ {
		for at := range length {
			for b := range 256 {
				key := bytes.Repeat([]byte("k"), length)
				key[at] = byte(b)
				if got, want := NewCredential(key).malformed, b < 0x20 || b > 0x7e; got != want {
					t.Fatalf("byte %#x at %d of %d: malformed is %v", b, at, length, got)
				}
			}
		}
	}
}

func TestACredentialPrintsAsRedacted(t *testing.T) {
	c := NewCredential([]byte("ak_secret"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, c); got != "[REDACTED]" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

func FuzzNewCredential(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("ak_YHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP10TptXr"))
	f.Add([]byte("a\x00b"))
	f.Add([]byte(strings.Repeat("k", 513)))
	f.Fuzz(func(t *testing.T, key []byte) {
		c := NewCredential(key)
		if c.Missing() != (len(key) == 0) {
			t.Fatalf("%q: missing is %v", key, c.Missing())
		}
		if string(c.key) != string(key) && !c.malformed {
			t.Fatalf("%q became %q", key, c.key)
		}
		if strings.ContainsAny(string(c.key), "\x00\r\n\t\x7f") || len(c.key) > MaxCredentialLen {
			t.Fatalf("%q was taken for a key", c.key)
		}
	})
}
