package keys_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestEveryGeneratedKeyIsRecognised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		format := drawFormat(t)
		random := rapid.SliceOfN(rapid.Byte(), format.Bytes, format.Bytes).Draw(t, "random")
		key, err := keys.Generate(bytes.NewReader(random), format)
		if err != nil {
			t.Fatal(err)
		}
		if hint, ok := format.Recognize(key.Reveal()); !ok || hint != key.Hint() {
			t.Fatalf("Recognize(%q) = %q, %v; want the hint %q", key.Reveal(), hint, ok, key.Hint())
		}
	})
}

func TestAGeneratedKeyWithOneChangedByteIsNotRecognised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		format := drawFormat(t)
		key, err := keys.Generate(rand.Reader, format)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Clone(key.Reveal())
		at := rapid.IntRange(0, len(changed)-1).Draw(t, "at")
		changed[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		if hint, ok := format.Recognize(changed); ok || hint != "" {
			t.Fatalf("Recognize(%q) = %q, %v; it was made from %q", changed, hint, ok, key.Reveal())
		}
	})
}

func TestRecognizeRefuses(t *testing.T) {
	usual := keys.Format{Prefix: "sk_live_", Bytes: 32}
	key := generate(t, rand.Reader, usual).Reveal()
	tests := map[string]struct {
		format keys.Format
		value  []byte
	}{
		"nothing":                                {usual, nil},
		"the prefix alone":                       {usual, []byte("sk_live_")},
		"a key of another prefix":                {usual, generate(t, rand.Reader, keys.Format{Prefix: "sk_test_"}).Reveal()},
		"a key of a longer prefix":               {keys.Format{Prefix: "sk_"}, key},
		"a key of a shorter prefix":              {keys.Format{Prefix: "sk_live_0"}, key},
		"a key of fewer random bytes":            {usual, generate(t, rand.Reader, keys.Format{Prefix: "sk_live_", Bytes: 31}).Reveal()},
		"a key of more random bytes":             {usual, generate(t, rand.Reader, keys.Format{Prefix: "sk_live_", Bytes: 33}).Reveal()},
		"a line break behind":                    {usual, append(bytes.Clone(key), '\n')},
		"a space before":                         {usual, append([]byte(" "), key...)},
		"a random part with a character between": {usual, withChecksum("sk_live_" + strings.Repeat("0", 20) + "_" + strings.Repeat("0", 22))},
		"a random part one digit short":          {usual, withChecksum("sk_live_" + strings.Repeat("0", 42))},
		"a number that 32 bytes cannot hold":     {usual, withChecksum("sk_live_" + oneMoreThanFits(32))},
		"digits that 32 bytes cannot hold":       {usual, withChecksum("sk_live_" + strings.Repeat("Z", 43))},
		"a format out of bounds":                 {keys.Format{Prefix: "sk_live_", Bytes: 8}, withChecksum("sk_live_" + strings.Repeat("0", 11))},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if hint, ok := tt.format.Recognize(tt.value); ok || hint != "" {
				t.Errorf("Recognize(%q) = %q, %v", tt.value, hint, ok)
			}
		})
	}
}

func TestRecognizeKnowsTheSmallestAndTheLargestNumber(t *testing.T) {
	largest := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)).Text(62)
	for _, body := range []string{strings.Repeat("0", 43), largest} {
		hint, ok := keys.Format{Prefix: "sk_live_"}.Recognize(withChecksum("sk_live_" + body))
		if want := "sk_live_" + body[:4] + "…"; !ok || hint != want {
			t.Errorf("Recognize of %s = %q, %v; want %q", body, hint, ok, want)
		}
	}
}

func TestRecognizeTakesEmptyFieldsForTheirDefaults(t *testing.T) {
	if _, ok := (keys.Format{}).Recognize(generate(t, rand.Reader, keys.Format{}).Reveal()); !ok {
		t.Error("a key of the default format is not recognised")
	}
}

func oneMoreThanFits(n int) string {
	return new(big.Int).Lsh(big.NewInt(1), uint(n)*8).Text(62)
}

// withChecksum makes what is recognised but for what it is made from.
func withChecksum(body string) []byte {
	sum := new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body)))).Text(62)
	return fmt.Appendf(nil, "%s%s%s", body, strings.Repeat("0", 6-len(sum)), sum)
}

func FuzzRecognize(f *testing.F) {
	f.Add([]byte("ak_YHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP10TptXr"), "", 0)
	f.Add([]byte("sk_live_000a7DL5pew67ZzcPfu9UkAhNgGoVqkar2Oc0nt"), "sk_live_", 24)
	f.Add([]byte("ak_00000000000000000000000000000000000000000002pl60"), "ak_", 32)
	f.Add([]byte(nil), "?", -1)
	f.Fuzz(func(t *testing.T, value []byte, prefix string, n int) {
		format := keys.Format{Prefix: prefix, Bytes: n}
		hint, ok := format.Recognize(value)
		if !ok {
			return
		}
		if format.Validate() != nil || !keys.ChecksumOK(value) || !bytes.HasPrefix(value, []byte(strings.TrimSuffix(hint, "…"))) {
			t.Fatalf("Recognize(%q) = %q in the format %+v", value, hint, format)
		}
	})
}
