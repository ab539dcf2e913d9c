package index_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// model is the index as one would write it without a thought for speed.
type model map[string]index.Record // by namespace/name

// claimed is one claim on a hash.
type claimed struct {
	record     index.Record
	credential index.Credential
}

func (m model) lookup(h keys.Hash) (entry index.Entry, found bool) {
	first, found := m.find(h)
	if !found {
		return index.Entry{}, false
	}
	return first.entry(), true
}

func (m model) find(h keys.Hash) (first claimed, found bool) {
	var claims []claimed
	for _, r := range m {
		for _, c := range r.Credentials {
			if c.Hash == h {
				claims = append(claims, claimed{r, c})
			}
		}
	}
	if len(claims) == 0 {
		return claimed{}, false
	}
	return slices.MinFunc(claims, compareRanks), true
}

func compareRanks(a, b claimed) int {
	return cmp.Or(
		cmp.Compare(a.record.Source, b.record.Source),
		a.credential.IssuedAt.Compare(b.credential.IssuedAt),
		strings.Compare(a.record.UID, b.record.UID),
	)
}

func (c claimed) entry() index.Entry {
	r := c.record
	entry := index.Entry{
		Namespace: r.Namespace, Name: r.Name, Tenant: r.Tenant,
		Permissions: strings.Join(r.Permissions, ","),
		Revision:    c.credential.Revision, NotAfter: index.Never,
		Revoked: r.Revoked, Suspended: r.Suspended, Expired: r.Expired || c.credential.Expired, NotGranted: r.NotGranted,
		RateLimit: r.RateLimit,
	}
	_, entry.RestrictsAddress = r.Networks.Only()
	if !r.NotAfter.IsZero() {
		entry.NotAfter = r.NotAfter.UnixNano()
	}
	return entry
}

func (m model) credentials() (n int) {
	for _, r := range m {
		n += len(r.Credentials)
	}
	return n
}

func (m model) holdsImported() bool {
	for _, r := range m {
		if slices.ContainsFunc(r.Credentials, func(c index.Credential) bool { return c.Hash.Imported }) {
			return true
		}
	}
	return false
}

func (m model) apiKeys() (n int) {
	for _, r := range m {
		n += min(len(r.Credentials), 1)
	}
	return n
}

// Hashes that share shards, cells and tags in every combination, so that probing, tags and several
// claims on a hash are all met in a few dozen steps; and some in the other form, of the same sums.
func crowdedHashes() []keys.Hash {
	var all []keys.Hash
	for i := range 48 {
		var h keys.Hash
		h.Sum[0], h.Sum[4], h.Sum[11], h.Sum[31] = byte(i&1), byte(i>>1&1), byte(i>>2&1), byte(i>>3)
		all = append(all, h)
		if i%6 == 0 {
			h.Imported = true
			all = append(all, h)
		}
	}
	return all
}

var sources = []index.Source{index.Generated, index.FromSecret, index.FromHash}

func drawRecord(t *rapid.T, namespace, name string) index.Record {
	return drawRecordOn(t, namespace, name, crowdedHashes())
}

// drawRecordOn draws an ApiKey that claims some of the hashes.
func drawRecordOn(t *rapid.T, namespace, name string, hashes []keys.Hash) index.Record {
	unrelated := keys.HashV1(namespace + "/" + name).Sum
	r := index.Record{
		Namespace: namespace, Name: name,
		Tenant:      rapid.SampledFrom([]string{"", "acme", "a-tenant-with-a-longer-name"}).Draw(t, "tenant"),
		Permissions: rapid.SliceOfN(rapid.SampledFrom([]string{"read", "write", "a:*"}), 0, 3).Draw(t, "permissions"),
		Revoked:     rapid.Bool().Draw(t, "revoked"),
		Suspended:   rapid.Bool().Draw(t, "suspended"),
		Expired:     rapid.Bool().Draw(t, "expired"),
		NotGranted:  rapid.Bool().Draw(t, "notGranted"),
		Networks:    drawNetworks(t),
		RateLimit:   rapid.SampledFrom([]index.RateLimit{{}, limit(100, time.Second, 200), limit(1, time.Hour, 1)}).Draw(t, "limit"),
		Source:      rapid.SampledFrom(sources).Draw(t, "source"),
		// One UID for each name, as on an API server; what they spell is in no relation to the names.
		UID: fmt.Sprintf("00000000-0000-4000-8000-0000%08x", unrelated[:4]),
	}
	if rapid.Bool().Draw(t, "ends") {
		r.NotAfter = noon.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "end")) * time.Hour)
	}
	for i, h := range rapid.SliceOfNDistinct(rapid.SampledFrom(hashes), 0, min(4, len(hashes)), rapid.ID[keys.Hash]).Draw(t, "hashes") {
		r.Credentials = append(r.Credentials, index.Credential{
			Hash: h, Revision: int64(i), Expired: rapid.Bool().Draw(t, "ended"),
			IssuedAt: noon.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "issued")) * time.Second),
		})
	}
	return r
}

func drawName(t *rapid.T) (namespace, name string) {
	// "a"+"bc" and "ab"+"c" are told apart only by where the one ends.
	pair := rapid.SampledFrom([][2]string{{"a", "bc"}, {"ab", "c"}, {"a", "b"}, {"x", "y"}, {"x", "z"}}).Draw(t, "name")
	return pair[0], pair[1]
}

func TestIndexAnswersAsItsModelDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, m := index.New(), model{}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				namespace, name := drawName(t)
				r := drawRecord(t, namespace, name)
				m[namespace+"/"+name] = r
				if err := x.Set(r); err != nil {
					t.Fatal(err)
				}
			},
			"delete": func(t *rapid.T) {
				namespace, name := drawName(t)
				delete(m, namespace+"/"+name)
				x.Delete(namespace, name)
			},
			"replace": func(t *rapid.T) {
				clear(m)
				var records []index.Record
				for range rapid.IntRange(0, 6).Draw(t, "records") {
					namespace, name := drawName(t) // may come twice; then the later counts
					records = append(records, drawRecord(t, namespace, name))
					m[namespace+"/"+name] = records[len(records)-1]
				}
				if err := x.Replace(records); err != nil {
					t.Fatal(err)
				}
			},
			"replace a namespace": func(t *rapid.T) {
				of := rapid.SampledFrom([]string{"a", "ab", "x", "empty"}).Draw(t, "of")
				maps.DeleteFunc(m, func(_ string, r index.Record) bool { return r.Namespace == of })
				var records []index.Record
				for range rapid.IntRange(0, 6).Draw(t, "records") {
					if namespace, name := drawName(t); namespace == of {
						records = append(records, drawRecord(t, namespace, name))
						m[namespace+"/"+name] = records[len(records)-1]
					}
				}
				if err := x.ReplaceNamespace(of, records); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) { requireAgreement(t, x, m) },
		})
	})
}

func requireAgreement(t *rapid.T, x *index.Index, m model) {
	for _, h := range crowdedHashes() {
		first, wantFound := m.find(h)
		got, found := x.Find(h)
		if found != wantFound {
			t.Fatalf("hash %s: found %v, want %v", h.Encode(), found, wantFound)
		}
		if found {
			requireSame(t, got, first)
		}
	}
	if got, want := x.HoldsImported(), m.holdsImported(); got != want {
		t.Fatalf("holds imported hashes: %v, want %v", got, want)
	}
	stats := x.Stats()
	if stats.Credentials != m.credentials() || stats.APIKeys != m.apiKeys() {
		t.Fatalf("stats = %+v, want %d credentials of %d ApiKeys", stats, m.credentials(), m.apiKeys())
	}
}

func requireSame(t *rapid.T, got index.Found, want claimed) {
	if got.Entry() != want.entry() {
		t.Fatalf("entry (-want +got):\n%s", gocmp.Diff(want.entry(), got.Entry()))
	}
	prefixes, _ := want.record.Networks.Only()
	for _, a := range samples(prefixes...) {
		if allowed := got.AllowsAddress(a); allowed != isWithin(want.record.Networks, a) {
			t.Fatalf("%v allow %v: %v", prefixes, a, allowed)
		}
	}
}

func TestTenThousandApiKeysSurviveShufflingAbout(t *testing.T) {
	const n = 10_000
	random := rand.New(rand.NewPCG(1, 2))
	x := index.New()
	var records []index.Record
	for i := range n {
		records = append(records, named("ns", fmt.Sprint(i), hash(i)))
	}
	if err := x.Replace(records[:n/2]); err != nil {
		t.Fatal(err)
	}
	for _, i := range random.Perm(n) {
		mustSet(t, x, records[i])
	}
	for _, i := range random.Perm(n)[:n/10] {
		x.Delete("ns", fmt.Sprint(i))
		mustSet(t, x, records[i])
	}
	for i := range n {
		if got, ok := x.Lookup(hash(i)); !ok || got.Name != fmt.Sprint(i) {
			t.Fatalf("hash %d: found %v, name %q", i, ok, got.Name)
		}
	}
	if s := x.Stats(); s.Credentials != n || s.APIKeys != n {
		t.Errorf("stats = %+v, want %d of each", s, n)
	}
}
