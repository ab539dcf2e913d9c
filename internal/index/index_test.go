package index_test

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func TestLookupReturnsWhatWasSet(t *testing.T) {
	tests := map[string]struct {
		record    index.Record
		wantEntry index.Entry
	}{
		"everything filled in": {
			record: index.Record{
				Namespace: "phoenix", Name: "monitor", Tenant: "acme",
				Permissions: []string{"read", "customers:*"},
				Scopes:      map[string][]string{"region": {"eu", "apac"}, "category": {"general"}},
				Credentials: []index.Credential{{Hash: hash(1), Revision: 3}},
			},
			wantEntry: index.Entry{
				Namespace: "phoenix", Name: "monitor", Tenant: "acme",
				Permissions: "read,customers:*",
				Scopes:      "category=general;region=apac|eu",
				Revision:    3, NotAfter: index.Never,
			},
		},
		"nothing but a name": {
			record:    named("a", "b", hash(1)),
			wantEntry: index.Entry{Namespace: "a", Name: "b", NotAfter: index.Never},
		},
		"a scope that allows nothing stays, so that it is not taken for one that is absent": {
			record: index.Record{
				Namespace: "a", Name: "b", Scopes: map[string][]string{"category": nil},
				Credentials: []index.Credential{{Hash: hash(1)}},
			},
			wantEntry: index.Entry{Namespace: "a", Name: "b", Scopes: "category=", NotAfter: index.Never},
		},
		"all that stops a key": {
			record: index.Record{
				Namespace: "a", Name: "b", Revoked: true, Suspended: true, Expired: true, NotGranted: true,
				Credentials: []index.Credential{{Hash: hash(1)}},
			},
			wantEntry: index.Entry{
				Namespace: "a", Name: "b", NotAfter: index.Never,
				Revoked: true, Suspended: true, Expired: true, NotGranted: true,
			},
		},
		"the credential ends before the ApiKey": {
			record:    ending(noon.Add(time.Hour), noon),
			wantEntry: index.Entry{Namespace: "a", Name: "b", NotAfter: noon.UnixNano()},
		},
		"the ApiKey ends before the credential": {
			record:    ending(noon, noon.Add(time.Hour)),
			wantEntry: index.Entry{Namespace: "a", Name: "b", NotAfter: noon.UnixNano()},
		},
		"an end so far off that nanoseconds cannot hold it is none": {
			record:    ending(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Time{}),
			wantEntry: index.Entry{Namespace: "a", Name: "b", NotAfter: index.Never},
		},
		"an end so long ago that nanoseconds cannot hold it is past": {
			record:    ending(time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Time{}),
			wantEntry: index.Entry{Namespace: "a", Name: "b", NotAfter: math.MinInt64},
		},
		"a hash listed twice ends when the first of the two does": {
			record: index.Record{Namespace: "a", Name: "b", Credentials: []index.Credential{
				{Hash: hash(1), Revision: 2}, {Hash: hash(1), Revision: 1, NotAfter: noon},
			}},
			wantEntry: index.Entry{Namespace: "a", Name: "b", Revision: 1, NotAfter: noon.UnixNano()},
		},
		"a hash listed twice has ended when one of the two has": {
			record: index.Record{Namespace: "a", Name: "b", Credentials: []index.Credential{
				{Hash: hash(1), Revision: 2, NotAfter: noon}, {Hash: hash(1), Revision: 1, Expired: true},
			}},
			wantEntry: index.Entry{Namespace: "a", Name: "b", Revision: 1, Expired: true, NotAfter: index.Never},
		},
		"one of two credentials has ended": {
			record: index.Record{Namespace: "a", Name: "b", Credentials: []index.Credential{
				{Hash: hash(3), Revision: 1, Expired: true}, {Hash: hash(1), Revision: 2},
			}},
			wantEntry: index.Entry{Namespace: "a", Name: "b", Revision: 2, NotAfter: index.Never},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for how, x := range bothWays(t, tt.record) {
				got, ok := x.Lookup(hash(1))
				if diff := cmp.Diff(tt.wantEntry, got); !ok || diff != "" {
					t.Errorf("%s: found %v, entry (-want +got):\n%s", how, ok, diff)
				}
				if _, ok := x.Lookup(hash(2)); ok {
					t.Errorf("%s: a hash that nobody holds was found", how)
				}
			}
		})
	}
}

func TestARecordThatNoHeaderCanCarryTakesItsApiKeyOut(t *testing.T) {
	tests := map[string]struct {
		spoil   func(*index.Record)
		wantErr string
	}{
		"no name":                       {func(r *index.Record) { r.Name = "" }, "no name"},
		"a source without a rank":       {func(r *index.Record) { r.Source = 3 }, "no rank"},
		"no namespace":                  {func(r *index.Record) { r.Namespace = "" }, "no name"},
		"a name of 256 bytes":           {func(r *index.Record) { r.Name = strings.Repeat("n", 256) }, "longer than 255"},
		"a tenant of 256 bytes":         {func(r *index.Record) { r.Tenant = strings.Repeat("t", 256) }, "longer than 255"},
		"a tenant with a line break":    {func(r *index.Record) { r.Tenant = "a\r\nX-Apikey-Name: b" }, "0xd"},
		"a tenant outside ASCII":        {func(r *index.Record) { r.Tenant = "müller" }, "0xc3"},
		"a permission with a comma":     {func(r *index.Record) { r.Permissions = []string{"read,admin"} }, "comma"},
		"an empty permission":           {func(r *index.Record) { r.Permissions = []string{"read", ""} }, "empty"},
		"a permission with a space":     {func(r *index.Record) { r.Permissions = []string{"read admin"} }, "0x20"},
		"a scope with a semicolon":      {func(r *index.Record) { r.Scopes = scope("a;b", "v") }, "scope"},
		"a scope without a name":        {func(r *index.Record) { r.Scopes = scope("", "v") }, "scope"},
		"a scope's value with a bar":    {func(r *index.Record) { r.Scopes = scope("a", "v|w") }, "value of scope"},
		"a scope's value that is empty": {func(r *index.Record) { r.Scopes = scope("a", "v", "") }, "value of scope"},
		"a network that is none":        {func(r *index.Record) { r.Networks = index.OnlyFrom(netip.Prefix{}) }, "one of its networks"},
		"a network with more than its prefix": {
			func(r *index.Record) { r.Networks = only("203.0.113.7/24") }, "one of its networks",
		},
		"a network of IPv4 in IPv6's clothes": {
			func(r *index.Record) { r.Networks = only("::ffff:203.0.113.0/120") }, "one of its networks",
		},
		"more networks than are kept":         {func(r *index.Record) { r.Networks = only(manyNetworks(256)...) }, "at most 255"},
		"a rate limit of no requests":         {func(r *index.Record) { r.RateLimit = limit(0, time.Second, 1) }, "rate limit"},
		"a rate limit of no burst":            {func(r *index.Record) { r.RateLimit = limit(1, time.Second, 0) }, "rate limit"},
		"a rate limit of no period":           {func(r *index.Record) { r.RateLimit = limit(1, 0, 1) }, "rate limit"},
		"a rate limit of more than fits":      {func(r *index.Record) { r.RateLimit = limit(1<<32, time.Second, 1) }, "rate limit"},
		"a rate limit per fraction of second": {func(r *index.Record) { r.RateLimit = limit(1, 1500*time.Millisecond, 1) }, "whole seconds"},
		"more text than is kept": {
			func(r *index.Record) { r.Permissions = []string{strings.Repeat("p", 1<<20)} }, "more than 8192",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			good := named("a", "b", hash(1))
			spoiled := named("a", "b", hash(1))
			tt.spoil(&spoiled)
			bystander := named("a", "c", hash(2))

			one := index.New()
			mustSet(t, one, good)
			mustSet(t, one, bystander)
			all := index.New()
			mustSet(t, all, good)
			errs := map[string]error{
				"set":     one.Set(spoiled),
				"replace": all.Replace([]index.Record{good, bystander, spoiled}),
			}
			for how, x := range map[string]*index.Index{"set": one, "replace": all} {
				if err := errs[how]; err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("%s: err = %v, want one that contains %q", how, err, tt.wantErr)
				}
				if _, ok := x.Lookup(hash(1)); ok && spoiled.Name == "b" && spoiled.Namespace == "a" {
					t.Errorf("%s: the ApiKey is let through on older news", how)
				}
				if _, ok := x.Lookup(hash(2)); !ok {
					t.Errorf("%s: another ApiKey went with it", how)
				}
			}
		})
	}
}

func TestStatsCountWhatIsHeld(t *testing.T) {
	x := index.New()
	if diff := cmp.Diff(index.Stats{}, x.Stats()); diff != "" {
		t.Errorf("empty (-want +got):\n%s", diff)
	}
	mustSet(t, x, named("a", "b", hash(1), hash(2)))
	mustSet(t, x, named("a", "c", hash(3)))
	mustSet(t, x, named("a", "d")) // issued nothing yet
	full := x.Stats()
	if full.Credentials != 3 || full.APIKeys != 2 || full.Bytes == 0 {
		t.Errorf("stats = %+v, want 3 credentials of 2 ApiKeys and some bytes", full)
	}
	if err := x.Replace([]index.Record{named("a", "b", hash(1), hash(2)), named("a", "c", hash(3))}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, x.Stats()); diff != "" {
		t.Errorf("replaced by the same (-want +got):\n%s", diff)
	}
	mustSet(t, x, named("a", "b", hash(1)))
	mustSet(t, x, named("a", "b", hash(1)))
	x.Delete("a", "c")
	x.Delete("a", "c")
	x.Delete("a", "unknown")
	if got := x.Stats(); got.Credentials != 1 || got.APIKeys != 1 || got.Bytes >= full.Bytes {
		t.Errorf("stats = %+v, want 1 credential of 1 ApiKey in fewer bytes than %d", got, full.Bytes)
	}
	x.Delete("a", "b")
	if got := x.Stats(); got.Credentials != 0 || got.APIKeys != 0 {
		t.Errorf("emptied, stats = %+v", got)
	}
	if err := x.Replace(nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(index.Stats{}, x.Stats()); diff != "" {
		t.Errorf("replaced by nothing (-want +got):\n%s", diff)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	x := index.New()
	mustSet(t, x, named("a", "b", hash(1)))
	known, unknown, shared := hash(1), hash(2), hash(1)
	shared.Sum[31] ^= 1 // another hash in the same shard and cell, with the same tag
	for name, h := range map[string]keys.Hash{"known": known, "unknown": unknown, "one bit off": shared} {
		if allocs := testing.AllocsPerRun(100, func() { entrySink, foundSink = x.Lookup(h) }); allocs != 0 {
			t.Errorf("looking up the %s hash: %v allocations, want none", name, allocs)
		}
		if allocs := testing.AllocsPerRun(100, func() { _, foundSink = x.Find(h) }); allocs != 0 {
			t.Errorf("finding the %s hash: %v allocations, want none", name, allocs)
		}
		if foundSink != (name == "known") {
			t.Errorf("%s hash: found is %v", name, foundSink)
		}
	}
}

func TestAnEmptySlotIsNoKey(t *testing.T) {
	x := index.New()
	mustSet(t, x, named("a", "b", keys.Hash{Sum: [32]byte{0: 0x00, 1: 0x0f, 2: 0xff}})) // the last hash of the first shard
	if e, ok := x.Lookup(keys.Hash{}); ok {
		t.Errorf("found %+v", e)
	}
}

var (
	entrySink index.Entry
	foundSink bool
)

// bothWays holds the record in an index that was told of it alone, and in one that was filled in bulk.
func bothWays(t *testing.T, r index.Record) map[string]*index.Index {
	t.Helper()
	one, all := index.New(), index.New()
	mustSet(t, one, r)
	if err := all.Replace([]index.Record{r}); err != nil {
		t.Fatal(err)
	}
	return map[string]*index.Index{"set": one, "replace": all}
}

func mustSet(t testing.TB, x *index.Index, r index.Record) {
	t.Helper()
	if err := x.Set(r); err != nil {
		t.Fatal(err)
	}
}

// hash makes distinct hashes, spread as real ones are.
func hash(n int) keys.Hash {
	return keys.HashV1(string(rune(n)))
}

func named(namespace, name string, hashes ...keys.Hash) index.Record {
	r := index.Record{Namespace: namespace, Name: name}
	for _, h := range hashes {
		r.Credentials = append(r.Credentials, index.Credential{Hash: h})
	}
	return r
}

func ending(apiKey, credential time.Time) index.Record {
	r := named("a", "b", hash(1))
	r.NotAfter, r.Credentials[0].NotAfter = apiKey, credential
	return r
}

func limit(requests int64, period time.Duration, burst int64) index.RateLimit {
	return index.RateLimit{Requests: requests, Period: period, Burst: burst}
}

func scope(dim string, values ...string) map[string][]string {
	return map[string][]string{dim: values}
}

func TestTheContentOfANamespaceCannotSpeakForAnother(t *testing.T) {
	x := index.New()
	mustSet(t, x, named("victim", "k", hash(1)))
	mustSet(t, x, named("home", "old", hash(2)))
	err := x.ReplaceNamespace("home", []index.Record{named("victim", "k", hash(3)), named("home", "new", hash(4))})
	if err == nil || !strings.Contains(err.Error(), `apikey "k" in namespace "victim"`) {
		t.Errorf("err = %v, want the ApiKey of the other namespace named", err)
	}
	for n, want := range map[int]string{1: "victim", 2: "", 3: "", 4: "home"} {
		if got, _ := x.Lookup(hash(n)); got.Namespace != want {
			t.Errorf("hash %d belongs to namespace %q, want %q", n, got.Namespace, want)
		}
	}
}

func TestACredentialThatEndsBeforeItsApiKeyEndsEarly(t *testing.T) {
	tests := map[string]struct {
		apiKey, credential time.Time
		want               bool
	}{
		"neither ends":                {time.Time{}, time.Time{}, false},
		"the ApiKey ends":             {noon, time.Time{}, false},
		"the credential ends":         {time.Time{}, noon, true},
		"the credential ends earlier": {noon.Add(1), noon, true},
		"both end at once":            {noon, noon, false},
		"the ApiKey ends earlier":     {noon, noon.Add(1), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			x := index.New()
			if err := x.Set(ending(test.apiKey, test.credential)); err != nil {
				t.Fatal(err)
			}
			if found, ok := x.Find(hash(1)); !ok || found.EndsEarly() != test.want {
				t.Errorf("found: %t, ends early: %t, want %t", ok, found.EndsEarly(), test.want)
			}
		})
	}
}
