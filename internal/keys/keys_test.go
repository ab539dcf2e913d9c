package keys_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Worked out apart from this code (Python's hashlib, zlib and int), so that a key and a hash that were
// stored years ago keep their meaning.
func TestGeneratedKeysMatchGoldenVectors(t *testing.T) {
	tests := map[string]struct {
		random   []byte
		format   keys.Format
		wantKey  string
		wantHash string
		wantHint string
	}{
		"all bits zero are padded on the left": {
			random:   make([]byte, 32),
			wantKey:  "ak_00000000000000000000000000000000000000000002pl60U",
			wantHash: "v1:442bdade2ade37f982471f0ba5d2dc1680a1200b8e07dd7a0761363b7ddccdea",
			wantHint: "ak_0000…",
		},
		"all bits one fill the width": {
			random:   bytes.Repeat([]byte{0xff}, 32),
			wantKey:  "ak_YHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP10TptXr",
			wantHash: "v1:f898f9e0c1d147e3c8eeea36949189fba97425db4110b35a1d9807add873b986",
			wantHint: "ak_YHJS…",
		},
		"a prefix and a length of its own": {
			random:   counting(24),
			format:   keys.Format{Prefix: "sk_live_", Bytes: 24},
			wantKey:  "sk_live_000a7DL5pew67ZzcPfu9UkAhNgGoVqkar2Oc0nt",
			wantHash: "v1:2e888b6305dddc24978994bf7c783f80d8f68784e61f7a03dd90ae467d473c1c",
			wantHint: "sk_live_000a…",
		},
		"the longest key": {
			random:   bytes.Repeat([]byte{0xff}, 64),
			format:   keys.Format{Prefix: strings.Repeat("p", 24), Bytes: 64},
			wantKey:  "ppppppppppppppppppppppppXr9FaLRDkVciinSQeKjzsFVKaT8LZMssssWefe05V06eby3R5DLOZUrXNVoF5lfqw8Jes7ApveZQa5Lo3mw8i31jA4Yh",
			wantHash: "v1:5dc3acdffecc8782e5bce58f8b3b5d84c944687f79f24292674cf9d617020e58",
			wantHint: "ppppppppppppppppppppppppXr9F…",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			key := generate(t, bytes.NewReader(tt.random), tt.format)
			if got := string(key.Reveal()); got != tt.wantKey {
				t.Errorf("key = %s, want %s", got, tt.wantKey)
			}
			if got := key.Hash().Encode(); got != tt.wantHash {
				t.Errorf("hash = %s, want %s", got, tt.wantHash)
			}
			if got := key.Hint(); got != tt.wantHint {
				t.Errorf("hint = %s, want %s", got, tt.wantHint)
			}
		})
	}
}

func TestEveryGeneratedKeyHasItsShapeAndAChecksumThatHolds(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9A-Za-z]+$`)
	rapid.Check(t, func(t *rapid.T) {
		format := drawFormat(t)
		random := rapid.SliceOfN(rapid.Byte(), format.Bytes, format.Bytes).Draw(t, "random")
		key, err := keys.Generate(bytes.NewReader(random), format)
		if err != nil {
			t.Fatal(err)
		}
		text := string(key.Reveal())
		body, ok := strings.CutPrefix(text, format.Prefix)
		if !ok || !shape.MatchString(body) {
			t.Fatalf("key %q is not the prefix %q and base62", text, format.Prefix)
		}
		other, err := keys.Generate(rand.Reader, format)
		if err != nil {
			t.Fatal(err)
		}
		if len(other.Reveal()) != len(text) {
			t.Fatalf("keys of one format have %d and %d characters", len(text), len(other.Reveal()))
		}
		if !keys.ChecksumOK(text) || !keys.ChecksumOK(key.Reveal()) {
			t.Fatalf("checksum of the generated key %q does not hold", text)
		}
	})
}

func TestOneChangedCharacterBreaksTheChecksum(t *testing.T) {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	rapid.Check(t, func(t *rapid.T) {
		format := drawFormat(t)
		key, err := keys.Generate(rand.Reader, format)
		if err != nil {
			t.Fatal(err)
		}
		typo := bytes.Clone(key.Reveal())
		at := rapid.IntRange(0, len(typo)-1).Draw(t, "at")
		char := rapid.SampledFrom([]byte(alphabet)).Draw(t, "char")
		if typo[at] == char {
			t.Skip("nothing changed")
		}
		typo[at] = char
		// CRC32 detects every burst of up to 32 bits, so this never fails by bad luck.
		if keys.ChecksumOK(typo) {
			t.Fatalf("checksum holds for %q, made from %q", typo, key.Reveal())
		}
	})
}

func TestDifferentRandomBytesMakeDifferentKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rapid.SliceOfN(rapid.Byte(), 32, 32)
		a, b := random.Draw(t, "a"), random.Draw(t, "b")
		keyA, errA := keys.Generate(bytes.NewReader(a), keys.Format{})
		keyB, errB := keys.Generate(bytes.NewReader(b), keys.Format{})
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		same := bytes.Equal(keyA.Reveal(), keyB.Reveal())
		if same != bytes.Equal(a, b) {
			t.Fatalf("bytes %x and %x: same key is %v", a, b, same)
		}
	})
}

func TestGenerateRefuses(t *testing.T) {
	tests := map[string]struct {
		random  io.Reader
		format  keys.Format
		wantErr string
	}{
		"too few random bytes":             {rand.Reader, keys.Format{Bytes: 23}, "bytes is 23, use 24 to 64"},
		"too many random bytes":            {rand.Reader, keys.Format{Bytes: 65}, "bytes is 65, use 24 to 64"},
		"a negative number of bytes":       {rand.Reader, keys.Format{Bytes: -1}, "bytes is -1, use 24 to 64"},
		"a prefix that is too long":        {rand.Reader, keys.Format{Prefix: strings.Repeat("p", 25)}, "at most 24"},
		"a prefix with a space":            {rand.Reader, keys.Format{Prefix: "my key"}, "use letters"},
		"a prefix with a dot":              {rand.Reader, keys.Format{Prefix: "sk.live"}, "use letters"},
		"a prefix outside ASCII":           {rand.Reader, keys.Format{Prefix: "schlüssel"}, "use letters"},
		"a random source that runs short":  {bytes.NewReader(make([]byte, 31)), keys.Format{}, "read 32 random bytes"},
		"a random source that is broken":   {iotest.ErrReader(errBroken), keys.Format{}, "broken"},
		"a random source that has nothing": {bytes.NewReader(nil), keys.Format{}, "read 32 random bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			key, err := keys.Generate(tt.random, tt.format)
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("err = %v, want one that contains %q", err, tt.wantErr)
			}
			if key.Reveal() != nil {
				t.Error("a key came back with the error")
			}
		})
	}
}

func TestChecksumDoesNotHoldFor(t *testing.T) {
	tests := map[string]string{
		"nothing":                              "",
		"a checksum alone":                     "000000",
		"a word":                               "correcthorsebatterystaple",
		"a digit outside base62":               "ak_00000000000000000000000000000000000000000002pl60!",
		"a checksum beyond 32 bits":            "ak_0000000000000000000000000000000000000000000ZZZZZZ",
		"a key with its last character gone":   "ak_00000000000000000000000000000000000000000002pl60",
		"a key with a space pasted behind":     "ak_00000000000000000000000000000000000000000002pl60U ",
		"a key in the wrong case of its digit": "ak_00000000000000000000000000000000000000000002pl60u",
	}
	for name, key := range tests {
		t.Run(name, func(t *testing.T) {
			if keys.ChecksumOK(key) {
				t.Errorf("ChecksumOK(%q) = true", key)
			}
		})
	}
}

func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Generate(rand.Reader, keys.Format{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChecksumOK(b *testing.B) {
	key := generate(b, rand.Reader, keys.Format{}).Reveal()
	b.ReportAllocs()
	for b.Loop() {
		if !keys.ChecksumOK(key) {
			b.Fatal("checksum does not hold")
		}
	}
}

func FuzzChecksumOK(f *testing.F) {
	f.Add("")
	f.Add("000000")
	f.Add("ak_00000000000000000000000000000000000000000002pl60U")
	f.Add("ak_YHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP10TptXr")
	f.Add("sk_live_000a7DL5pew67ZzcPfu9UkAhNgGoVqkar2Oc0nt")
	f.Add("ZZZZZZZ")
	f.Fuzz(func(t *testing.T, key string) {
		holds := keys.ChecksumOK(key)
		if holds != keys.ChecksumOK([]byte(key)) {
			t.Fatalf("string and bytes of %q disagree", key)
		}
		if holds && keys.ChecksumOK(key[:len(key)-1]+"!") {
			t.Fatalf("%q holds with a last character that is no digit", key)
		}
	})
}

var errBroken = errors.New("broken")

func generate(t testing.TB, random io.Reader, format keys.Format) keys.Plaintext {
	t.Helper()
	key, err := keys.Generate(random, format)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func drawFormat(t *rapid.T) keys.Format {
	return keys.Format{
		Prefix: rapid.StringMatching(`[A-Za-z0-9_-]{1,24}`).Draw(t, "prefix"),
		Bytes:  rapid.IntRange(keys.MinBytes, keys.MaxBytes).Draw(t, "bytes"),
	}
}
