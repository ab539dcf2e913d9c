package keys_test

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestHashIsSHA256WithTheDomainBeforeTheKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "key")
		want := keys.Hash(sha256.Sum256(append([]byte("apikey-operator/v1\x00"), key...)))
		if got := keys.HashV1(key); got != want {
			t.Fatalf("HashV1(bytes) = %x, want %x", got, want)
		}
		if got := keys.HashV1(string(key)); got != want {
			t.Fatalf("HashV1(string) = %x, want %x", got, want)
		}
	})
}

func TestParseHashReadsWhatEncodeWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := keys.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
		got, err := keys.ParseHash(want.Encode())
		if err != nil || got != want {
			t.Fatalf("ParseHash(%q) = %x, %v", want.Encode(), got, err)
		}
	})
}

func TestParseHashRefuses(t *testing.T) {
	digits := strings.Repeat("0a", 32)
	tests := map[string]string{
		"nothing":                      "",
		"no form":                      digits,
		"a form it does not know":      "v2:" + digits,
		"the form in upper case":       "V1:" + digits,
		"upper-case digits":            "v1:" + strings.ToUpper(digits),
		"one digit too few":            "v1:" + digits[1:],
		"one digit too many":           "v1:" + digits + "0",
		"a byte too few":               "v1:" + digits[2:],
		"a digit that is none":         "v1:g" + digits[1:],
		"a space behind":               "v1:" + digits + " ",
		"a key in the place of a hash": "ak_YHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP10TptXr",
	}
	for name, input := range tests {
		t.Run(name, func(t *testing.T) {
			hash, err := keys.ParseHash(input)
			if err == nil {
				t.Fatalf("ParseHash(%q) succeeded", input)
			}
			if hash != (keys.Hash{}) {
				t.Errorf("hash = %x along with an error", hash)
			}
			if input != "" && strings.Contains(err.Error(), input) {
				t.Errorf("error %q repeats its input, which may be a key", err)
			}
		})
	}
}

func TestServingAKeyDoesNotAllocate(t *testing.T) {
	key := generate(t, rand.Reader, keys.Format{Bytes: keys.MaxBytes}).Reveal()
	text := string(key)
	longest := strings.Repeat("k", 512)
	tests := map[string]func(){
		"hash of bytes":           func() { hashSink = keys.HashV1(key) },
		"hash of a string":        func() { hashSink = keys.HashV1(text) },
		"hash of the longest":     func() { hashSink = keys.HashV1(longest) },
		"checksum of bytes":       func() { boolSink = keys.ChecksumOK(key) },
		"checksum of a string":    func() { boolSink = keys.ChecksumOK(text) },
		"checksum of the longest": func() { boolSink = keys.ChecksumOK(longest) },
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			if allocs := testing.AllocsPerRun(100, f); allocs != 0 {
				t.Errorf("%v allocations, want none", allocs)
			}
		})
	}
}

var (
	hashSink keys.Hash
	boolSink bool
)

func BenchmarkHashV1(b *testing.B) {
	key := generate(b, rand.Reader, keys.Format{}).Reveal()
	b.ReportAllocs()
	for b.Loop() {
		hashSink = keys.HashV1(key)
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("")
	f.Add("v1:")
	f.Add("v1:" + strings.Repeat("0", 64))
	f.Add("v1:" + strings.Repeat("F", 64))
	f.Add("sha256:" + strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, s string) {
		hash, err := keys.ParseHash(s)
		if err == nil && hash.Encode() != s {
			t.Fatalf("ParseHash accepts %q, which Encode spells %q", s, hash.Encode())
		}
	})
}
