package indexfeed_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/controllers/indexfeed"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// bench is a feed with everything around it in a test's hands.
type bench struct {
	t      *testing.T
	index  *index.Index
	feed   *indexfeed.Feed
	log    bytes.Buffer
	clock  *clocktesting.FakePassiveClock
	events int
	broken int
	took   []time.Duration // until credentials were served
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, index: index.New()}
	b.clock = clocktesting.NewFakePassiveClock(time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC))
	b.feed = indexfeed.New(b.index, b, b.clock, slog.New(slog.NewTextHandler(&b.log, nil)))
	return b
}

func (b *bench) EventSeen(float64)             { b.events++ }
func (b *bench) Undecodable(count int)         { b.broken = count }
func (b *bench) Propagated(took time.Duration) { b.took = append(b.took, took) }

// hash stands for the key of a name.
func hash(name string) keys.Hash { return keys.HashV1("key of " + name) }

// object is an ApiKey of that name with the given spec and status, both YAML; the status lists a current
// credential whose hash is that of the name.
func object(t *testing.T, name, spec, status string) *unstructured.Unstructured {
	t.Helper()
	text := fmt.Sprintf(`
apiVersion: apikey-operator.dev/v1alpha1
kind: ApiKey
metadata: {namespace: phoenix, name: %s, uid: uid-of-%s, creationTimestamp: "2027-01-01T00:00:00Z"}
spec: %s
status: %s`, name, name, spec, status)
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	o := &unstructured.Unstructured{Object: content}
	credentials := []any{map[string]any{
		"revision": int64(7), "state": "Current", "hash": hash(name).Encode(), "hint": "ak_…", "issuedAt": "2027-01-01T00:00:00Z",
	}}
	if err := unstructured.SetNestedSlice(o.Object, credentials, "status", "credentials"); err != nil {
		t.Fatal(err)
	}
	return o
}

func (b *bench) add(o *unstructured.Unstructured) {
	b.t.Helper()
	if err := b.feed.Add(o); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) expectServed(name string, want bool) {
	b.t.Helper()
	if _, served := b.index.Lookup(hash(name)); served != want {
		b.t.Errorf("the key %s is in the index: %t, want %t", name, served, want)
	}
}

func TestTheEffectiveGrantIsWhatSpecAndGrantBothAllow(t *testing.T) {
	day := time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)
	const all = `{tenant: acme, permissions: [read, "customers:*"], scopes: {category: [general, special]}, expiresAt: "2027-06-01T00:00:00Z"}`
	granted := index.Entry{
		Namespace: "phoenix", Name: "k", Revision: 7, NotAfter: day.UnixNano(),
		Tenant: "acme", Permissions: "read,customers:*", Scopes: "category=general|special",
	}
	with := func(change func(*index.Entry)) index.Entry {
		e := granted
		change(&e)
		return e
	}
	refused := index.Entry{Namespace: "phoenix", Name: "k", Revision: 7, NotAfter: day.UnixNano(), NotGranted: true}

	cases := map[string]struct {
		spec, status string
		want         index.Entry
	}{
		"both the same": {all, `{state: Active, grant: ` + all + `}`, granted},
		"no grant":      {all, `{state: Pending}`, refused},
		"a permission was taken out of the spec": {
			strings.Replace(all, "read, ", "", 1), `{grant: ` + all + `}`,
			with(func(e *index.Entry) { e.Permissions = "customers:*" }),
		},
		"a permission was added to the spec": {
			strings.Replace(all, "read,", "read, write,", 1), `{grant: ` + all + `}`, granted,
		},
		"a permission was narrowed in the spec": {
			strings.Replace(all, "customers:*", "customers:view", 1), `{grant: ` + all + `}`,
			with(func(e *index.Entry) { e.Permissions = "read,customers:view" }),
		},
		"a permission was widened in the spec": {
			strings.Replace(all, `"customers:*"`, `"*"`, 1), `{grant: ` + all + `}`, granted,
		},
		"the tenant was changed": {strings.Replace(all, "acme", "evil", 1), `{grant: ` + all + `}`, refused},
		"the tenant was removed": {strings.Replace(all, "tenant: acme, ", "", 1), `{grant: ` + all + `}`, refused},
		"a tenant was added":     {all, `{grant: ` + strings.Replace(all, "tenant: acme, ", "", 1) + `}`, refused},
		"a value was taken out of a scope": {
			strings.Replace(all, "general, ", "", 1), `{grant: ` + all + `}`,
			with(func(e *index.Entry) { e.Scopes = "category=special" }),
		},
		"a value was added to a scope": {
			strings.Replace(all, "general,", "general, other,", 1), `{grant: ` + all + `}`, granted,
		},
		"a scope was taken out": {
			strings.Replace(all, "scopes: {category: [general, special]}, ", "", 1), `{grant: ` + all + `}`, refused,
		},
		"a scope was added": {
			strings.Replace(all, "scopes: {", "scopes: {region: [eu], ", 1), `{grant: ` + all + `}`, refused,
		},
		"a scope has nothing in common with the grant": {
			strings.Replace(all, "[general, special]", "[other]", 1), `{grant: ` + all + `}`,
			with(func(e *index.Entry) { e.Scopes, e.NotGranted = "", true }),
		},
		"a scope was put in the place of another": {
			strings.Replace(all, "category", "region", 1), `{grant: ` + all + `}`, refused,
		},
		"the expiry was brought forward": {
			strings.Replace(all, "2027-06", "2027-05", 1), `{grant: ` + all + `}`,
			with(func(e *index.Entry) { e.NotAfter = time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC).UnixNano() }),
		},
		"the expiry was put off":  {strings.Replace(all, "2027-06", "2028-06", 1), `{grant: ` + all + `}`, granted},
		"the expiry was removed":  {strings.Replace(all, `, expiresAt: "2027-06-01T00:00:00Z"`, "", 1), `{grant: ` + all + `}`, granted},
		"revoked":                 {strings.Replace(all, "{", "{revoked: true, ", 1), `{grant: ` + all + `}`, with(func(e *index.Entry) { e.Revoked = true })},
		"revoked once":            {all, `{state: Revoked, grant: ` + all + `}`, with(func(e *index.Entry) { e.Revoked = true })},
		"suspended":               {strings.Replace(all, "{", "{suspended: true, ", 1), `{grant: ` + all + `}`, with(func(e *index.Entry) { e.Suspended = true })},
		"resumed, not yet looked": {all, `{state: Suspended, grant: ` + all + `}`, granted},
		"recorded as expired":     {all, `{state: Expired, grant: ` + all + `}`, with(func(e *index.Entry) { e.Expired = true })},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.add(object(t, "k", c.spec, c.status))
			got, ok := b.index.Lookup(hash("k"))
			if !ok {
				t.Fatalf("the key is not in the index; the log says %s", b.log.String())
			}
			if c.want.NotGranted {
				// What a refused key holds is of no interest.
				c.want.Permissions, c.want.Scopes, c.want.Tenant = got.Permissions, got.Scopes, got.Tenant
			}
			if got != c.want {
				t.Errorf("the index has\n%+v, want\n%+v", got, c.want)
			}
		})
	}
}

func TestAnObjectThatCannotBeServedHarmsNoOther(t *testing.T) {
	longest := strings.Repeat("x", 60)
	var many []string
	for i := range 64 {
		many = append(many, fmt.Sprintf("%q", fmt.Sprintf("%s%02d", longest, i)))
	}
	var networks []string
	for i := range 33 {
		networks = append(networks, fmt.Sprintf("10.%d.0.0/16", i))
	}
	cases := map[string]struct{ spec, status string }{
		"a time that Go does not read":           {`{expiresAt: "2027-01-10t23:59:59z"}`, `{grant: {}}`},
		"a granted time of that kind":            {`{}`, `{grant: {expiresAt: "never"}}`},
		"a text where a list belongs":            {`{permissions: read}`, `{grant: {}}`},
		"a number where a text belongs":          {`{tenant: 7}`, `{grant: {}}`},
		"a tenant that breaks a header":          {`{tenant: "a\r\nb"}`, `{grant: {tenant: "a\r\nb"}}`},
		"a permission with a comma":              {`{permissions: ["a,b"]}`, `{grant: {permissions: ["a,b"]}}`},
		"a granted permission with one":          {`{permissions: ["*"]}`, `{grant: {permissions: ["a,b"]}}`},
		"a scope's value with a separator":       {`{scopes: {a: ["b;c=d"]}}`, `{grant: {}}`},
		"a scope's name with a separator":        {`{scopes: {"a=b": [c]}}`, `{grant: {}}`},
		"a network without a length":             {`{allowedCIDRs: [203.0.113.0]}`, `{grant: {}}`},
		"a network that ends within its address": {`{allowedCIDRs: [203.0.113.7/24]}`, `{grant: {}}`},
		"a network longer than its address":      {`{allowedCIDRs: [203.0.113.0/33]}`, `{grant: {}}`},
		"a network of IPv4 in IPv6's clothes":    {`{allowedCIDRs: ["::ffff:203.0.113.0/120"]}`, `{grant: {}}`},
		"a network with a zone":                  {`{allowedCIDRs: ["fe80::%eth0/10"]}`, `{grant: {}}`},
		"an empty network":                       {`{allowedCIDRs: [""]}`, `{grant: {}}`},
		"a bad network beside good ones":         {`{allowedCIDRs: [203.0.113.0/24, x]}`, `{grant: {allowedCIDRs: [203.0.113.0/24]}}`},
		"a granted network that is none":         {`{}`, `{grant: {allowedCIDRs: [x]}}`},
		"a network that was not granted either":  {`{allowedCIDRs: [x]}`, `{}`},
		"more networks than may be listed":       {`{allowedCIDRs: [` + strings.Join(networks, ",") + `]}`, `{grant: {}}`},
		"a text where networks belong":           {`{allowedCIDRs: 203.0.113.0/24}`, `{grant: {}}`},
		"a rate limit of no requests":            {`{rateLimit: {requests: 0, period: 1s}}`, `{grant: {}}`},
		"a rate limit of fewer than none":        {`{rateLimit: {requests: -1, period: 1s}}`, `{grant: {}}`},
		"a rate limit of too many requests":      {`{rateLimit: {requests: 1000001, period: 1s}}`, `{grant: {}}`},
		"a rate limit without a period":          {`{rateLimit: {requests: 1}}`, `{grant: {}}`},
		"a rate limit per half a second":         {`{rateLimit: {requests: 1, period: 500ms}}`, `{grant: {}}`},
		"a rate limit per second and a half":     {`{rateLimit: {requests: 1, period: 1500ms}}`, `{grant: {}}`},
		"a rate limit per more than a day":       {`{rateLimit: {requests: 1, period: 25h}}`, `{grant: {}}`},
		"a rate limit with a burst below none":   {`{rateLimit: {requests: 1, period: 1s, burst: -1}}`, `{grant: {}}`},
		"a rate limit with too high a burst":     {`{rateLimit: {requests: 1, period: 1s, burst: 1000001}}`, `{grant: {}}`},
		"a granted rate limit that is none":      {`{}`, `{grant: {rateLimit: {requests: 0, period: 1s}}}`},
		"more than headers can hold": {
			`{permissions: [` + strings.Join(many, ",") + `]}`, `{grant: {permissions: ["*"]}}`,
		},
		"more than headers can hold, of two lists that each fit": {
			`{permissions: ["*", ` + strings.Join(many[:32], ",") + `]}`, `{grant: {permissions: ["*", ` + strings.Join(many[32:], ",") + `]}}`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.add(object(t, "good", `{}`, `{grant: {}}`))
			b.add(object(t, "bad", `{}`, `{grant: {}}`))
			b.expectServed("bad", true)

			for range 3 {
				b.add(object(t, "bad", c.spec, c.status))
			}
			b.expectServed("bad", false)
			b.expectServed("good", true)
			if b.broken != 1 {
				t.Errorf("%d ApiKeys are counted as undecodable, want 1", b.broken)
			}
			if n := strings.Count(b.log.String(), "name=bad"); n != 1 {
				t.Errorf("the bad ApiKey is named %d times, want once: %s", n, b.log.String())
			}

			b.add(object(t, "bad", `{}`, `{grant: {}}`))
			b.expectServed("bad", true)
			if b.broken != 0 {
				t.Errorf("%d ApiKeys are counted as undecodable after it was corrected", b.broken)
			}
		})
	}
}

func TestABadHashCostsTheKeyAlone(t *testing.T) {
	b := newBench(t)
	bad := object(t, "bad", `{}`, `{grant: {}}`)
	credentials := []any{map[string]any{"revision": int64(1), "state": "Current", "hash": "sha256:00", "hint": "…", "issuedAt": "2027-01-01T00:00:00Z"}}
	if err := unstructured.SetNestedSlice(bad.Object, credentials, "status", "credentials"); err != nil {
		t.Fatal(err)
	}
	if err := b.feed.Replace([]any{bad, object(t, "good", `{}`, `{grant: {}}`)}, "1"); err != nil {
		t.Fatal(err)
	}
	b.expectServed("good", true)
	if b.broken != 1 {
		t.Errorf("%d ApiKeys are counted as undecodable, want 1", b.broken)
	}
}

func TestConditionsThatDoNotDecodeCostNothing(t *testing.T) {
	b := newBench(t)
	b.add(object(t, "k", `{}`, `{grant: {}, conditions: [{type: Ready, status: "True", reason: r, message: m, lastTransitionTime: "2027-01-10t23:59:59z"}]}`))
	b.expectServed("k", true)
}

func TestTheFeedIsSyncedWithTheFirstWholeContent(t *testing.T) {
	b := newBench(t)
	b.add(object(t, "early", `{}`, `{grant: {}}`))
	if b.feed.Synced() {
		t.Errorf("a single event made the feed synced")
	}
	if err := b.feed.Replace([]any{object(t, "k", `{}`, `{grant: {}}`)}, "1"); err != nil {
		t.Fatal(err)
	}
	if !b.feed.Synced() {
		t.Errorf("the whole content did not make the feed synced")
	}
	b.expectServed("k", true)
	b.expectServed("early", false)
}

func TestTheReflectorsTransformerKeepsWhatReplaceNeeds(t *testing.T) {
	b := newBench(t)
	transformed, err := b.feed.Transformer()(object(t, "k", `{}`, `{grant: {}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, whole := transformed.(*unstructured.Unstructured); whole {
		t.Errorf("the whole object is kept until the first sync")
	}
	if err := b.feed.Replace([]any{transformed}, "1"); err != nil {
		t.Fatal(err)
	}
	b.expectServed("k", true)
}

func TestDeletionTakesTheKeyOut(t *testing.T) {
	deletions := map[string]func(*bench, *unstructured.Unstructured) error{
		"deleted": func(b *bench, o *unstructured.Unstructured) error { return b.feed.Delete(o) },
		"being deleted, with a finalizer": func(b *bench, o *unstructured.Unstructured) error {
			metadata, ok := o.Object["metadata"].(map[string]any)
			if !ok {
				return fmt.Errorf("no metadata in %v", o.Object)
			}
			metadata["deletionTimestamp"] = "2027-01-10T12:00:00Z"
			return b.feed.Update(o)
		},
	}
	for name, remove := range deletions {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			o := object(t, "k", `{}`, `{grant: {}}`)
			b.add(o)
			if err := remove(b, o); err != nil {
				t.Fatal(err)
			}
			b.expectServed("k", false)
		})
	}
}

func TestBookmarksCountAsNews(t *testing.T) {
	b := newBench(t)
	if err := b.feed.Bookmark("5"); err != nil {
		t.Fatal(err)
	}
	if b.events != 1 {
		t.Errorf("%d events are counted, want 1", b.events)
	}
}
