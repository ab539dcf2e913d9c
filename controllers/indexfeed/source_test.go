package indexfeed_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

var noon = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

// generatedKey is the same key of the same name.
func generatedKey(t testing.TB, name string) string {
	t.Helper()
	key, err := keys.Generate(strings.NewReader(name+strings.Repeat(".", keys.DefaultBytes)), keys.Format{})
	if err != nil {
		t.Fatal(err)
	}
	return string(key.Reveal())
}

// bySum is the source of an ApiKey that imports a key.
func bySum(key string) string {
	sum := keys.SHA256(key).Sum
	return fmt.Sprintf(`{hash: {sha256: %q, hint: "…"}}`, hex.EncodeToString(sum[:]))
}

const byReference = `{secretRef: {name: vault, key: token}}`

// credential is an entry of status.credentials, issued so many seconds after the year began.
func credential(revision int, state, hash string, issued int) any {
	return map[string]any{
		"revision": int64(revision), "state": state, "hash": hash, "hint": "…",
		"issuedAt": time.Date(2027, 1, 1, 0, 0, issued, 0, time.UTC).Format(time.RFC3339),
	}
}

// with gives the object the credentials in the place of its own.
func with(t testing.TB, o *unstructured.Unstructured, credentials ...any) *unstructured.Unstructured {
	t.Helper()
	if err := unstructured.SetNestedSlice(o.Object, credentials, "status", "credentials"); err != nil {
		t.Fatal(err)
	}
	return o
}

// decide says what becomes of a request with the key, and whose it is.
func (b *bench) decide(key string) (reason authn.Reason, name string) {
	decision := authn.NewDecider(b.index).Decide(&authn.Request{
		Ready: true, Requirement: &authn.Requirement{}, Credential: authn.NewCredential([]byte(key)), Now: noon,
	})
	if decision.Reason == authn.Allowed {
		name = decision.Key.Name()
	}
	return decision.Reason, name
}

func (b *bench) expect(key string, want authn.Reason) {
	b.t.Helper()
	if got, _ := b.decide(key); got != want {
		b.t.Errorf("the key %q is refused or allowed for %v, want %v; the log says %s", key, got, want, b.log.String())
	}
}

func TestMinRevisionEndsEarlierCredentialsAtTheEvent(t *testing.T) {
	first, second, third := generatedKey(t, "first"), generatedKey(t, "second"), generatedKey(t, "third")
	cases := map[string]struct {
		spec                             string
		wantFirst, wantSecond, wantThird authn.Reason
	}{
		"none":                       {`{}`, authn.Allowed, authn.Allowed, authn.Allowed},
		"that of the first":          {`{minRevision: 1}`, authn.Allowed, authn.Allowed, authn.Allowed},
		"that of the second":         {`{minRevision: 2}`, authn.Expired, authn.Allowed, authn.Allowed},
		"that of the third":          {`{minRevision: 3}`, authn.Expired, authn.Expired, authn.Allowed},
		"above all":                  {`{minRevision: 4}`, authn.Expired, authn.Expired, authn.Expired},
		"a higher revision is asked": {`{revision: 9}`, authn.Allowed, authn.Allowed, authn.Allowed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for _, spec := range []string{`{}`, c.spec} { // the status stays as it is: the manager is down
				b.add(with(t, object(t, "k", spec, `{state: Active, grant: {}}`),
					credential(1, "Previous", keys.HashV1(first).Encode(), 0),
					credential(2, "Current", keys.HashV1(second).Encode(), 1),
					credential(3, "Pending", keys.HashV1(third).Encode(), 2)))
			}
			b.expect(first, c.wantFirst)
			b.expect(second, c.wantSecond)
			b.expect(third, c.wantThird)
		})
	}
}

func TestAnImportedKeyWorksWhileTheSpecNamesItsHash(t *testing.T) {
	const old, next = "the-key-that-was-imported", "the-key-that-replaces-it"
	cases := map[string]struct {
		source            string
		wantOld, wantNext authn.Reason
	}{
		"the old one is named":  {bySum(old), authn.Allowed, authn.Expired},
		"the next one is named": {bySum(next), authn.Expired, authn.Allowed},
		"neither is":            {bySum("another"), authn.Expired, authn.Expired},
		"a hash that is none":   {`{hash: {sha256: ""}}`, authn.Expired, authn.Expired},
		"the old one in upper case, which the API refuses": {
			strings.Replace(strings.ToUpper(bySum(old)), "HASH: {SHA256", "hash: {sha256", 1), authn.Expired, authn.Expired,
		},
		"the kind was changed to a reference": {byReference, authn.Allowed, authn.Allowed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for _, source := range []string{bySum(old), c.source} { // the manager is down
				b.add(with(t, object(t, "k", `{source: `+source+`}`, `{state: Active, grant: {}}`),
					credential(1, "Current", keys.SHA256(old).Encode(), 0),
					credential(2, "Pending", keys.SHA256(next).Encode(), 1)))
			}
			b.expect(old, c.wantOld)
			b.expect(next, c.wantNext)
		})
	}
}

func TestAReferencedKeyAndTheOneBeforeItWork(t *testing.T) {
	b := newBench(t)
	b.add(with(t, object(t, "k", `{source: `+byReference+`, minRevision: 2}`, `{state: Active, grant: {}}`),
		credential(1, "Previous", keys.SHA256("the one that has leaked").Encode(), 0),
		credential(2, "Previous", keys.SHA256("the one before").Encode(), 1),
		credential(3, "Current", keys.SHA256("the one that stands in the Secret").Encode(), 2)))
	b.expect("the one that has leaked", authn.Expired)
	b.expect("the one before", authn.Allowed)
	b.expect("the one that stands in the Secret", authn.Allowed)
}

func TestAnApiKeyHoldsHashesOfItsSourcesFormOnly(t *testing.T) {
	key := generatedKey(t, "k")
	generated, imported := keys.HashV1(key).Encode(), keys.SHA256(key).Encode()
	cases := map[string]struct {
		spec, hash string
		wantServed bool
	}{
		"a generated key's, without a source": {`{}`, generated, true},
		"a plain one, without a source":       {`{}`, imported, false},
		"a plain one that is imported":        {`{source: ` + bySum(key) + `}`, imported, true},
		"a generated key's that is imported":  {`{source: ` + bySum(key) + `}`, generated, false},
		"a plain one that is referenced":      {`{source: ` + byReference + `}`, imported, true},
		"a generated key's, referenced":       {`{source: ` + byReference + `}`, generated, false},
		"a source that is none":               {`{source: {}}`, imported, false},
		"two sources": {
			`{source: ` + strings.TrimSuffix(bySum(key), "}") + `, secretRef: {name: vault}}}`, imported, false,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.add(with(t, object(t, "k", c.spec, `{state: Active, grant: {}}`), credential(1, "Current", c.hash, 0)))
			want, wantBroken := authn.UnknownKey, 1
			if c.wantServed {
				want, wantBroken = authn.Allowed, 0
			}
			b.expect(key, want)
			if b.broken != wantBroken {
				t.Errorf("%d ApiKeys are counted as undecodable, want %d", b.broken, wantBroken)
			}
		})
	}
}

func TestADeniedApiKeyIsNotGrantedWhateverStandsInItsStatus(t *testing.T) {
	key := generatedKey(t, "k")
	for name, status := range map[string]string{"a grant": `{state: Denied, grant: {}}`, "no grant": `{state: Denied}`} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.add(with(t, object(t, "k", `{}`, status), credential(1, "Pending", keys.HashV1(key).Encode(), 0)))
			b.expect(key, authn.NotGranted)
		})
	}
}

func TestADuplicateIsNotMovedUpWithoutAGrant(t *testing.T) {
	const key = "a key that two have imported"
	claim := func(name, status string, issued int) *unstructured.Unstructured {
		return with(t, object(t, name, `{source: `+bySum(key)+`}`, status), credential(1, "Current", keys.SHA256(key).Encode(), issued))
	}
	b := newBench(t)
	b.add(claim("second", `{state: Denied}`, 1))
	b.expect(key, authn.NotGranted)
	first := claim("first", `{state: Active, grant: {}}`, 0)
	b.add(first)
	b.expect(key, authn.Allowed)
	if err := b.feed.Delete(first); err != nil {
		t.Fatal(err)
	}
	b.expect(key, authn.NotGranted)
	b.add(claim("second", `{state: Active, grant: {}}`, 1))
	if reason, name := b.decide(key); reason != authn.Allowed || name != "second" {
		t.Errorf("%v, answered for %q; want the second, which was granted now", reason, name)
	}
}

// The first of these by rank answers, in whatever order they come and go, and however long each has existed.
func TestTheFirstClaimByRankAnswersWhateverTheOrderOfEvents(t *testing.T) {
	key := generatedKey(t, "contested")
	claim := func(name, spec, hash string, issued int, created string) *unstructured.Unstructured {
		o := with(t, object(t, name, spec, `{state: Active, grant: {}}`), credential(1, "Current", hash, issued))
		if err := unstructured.SetNestedField(o.Object, created, "metadata", "creationTimestamp"); err != nil {
			t.Fatal(err)
		}
		return o
	}
	plain, imports := keys.SHA256(key).Encode(), `{source: `+bySum(key)+`}`
	ranked := []*unstructured.Unstructured{
		claim("generated", `{}`, keys.HashV1(key).Encode(), 9, "2026-12-09T00:00:00Z"),
		claim("referenced", `{source: `+byReference+`}`, plain, 8, "2026-12-08T00:00:00Z"),
		claim("imported", imports, plain, 1, "2026-12-07T00:00:00Z"),
		claim("imported-later-by-an-older-one", imports, plain, 2, "2026-01-01T00:00:00Z"),
	}
	present := map[string]bool{}
	firstPresent := func() string {
		for _, o := range ranked {
			if present[o.GetName()] {
				return o.GetName()
			}
		}
		return ""
	}
	orders := permutations(len(ranked))
	for i, arrival := range orders {
		departure := orders[len(orders)-1-i]
		b := newBench(t)
		requireFirst := func() {
			t.Helper()
			reason, name := b.decide(key)
			if want := firstPresent(); name != want || (reason == authn.Allowed) != (want != "") {
				t.Fatalf("coming as %v and going as %v: %v, answered for %q, want %q", arrival, departure, reason, name, want)
			}
		}
		for _, n := range arrival {
			b.add(ranked[n])
			present[ranked[n].GetName()] = true
			requireFirst()
		}
		for _, n := range departure {
			if err := b.feed.Delete(ranked[n]); err != nil {
				t.Fatal(err)
			}
			delete(present, ranked[n].GetName())
			requireFirst()
		}
	}
}

// permutations are all orders of the numbers below n.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, shorter := range permutations(n - 1) {
		for at := range n {
			all = append(all, slices.Insert(slices.Clone(shorter), at, n-1))
		}
	}
	return all
}
