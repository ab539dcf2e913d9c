package keys_test

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestHashIsSHA256WithTheDomainBeforeTheKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "key")
		want := keys.Hash{Sum: sha256.Sum256(append([]byte("apikey-operator/v1\x00"), key...))}
		if got := keys.HashV1(key); got != want {
			t.Fatalf("HashV1(bytes) = %s, want %s", got.Encode(), want.Encode())
		}
		if got := keys.HashV1(string(key)); got != want {
			t.Fatalf("HashV1(string) = %s, want %s", got.Encode(), want.Encode())
		}
	})
}

func TestTheHashOfAnImportedKeyIsItsPlainSHA256(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "key")
		want := keys.Hash{Sum: sha256.Sum256(key), Imported: true}
		if got := keys.SHA256(key); got != want {
			t.Fatalf("SHA256(bytes) = %s, want %s", got.Encode(), want.Encode())
		}
		if got := keys.SHA256(string(key)); got != want {
			t.Fatalf("SHA256(string) = %s, want %s", got.Encode(), want.Encode())
		}
	})
}

// What sha256sum prints, so that a hash made by the command in the API's documentation is the key's.
func TestTheHashOfAnImportedKeyIsWhatSha256sumPrints(t *testing.T) {
	const want = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got := keys.SHA256("abc").Encode(); got != want {
		t.Errorf("hash = %s, want %s", got, want)
	}
}

func TestHashesOfDifferentFormsAreNeverEqual(t *testing.T) {
	digits := strings.Repeat("0a", 32)
	generated, errG := keys.ParseHash("v1:" + digits)
	imported, errI := keys.ParseHash("sha256:" + digits)
	if err := errors.Join(errG, errI); err != nil {
		t.Fatal(err)
	}
	if generated == imported || generated.Imported || !imported.Imported || generated.Sum != imported.Sum {
		t.Errorf("%+v and %+v, of the same digits", generated, imported)
	}
}

func TestParseHashReadsWhatEncodeWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := keys.Hash{
			Sum:      [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sum")),
			Imported: rapid.Bool().Draw(t, "imported"),
		}
		got, err := keys.ParseHash(want.Encode())
		if err != nil || got != want {
			t.Fatalf("ParseHash(%q) = %+v, %v", want.Encode(), got, err)
		}
	})
}

func TestParseHashRefuses(t *testing.T) {
	digits := strings.Repeat("0a", 32)
	tests := map[string]string{
		"nothing":                      "",
		"no form":                      digits,
		"a form it does not know":      "v2:" + digits,
		"both forms":                   "sha256:v1:" + digits,
		"both forms, the other way":    "v1:sha256:" + digits,
		"a key in the place of a hash": "ak_YHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP10TptXr",
		"a key in the place of digits": "sha256:ak_YHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP10TptXr",
	}
	for _, form := range []string{"v1:", "sha256:"} {
		tests["nothing after "+form] = form
		tests["the form in upper case, "+form] = strings.ToUpper(form) + digits
		tests["a space after "+form] = form + " " + digits[1:]
		tests["upper-case digits after "+form] = form + strings.ToUpper(digits)
		tests["one digit too few after "+form] = form + digits[1:]
		tests["one digit too many after "+form] = form + digits + "0"
		tests["a byte too few after "+form] = form + digits[2:]
		tests["a digit that is none after "+form] = form + "g" + digits[1:]
		tests["a space behind, "+form] = form + digits + " "
	}
	for name, input := range tests {
		t.Run(name, func(t *testing.T) {
			hash, err := keys.ParseHash(input)
			if err == nil {
				t.Fatalf("ParseHash(%q) succeeded", input)
			}
			if hash != (keys.Hash{}) {
				t.Errorf("hash = %+v along with an error", hash)
			}
			_, digits, _ := strings.Cut(input, ":")
			for _, part := range []string{input, digits} {
				if len(part) > len("sha256:") && strings.Contains(err.Error(), part) {
					t.Errorf("error %q repeats its input, which may be a key", err)
				}
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
		"plain hash of bytes":     func() { hashSink = keys.SHA256(key) },
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
	f.Add("sha256:")
	f.Add("sha256:" + strings.Repeat("0", 64))
	f.Add("sha256:" + strings.Repeat("F", 64))
	f.Add("v1:sha256:" + strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, s string) {
		hash, err := keys.ParseHash(s)
		if err == nil && hash.Encode() != s {
			t.Fatalf("ParseHash accepts %q, which Encode spells %q", s, hash.Encode())
		}
	})
}
