package authn_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// holding is an ApiKey that holds hashes, with nothing else to it.
func holding(name string, hashes ...keys.Hash) index.Record {
	r := index.Record{Namespace: "ns", Name: name}
	for _, h := range hashes {
		r.Credentials = append(r.Credentials, index.Credential{Hash: h, Revision: 1})
	}
	return r
}

// decideOn decides on a key that nothing is demanded of.
func decideOn(t *testing.T, key []byte, records ...index.Record) authn.Decision {
	t.Helper()
	x := index.New()
	for _, r := range records {
		if err := x.Set(r); err != nil {
			t.Fatal(err)
		}
	}
	return authn.NewDecider(x).Decide(&authn.Request{
		Ready: true, Requirement: &authn.Requirement{}, Credential: authn.NewCredential(key), Now: noon,
	})
}

func TestAnImportedKeyMayLookLikeAnything(t *testing.T) {
	tests := map[string][]byte{
		"a key that was generated elsewhere": newKey(t, rand.Reader),
		"a word":                             []byte("correcthorsebatterystaple"),
		"words":                              []byte("correct horse battery staple"),
		"one character":                      []byte("k"),
		"a token of another form":            []byte("eyJhbGciOiJub25lIn0.e30."),
		"the longest":                        []byte(strings.Repeat("k", 512)),
	}
	for name, key := range tests {
		t.Run(name, func(t *testing.T) {
			got := decideOn(t, key, holding("imported", keys.SHA256(key)), holding("other", keys.HashV1("other")))
			if got.Reason != authn.Allowed || got.Key.Name() != "imported" {
				t.Errorf("reason = %v, want allowed", got.Reason)
			}
			other := append([]byte("x"), key[1:]...)
			if got := decideOn(t, other, holding("imported", keys.SHA256(key))); got.Reason != authn.UnknownKey {
				t.Errorf("reason = %v for another key, want unknown_key", got.Reason)
			}
		})
	}
}

func TestAHashOfOneFormIsNoneOfTheOther(t *testing.T) {
	key := newKey(t, rand.Reader)
	generated, plain := keys.HashV1(key), keys.SHA256(key)
	asImported, asGenerated := generated, plain // what somebody makes of them who copies the digits
	asImported.Imported, asGenerated.Imported = true, false
	victim := holding("victim", generated)
	tests := map[string]struct {
		records    []index.Record
		wantReason authn.Reason
		wantName   string
	}{
		"a stolen hash beside its owner": {
			[]index.Record{holding("thief", asImported), victim}, authn.Allowed, "victim",
		},
		"a stolen hash after its owner": {
			[]index.Record{victim, holding("thief", asImported)}, authn.Allowed, "victim",
		},
		"a stolen hash whose owner has gone": {
			[]index.Record{holding("thief", asImported)}, authn.UnknownKey, "",
		},
		"a plain hash that was recorded for a generated key": {
			[]index.Record{holding("thief", asGenerated), holding("other", keys.SHA256("other"))}, authn.UnknownKey, "",
		},
		"a generated key that somebody who knows it imports": {
			[]index.Record{holding("importer", plain), victim}, authn.Allowed, "victim",
		},
		"a generated key that was imported, and whose owner has gone": {
			[]index.Record{holding("importer", plain)}, authn.Allowed, "importer",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := decideOn(t, key, tt.records...)
			if got.Reason != tt.wantReason {
				t.Fatalf("reason = %v, want %v", got.Reason, tt.wantReason)
			}
			if tt.wantName != "" && got.Key.Name() != tt.wantName {
				t.Errorf("answered for %q, want %q", got.Key.Name(), tt.wantName)
			}
		})
	}
}
