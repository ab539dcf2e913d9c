package audit

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestTheSearchFindsAPieceOfAKeyInEverySpelling is what the search's silence rests on.
func TestTheSearchFindsAPieceOfAKeyInEverySpelling(t *testing.T) {
	t.Parallel()
	const random = "9fGh31kLmN0pQrStUvWxYz7aBcDeF2gHiJkLmNoPqRsTuVwXy"
	of := owner{"team", "reports", "uid"}
	s := newSearch(map[string]owner{random: of})

	for name, text := range map[string]string{
		"the whole key":                 "the key is sk_live_" + random + ".",
		"its beginning":                 `{"key":"sk_live_` + random[:12] + `"}`,
		"its middle":                    "GET /x?k=" + random[17:29] + " HTTP/1.1",
		"its end":                       "..." + random[len(random)-12:],
		"a Secret's data":               base64.StdEncoding.EncodeToString([]byte("sk_live_" + random)),
		"base64 one byte further":       base64.StdEncoding.EncodeToString([]byte("_sk_live_" + random)),
		"base64 two bytes further":      base64.StdEncoding.EncodeToString([]byte("__sk_live_" + random)),
		"base64 for URLs":               base64.RawURLEncoding.EncodeToString([]byte("?>" + random)),
		"a credential for basic":        base64.StdEncoding.EncodeToString([]byte("user:" + random)),
		"hexadecimal":                   hex.EncodeToString([]byte("x" + random)),
		"a dump of bytes in upper case": strings.ToUpper(hex.EncodeToString([]byte(random[:12]))),
		"percent-encoded":               EscapeEach(random, "%%%02X"),
		"a slice of bytes printed":      fmt.Sprint([]byte("sk_live_" + random)),
	} {
		t.Run(name, func(t *testing.T) {
			found := s.in(strings.Repeat("noise ", 100) + text + strings.Repeat(" noise", 100))
			if len(found) == 0 {
				t.Fatal("nothing was found")
			}
			if found[0].of != of {
				t.Errorf("found a piece of %v", found[0].of)
			}
		})
	}
	for name, text := range map[string]string{
		"a hint":                           "sk_live_" + random[:4] + "…",
		"eleven characters":                random[5:16],
		"the hash of the key":              "v1:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
		"the key's characters in disorder": random[12:23] + random[:11],
	} {
		t.Run(name, func(t *testing.T) {
			if found := s.in(text); len(found) > 0 {
				t.Errorf("found %v", found)
			}
		})
	}
}
