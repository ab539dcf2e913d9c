package keys_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestCheckImported(t *testing.T) {
	const strong = "s3cr3t-and-long-enough"
	tests := map[string]struct {
		key        string
		wantIs     error // nil: accepted
		wantReason string
	}{
		"a strong key":                        {key: strong},
		"the shortest that is strong":         {key: "abcdefgh" + strings.Repeat("a", 12)},
		"the longest":                         {key: strings.Repeat("abcdefgh", 64)},
		"the first and the last character":    {key: "!~" + strong},
		"nothing":                             {"", keys.ErrMalformedKey, "it is empty"},
		"a line break behind":                 {strong + "\n", keys.ErrMalformedKey, "ends in a line break: store it without one"},
		"a line break of Windows behind":      {strong + "\r\n", keys.ErrMalformedKey, "ends in a line break: store it without one"},
		"a line break between":                {strong + "\n" + strong, keys.ErrMalformedKey, "printable"},
		"a space between":                     {strong + " " + strong, keys.ErrMalformedKey, "a space"},
		"a tab":                               {strong + "\t", keys.ErrMalformedKey, "printable"},
		"a zero byte":                         {strong + "\x00", keys.ErrMalformedKey, "printable"},
		"a delete character":                  {strong + "\x7f", keys.ErrMalformedKey, "printable"},
		"a character outside ASCII":           {strong + "ü", keys.ErrMalformedKey, "printable"},
		"a byte that is no character":         {strong + "\xff", keys.ErrMalformedKey, "printable"},
		"one byte more than the longest":      {strings.Repeat("abcdefgh", 64) + "i", keys.ErrMalformedKey, "longer than 512"},
		"one character less than is strong":   {"abcdefgh" + strings.Repeat("a", 11), keys.ErrWeakKey, "fewer than 20 characters"},
		"one different character too few":     {strings.Repeat("abcdefg", 10), keys.ErrWeakKey, "fewer than 8 different characters"},
		"a single character, again and again": {strings.Repeat("k", 64), keys.ErrWeakKey, "fewer than 8 different characters"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := keys.CheckImported([]byte(tt.key))
			if !errors.Is(err, tt.wantIs) || errors.Is(err, keys.ErrMalformedKey) && errors.Is(err, keys.ErrWeakKey) {
				t.Fatalf("err = %v, want one that is %v alone", err, tt.wantIs)
			}
			if err == nil {
				return
			}
			if !strings.Contains(err.Error(), tt.wantReason) {
				t.Errorf("err = %v, want one that contains %q", err, tt.wantReason)
			}
			if tt.key != "" && strings.Contains(err.Error(), strings.TrimSpace(tt.key)) {
				t.Errorf("error %q quotes the key", err)
			}
		})
	}
}

func TestHintOfReference(t *testing.T) {
	tests := map[string]struct{ key, want string }{
		"a strong key":                    {"a-key-of-somebody-else-42", "…42"},
		"a key too short to show any of":  {"hunter42", "…"},
		"a malformed key":                 {"a-key-of-somebody-else-42\n", "…"},
		"nothing":                         {"", "…"},
		"a long key of a few characters":  {strings.Repeat("ab", 20), "…"},
		"the end of a character of UTF-8": {"a-key-of-somebody-else-ü", "…"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := keys.HintOfReference([]byte(tt.key)); got != tt.want {
				t.Errorf("HintOfReference(%q) = %q, want %q", tt.key, got, tt.want)
			}
		})
	}
}

func FuzzCheckImported(f *testing.F) {
	for _, key := range []string{"", "\n", "hunter2", "a-key-of-somebody-else-42", strings.Repeat("k", 513), "\xff"} {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		err := keys.CheckImported(key)
		switch {
		case err == nil:
			if len(key) < 20 || len(key) > 512 || strings.ContainsAny(string(key), " \r\n\t\x00\x7f") {
				t.Fatalf("%q is accepted", key)
			}
		case errors.Is(err, keys.ErrMalformedKey) == errors.Is(err, keys.ErrWeakKey):
			t.Fatalf("%q: %v is not one of malformed and weak", key, err)
		case len(key) > 20 && strings.Contains(fmt.Sprint(err), string(key)):
			t.Fatalf("%v quotes the key", err)
		}
	})
}
