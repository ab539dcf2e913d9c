package apikey

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// refusal is an answer of the API server in these words.
func refusal(words string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: words,
	}}
}

func TestARefusalKeepsItsWordsUnlessTheyQuoteTheKey(t *testing.T) {
	key, err := keys.Generate(rand.Reader, keys.Format{Prefix: "sk_live_"})
	if err != nil {
		t.Fatal(err)
	}
	value := key.Reveal()
	around := func(before string) string {
		return base64.StdEncoding.EncodeToString([]byte(before + string(value) + `"}`))
	}
	cases := map[string]struct {
		words    string
		wantKept bool
	}{
		"a quota":                       {"exceeded quota: secrets=10", true},
		"the hint":                      {"refused: " + key.Hint(), true},
		"the key":                       {"refused: " + string(value), false},
		"a piece of it":                 {"refused: …" + string(value[30:40]) + "…", false},
		"its base64":                    {"refused: " + base64.StdEncoding.EncodeToString(value), false},
		"its base64 for URLs":           {"refused: " + base64.RawURLEncoding.EncodeToString(value), false},
		"base64 of what surrounds it":   {"refused: " + around(`{"k":"`), false},
		"base64 of it, shifted by one":  {"refused: " + around(`{"ke":"`), false},
		"base64 of it, shifted by two":  {"refused: " + around(`{"key":"`), false},
		"its hexadecimal digits":        {"refused: " + hex.EncodeToString(value), false},
		"the same in upper case":        {"refused: " + strings.ToUpper(hex.EncodeToString(value)), false},
		"a random-looking other string": {"refused: request 7f550c55-91ef-4196-9482-c1c127d82b64", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			sanitized := sanitize(refusal(c.words), value)
			if kept := strings.Contains(sanitized.Error(), c.words); kept != c.wantKept {
				t.Errorf("the error says %q; its words are kept: %t, want %t", sanitized, kept, c.wantKept)
			}
			if !apierrors.IsForbidden(sanitized) {
				t.Errorf("the error cannot be told as a refusal any more: %v", sanitized)
			}
			if errors.Unwrap(sanitized) != nil {
				t.Errorf("the error leads to the original, with its words")
			}
		})
	}
}
