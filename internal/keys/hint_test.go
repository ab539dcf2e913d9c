package keys_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestTheHintOfAPresentedKeyIsThatOfTheIssuedOneOrLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		format := drawFormat(t)
		random := rapid.SliceOfN(rapid.Byte(), format.Bytes, format.Bytes).Draw(t, "random")
		key, err := keys.Generate(bytes.NewReader(random), format)
		if err != nil {
			t.Fatal(err)
		}
		got, want := string(keys.AppendHint(nil, key.Reveal())), key.Hint()
		shown, ok := strings.CutSuffix(got, "…")
		if !ok || shown == "" || !strings.HasPrefix(want, shown) {
			t.Fatalf("the hint of %q is %q, which shows something else than %q", key.Reveal(), got, want)
		}
		if strings.ContainsAny(format.Prefix[len(format.Prefix)-1:], "_-") && got != want {
			t.Fatalf("the hint of %q is %q, want %q", key.Reveal(), got, want)
		}
	})
}

func TestTheHintOfAPresentedKey(t *testing.T) {
	tests := map[string]struct{ key, want string }{
		"the usual format":               {"ak_YHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP10TptXr", "ak_YHJS…"},
		"a prefix with two separators":   {"sk_live_000a7DL5pew67ZzcPfu9UkAhNgGoVqkar2Oc0nt", "sk_live_000a…"},
		"a prefix that has no separator": {"pYHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP10TptXr", "pYHJS…"},
		"too short for a generated key":  {"ak_YHJS", "…"},
		"too long for a generated key":   {"ak_" + strings.Repeat("0", 200), "…"},
		"separators up to the end":       {strings.Repeat("_", 52), "…"},
		"nothing":                        {"", "…"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := string(keys.AppendHint(nil, []byte(tt.key))); got != tt.want {
				t.Errorf("the hint of %q is %q, want %q", tt.key, got, tt.want)
			}
		})
	}
}

func TestAHintIsAppendedWithoutAllocating(t *testing.T) {
	key := generate(t, rand.Reader, keys.Format{}).Reveal()
	var buf [64]byte
	if allocs := testing.AllocsPerRun(100, func() { keys.AppendHint(buf[:0], key) }); allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

func FuzzAppendHint(f *testing.F) {
	for _, key := range []string{"", "ak_", "sk_live_000a7DL5pew67ZzcPfu9UkAhNgGoVqkar2Oc0nt", strings.Repeat("-", 512)} {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		shown := bytes.TrimSuffix(keys.AppendHint(nil, key), []byte("…"))
		hidden := len(key) - len(shown)
		if !bytes.HasPrefix(key, shown) || len(shown) > 0 && hidden < 35 { // of 24 bytes and a checksum, but for 4 digits

			t.Fatalf("%q is shown of %q", shown, key)
		}
	})
}
