package index_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestLookupReturnsWhatWasSet(t *testing.T) {
	x := index.New()
	end := time.Date(2027, 1, 10, 23, 59, 59, 0, time.UTC)
	err := x.Set(index.Record{
		Namespace: "phoenix", Name: "monitor", Tenant: "acme",
		Permissions: []string{"read", "customers:*"},
		Scopes:      map[string][]string{"region": {"eu", "apac"}, "category": {"general"}},
		NotAfter:    end,
		Suspended:   true,
		UID:         "8c3b1c1e-3a55-4a53-93c2-6c1b8f4a5d10",
		Credentials: []index.Credential{{Hash: hash(1), Revision: 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := index.Entry{
		Namespace: "phoenix", Name: "monitor", Tenant: "acme",
		Permissions: "read,customers:*",
		Scopes:      "category=general;region=apac|eu",
		NotAfter:    end.UnixNano(),
		Revision:    3,
		Suspended:   true,
	}
	got, ok := x.Lookup(hash(1))
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("found: %v, entry (-want +got):\n%s", ok, diff)
	}
	if _, ok := x.Lookup(hash(2)); ok {
		t.Error("a hash that nobody holds was found")
	}
	x.Delete("phoenix", "monitor")
	if _, ok := x.Lookup(hash(1)); ok {
		t.Error("a deleted key was found")
	}
}

// hash makes distinct hashes, spread as real ones are.
func hash(n int) keys.Hash {
	return keys.HashV1(string(rune(n)))
}
