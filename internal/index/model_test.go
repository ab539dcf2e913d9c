package index_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// model is the index as one would write it without a thought for speed.
type model map[string]index.Record // by namespace/name

func (m model) lookup(h keys.Hash) (entry index.Entry, found bool) {
	var first index.Record
	for _, r := range m {
		for _, c := range r.Credentials {
			if c.Hash != h || found && !ranksBefore(r, first) {
				continue
			}
			first, found = r, true
			entry = index.Entry{
				Namespace: r.Namespace, Name: r.Name, Tenant: r.Tenant,
				Permissions: strings.Join(r.Permissions, ","),
				Revision:    c.Revision, NotAfter: index.Never,
				Revoked: r.Revoked, Suspended: r.Suspended, Expired: r.Expired, NotGranted: r.NotGranted,
			}
			if !r.NotAfter.IsZero() {
				entry.NotAfter = r.NotAfter.UnixNano()
			}
		}
	}
	return entry, found
}

func ranksBefore(a, b index.Record) bool {
	if !a.CreatedAt.Equal(b.CreatedAt) {
		return a.CreatedAt.Before(b.CreatedAt)
	}
	return a.UID < b.UID
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

func drawRecord(t *rapid.T, namespace, name string) index.Record {
	unrelated := keys.HashV1(namespace + "/" + name).Sum
	r := index.Record{
		Namespace: namespace, Name: name,
		Tenant:      rapid.SampledFrom([]string{"", "acme", "a-tenant-with-a-longer-name"}).Draw(t, "tenant"),
		Permissions: rapid.SliceOfN(rapid.SampledFrom([]string{"read", "write", "a:*"}), 0, 3).Draw(t, "permissions"),
		Revoked:     rapid.Bool().Draw(t, "revoked"),
		Suspended:   rapid.Bool().Draw(t, "suspended"),
		Expired:     rapid.Bool().Draw(t, "expired"),
		NotGranted:  rapid.Bool().Draw(t, "notGranted"),
		CreatedAt:   noon.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "age")) * time.Second),
		// One UID for each name, as on an API server; what they spell is in no relation to the names.
		UID: fmt.Sprintf("00000000-0000-4000-8000-0000%08x", unrelated[:4]),
	}
	if rapid.Bool().Draw(t, "ends") {
		r.NotAfter = noon.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "end")) * time.Hour)
	}
	for i, h := range rapid.SliceOfNDistinct(rapid.SampledFrom(crowdedHashes()), 0, 4, rapid.ID[keys.Hash]).Draw(t, "hashes") {
		r.Credentials = append(r.Credentials, index.Credential{Hash: h, Revision: int64(i)})
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
			"": func(t *rapid.T) { requireAgreement(t, x, m) },
		})
	})
}

func requireAgreement(t *rapid.T, x *index.Index, m model) {
	for _, h := range crowdedHashes() {
		want, wantFound := m.lookup(h)
		got, found := x.Lookup(h)
		if found != wantFound || got != want {
			t.Fatalf("hash %s: found %v, want %v; entry (-want +got):\n%s", h.Encode(), found, wantFound, cmp.Diff(want, got))
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

func TestTheFirstClaimantIsAnsweredForWhateverTheOrderOfEvents(t *testing.T) {
	claimed := hash(1)
	claim := func(name string, age int, uid string) index.Record {
		r := named("ns", name, claimed)
		r.CreatedAt, r.UID = noon.Add(-time.Duration(age)*time.Second), uid
		return r
	}
	const uid = "%c0000000-0000-4000-8000-000000000000"
	inRank := []index.Record{
		claim("oldest", 3, fmt.Sprintf(uid, 'f')),
		claim("same-age-lower-uid", 2, fmt.Sprintf(uid, '0')),
		claim("same-age-higher-uid", 2, fmt.Sprintf(uid, 'a')),
		claim("youngest-uid-not-a-uuid", 1, "whatever"),
		claim("no-age-that-is-known", 0, "whatever"),
	}
	rapid.Check(t, func(t *rapid.T) {
		arrival := rapid.Permutation(inRank).Draw(t, "arrival")
		departure := rapid.Permutation(inRank).Draw(t, "departure")
		x := index.New()
		present := map[string]bool{}
		requireFirst := func() {
			t.Helper()
			want := ""
			for _, r := range inRank {
				if present[r.Name] {
					want = r.Name
					break
				}
			}
			if got, found := x.Lookup(claimed); got.Name != want || found != (want != "") {
				t.Fatalf("answered for %q, want %q", got.Name, want)
			}
		}
		for _, r := range arrival {
			present[r.Name] = true
			if err := x.Set(r); err != nil {
				t.Fatal(err)
			}
			requireFirst()
		}
		if err := x.Replace(arrival); err != nil {
			t.Fatal(err)
		}
		requireFirst()
		for _, r := range departure {
			delete(present, r.Name)
			x.Delete(r.Namespace, r.Name)
			requireFirst()
		}
	})
}

func TestAStoppedClaimantIsNotPassedOver(t *testing.T) {
	first, second := named("ns", "first", hash(1)), named("ns", "second", hash(1))
	first.CreatedAt, second.CreatedAt = noon, noon.Add(time.Second)
	first.Revoked = true
	x := index.New()
	mustSet(t, x, second)
	mustSet(t, x, first)
	if got, _ := x.Lookup(hash(1)); got.Name != "first" || !got.Revoked {
		t.Errorf("answered for %q, want the revoked first claimant", got.Name)
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
