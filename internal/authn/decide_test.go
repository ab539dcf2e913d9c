package authn_test

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/clientaddr"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// world is one ApiKey and one request for it, both in order; tests spoil either.
type world struct {
	record  index.Record
	request authn.Request
	key     []byte
	query   string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	key := newKey(t, rand.Reader)
	return &world{
		key:   key,
		query: "permission=customers:view&tenant=acme&scope.category=general&namespace=phoenix",
		record: index.Record{
			Namespace: "phoenix", Name: "monitor", Tenant: "acme",
			Permissions: []string{"read", "customers:*"},
			Scopes:      map[string][]string{"category": {"general", "premium"}, "region": {"eu"}},
			Credentials: []index.Credential{{Hash: keys.HashV1(key), Revision: 3}},
		},
		request: authn.Request{
			Ready: true, Credential: authn.NewCredential(key), Method: []byte("GET"), Now: noon,
			Client: from(netip.MustParseAddr("203.0.113.7")),
		},
	}
}

func from(address netip.Addr) *clientaddr.Client {
	client := clientaddr.Known(address)
	return &client
}

func onlyFrom(prefixes ...string) index.Networks {
	var parsed []netip.Prefix
	for _, p := range prefixes {
		parsed = append(parsed, netip.MustParsePrefix(p))
	}
	return index.OnlyFrom(parsed...)
}

func newKey(t testing.TB, random io.Reader) []byte {
	t.Helper()
	key, err := keys.Generate(random, keys.Format{})
	if err != nil {
		t.Fatal(err)
	}
	return key.Reveal()
}

func (w *world) decider(t testing.TB) *authn.Decider {
	t.Helper()
	x := index.New()
	if err := x.Set(w.record); err != nil {
		t.Fatal(err)
	}
	w.request.Requirement, _ = authn.ParseRequirement(w.query) // nil where it is wrong, as the contract has it
	return authn.NewDecider(x)
}

func (w *world) decide(t testing.TB) authn.Decision {
	t.Helper()
	return w.decider(t).Decide(&w.request)
}

// flaws gives, for each reason in the order of the contract, what makes a good request be refused for it.
func flaws() []struct {
	reason authn.Reason
	spoil  func(*world)
} {
	return []struct {
		reason authn.Reason
		spoil  func(*world)
	}{
		{authn.NotReady, func(w *world) { w.request.Ready = false }},
		{authn.InvalidRequirement, func(w *world) { w.query += "&nonsense" }},
		{authn.MissingCredential, func(w *world) { w.request.Credential = authn.NewCredential(nil) }},
		{authn.MalformedCredential, func(w *world) { w.request.Credential = authn.NewCredential([]byte("\x00")) }},
		{authn.UnknownKey, func(w *world) { w.record.Credentials[0].Hash.Sum[31]++ }},
		{authn.Expired, func(w *world) { w.record.NotAfter = noon }},
		{authn.Revoked, func(w *world) { w.record.Revoked = true }},
		{authn.Suspended, func(w *world) { w.record.Suspended = true }},
		{authn.NotGranted, func(w *world) { w.record.NotGranted = true }},
		{authn.AddressNotAllowed, func(w *world) { w.record.Networks = onlyFrom("198.51.100.0/24") }},
		{authn.PermissionDenied, func(w *world) { w.record.Permissions = []string{"read"} }},
		{authn.TenantMismatch, func(w *world) { w.record.Tenant = "other" }},
		{authn.ScopeMismatch, func(w *world) { w.record.Scopes["category"] = []string{"premium"} }},
		{authn.NamespaceMismatch, func(w *world) { w.record.Namespace = "elsewhere" }},
	}
}

func TestAGoodRequestIsAllowed(t *testing.T) {
	got := newWorld(t).decide(t)
	if got.Reason != authn.Allowed || got.CacheSeconds != 0 || got.Demanded != "" {
		t.Fatalf("%v, kept for %d s, demanded %q", got.Reason, got.CacheSeconds, got.Demanded)
	}
	want := index.Entry{
		Namespace: "phoenix", Name: "monitor", Tenant: "acme", Permissions: "read,customers:*",
		Scopes: "category=general|premium;region=eu", Revision: 3, NotAfter: index.Never,
	}
	if diff := cmp.Diff(want, got.Key.Entry()); diff != "" {
		t.Errorf("key (-want +got):\n%s", diff)
	}
}

func TestEachFlawAloneIsRefusedForItsReason(t *testing.T) {
	// But for RateLimited, which is not told by who decides.
	if got, want := len(flaws()), authn.ReasonCount-2; got != want {
		t.Fatalf("%d flaws for %d reasons to refuse", got, want)
	}
	for _, flaw := range flaws() {
		t.Run(flaw.reason.String(), func(t *testing.T) {
			w := newWorld(t)
			flaw.spoil(w)
			if got := w.decide(t); got.Reason != flaw.reason {
				t.Errorf("reason = %v", got.Reason)
			}
		})
	}
}

func TestOfTwoFlawsTheFirstInTheContractCounts(t *testing.T) {
	all := flaws()
	for i, first := range all {
		for _, second := range all[i+1:] {
			t.Run(first.reason.String()+" before "+second.reason.String(), func(t *testing.T) {
				w := newWorld(t)
				second.spoil(w)
				first.spoil(w) // last, since missing and malformed overwrite each other
				if got := w.decide(t); got.Reason != first.reason {
					t.Errorf("reason = %v", got.Reason)
				}
			})
		}
	}
}

func TestReasonsAreThoseOfTheContract(t *testing.T) {
	want := map[string]int{
		"not_ready": 503, "invalid_requirement": 403, "missing_credential": 401, "malformed_credential": 401,
		"unknown_key": 401, "expired": 401, "revoked": 401, "suspended": 401, "not_granted": 403, "address_not_allowed": 403,
		"permission_denied": 403, "tenant_mismatch": 403, "scope_mismatch": 403, "namespace_mismatch": 403,
		"rate_limited": 429, "allowed": 200,
	}
	got := map[string]int{}
	for r := range authn.ReasonCount {
		got[authn.Reason(r).String()] = authn.Reason(r).Status()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons and statuses (-want +got):\n%s", diff)
	}
}

func TestTheZeroDecisionRefuses(t *testing.T) {
	if r := (authn.Decision{}).Reason; r == authn.Allowed || r.Status() == 200 {
		t.Errorf("the zero decision is %v", r)
	}
	if r := authn.NewDecider(index.New()).Decide(&authn.Request{}).Reason; r == authn.Allowed {
		t.Error("the zero request is allowed")
	}
}

func TestDecisionsOnPermissions(t *testing.T) {
	tests := map[string]struct {
		held         []string
		query        string
		method       string
		wantReason   authn.Reason
		wantDemanded string
	}{
		"nothing demanded, nothing held":        {wantReason: authn.Allowed},
		"held":                                  {held: []string{"a", "b"}, query: "permission=b", wantReason: authn.Allowed},
		"one of two is lacking":                 {[]string{"a"}, "permission=a&permission=b", "GET", authn.PermissionDenied, "a b"},
		"nothing held":                          {nil, "permission=a", "GET", authn.PermissionDenied, "a"},
		"all held":                              {held: []string{"*"}, query: "permission=a:b.c", wantReason: authn.Allowed},
		"held by wildcard":                      {held: []string{"a:*"}, query: "permission=a:b", wantReason: authn.Allowed},
		"held by wildcard, deeper":              {held: []string{"a:*"}, query: "permission=a:b.c:d", wantReason: authn.Allowed},
		"a wildcard does not cover its stem":    {[]string{"a:*"}, "permission=a", "GET", authn.PermissionDenied, "a"},
		"a wildcard covers whole segments only": {[]string{"a:*"}, "permission=ab:c", "GET", authn.PermissionDenied, "ab:c"},
		"the separators are not the same":       {[]string{"a:*"}, "permission=a.b", "GET", authn.PermissionDenied, "a.b"},
		"case matters":                          {[]string{"A"}, "permission=a", "GET", authn.PermissionDenied, "a"},
		"the first rule that matches counts": {
			held: []string{"view"}, query: "rule=GET:view&rule=*:admin", method: "GET", wantReason: authn.Allowed,
		},
		"a later rule that would be met does not": {
			[]string{"view"}, "rule=GET,PUT:admin&rule=GET,POST:view", "GET", authn.PermissionDenied, "admin",
		},
		"the rule for all methods": {
			held: []string{"admin"}, query: "rule=GET:view&rule=*:admin", method: "DELETE", wantReason: authn.Allowed,
		},
		"a rule adds to the permissions": {
			[]string{"view"}, "permission=base&rule=GET:view", "GET", authn.PermissionDenied, "base view",
		},
		"the second of a rule's methods": {
			held: []string{"view"}, query: "rule=GET,HEAD:view", method: "HEAD", wantReason: authn.Allowed,
		},
		"no rule matches": {
			[]string{"*"}, "permission=base&rule=GET:view", "POST", authn.PermissionDenied, "base",
		},
		"methods are compared with their case":              {[]string{"*"}, "rule=GET:view", "get", authn.PermissionDenied, ""},
		"a method that is not known matches no rule at all": {[]string{"*"}, "rule=*:view", "", authn.PermissionDenied, ""},
		"without rules the method does not matter":          {held: []string{"a"}, query: "permission=a", wantReason: authn.Allowed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.record.Permissions, w.query, w.request.Method = tt.held, tt.query, []byte(tt.method)
			got := w.decide(t)
			if got.Reason != tt.wantReason || got.Demanded != tt.wantDemanded {
				t.Errorf("%v, demanded %q; want %v, %q", got.Reason, got.Demanded, tt.wantReason, tt.wantDemanded)
			}
		})
	}
}

func TestDecisionsOnScopesTenantAndNamespace(t *testing.T) {
	tests := map[string]struct {
		query string
		want  authn.Reason
	}{
		"a value of several":                      {"scope.category=premium", authn.Allowed},
		"two values, both included":               {"scope.category=premium&scope.category=general", authn.Allowed},
		"two values, one not included":            {"scope.category=premium&scope.category=other", authn.ScopeMismatch},
		"the second dimension":                    {"scope.region=eu", authn.Allowed},
		"a value of another dimension":            {"scope.region=general", authn.ScopeMismatch},
		"a part of a value":                       {"scope.category=gen", authn.ScopeMismatch},
		"a dimension that the key has not":        {"scope.country=de", authn.ScopeMismatch},
		"a part of a dimension's name":            {"scope.cat=general", authn.ScopeMismatch},
		"its own tenant":                          {"tenant=acme", authn.Allowed},
		"another tenant that begins the same way": {"tenant=acm", authn.TenantMismatch},
		"its own namespace":                       {"namespace=phoenix", authn.Allowed},
		"another namespace":                       {"namespace=phoenix2", authn.NamespaceMismatch},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.query = tt.query
			if got := w.decide(t).Reason; got != tt.want {
				t.Errorf("reason = %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("a key without a tenant where one is demanded", func(t *testing.T) {
		w := newWorld(t)
		w.record.Tenant = ""
		if got := w.decide(t).Reason; got != authn.TenantMismatch {
			t.Errorf("reason = %v", got)
		}
	})
}

func TestAKeyEndsByTheClockOfTheRequest(t *testing.T) {
	tests := map[string]struct {
		ends, credentialEnds time.Time
		want                 authn.Reason
	}{
		"a nanosecond before its end":        {ends: noon.Add(1), want: authn.Allowed},
		"at its end":                         {ends: noon, want: authn.Expired},
		"after its end":                      {ends: noon.Add(-1), want: authn.Expired},
		"at the credential's end":            {ends: noon.Add(time.Hour), credentialEnds: noon, want: authn.Expired},
		"before either end":                  {ends: noon.Add(1), credentialEnds: noon.Add(1), want: authn.Allowed},
		"an end beyond what fits in an int":  {ends: time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC), want: authn.Allowed},
		"an end in the year 9999":            {ends: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), want: authn.Allowed},
		"no end at all":                      {want: authn.Allowed},
		"an end before the epoch":            {ends: time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC), want: authn.Expired},
		"an end long before nanoseconds fit": {ends: time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), want: authn.Expired},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.record.NotAfter, w.record.Credentials[0].NotAfter = tt.ends, tt.credentialEnds
			if got := w.decide(t).Reason; got != tt.want {
				t.Errorf("reason = %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("an ApiKey that the manager calls expired", func(t *testing.T) {
		w := newWorld(t)
		w.record.Expired = true
		if got := w.decide(t).Reason; got != authn.Expired {
			t.Errorf("reason = %v", got)
		}
	})
}

func TestDecisionsOnTheClientsAddress(t *testing.T) {
	known := netip.MustParseAddr("203.0.113.7")
	tests := map[string]struct {
		networks index.Networks
		from     netip.Addr
		want     authn.Reason
	}{
		"a key without networks":                    {index.Networks{}, known, authn.Allowed},
		"a key without networks, address not known": {index.Networks{}, netip.Addr{}, authn.Allowed},
		"inside":        {onlyFrom("192.0.2.0/24", "203.0.113.0/24"), known, authn.Allowed},
		"outside":       {onlyFrom("192.0.2.0/24"), known, authn.AddressNotAllowed},
		"nowhere":       {onlyFrom(), known, authn.AddressNotAllowed},
		"not known":     {onlyFrom("0.0.0.0/0", "::/0"), netip.Addr{}, authn.AddressNotAllowed},
		"IPv6, inside":  {onlyFrom("2001:db8::/32"), netip.MustParseAddr("2001:db8::7"), authn.Allowed},
		"IPv6, outside": {onlyFrom("203.0.113.0/24"), netip.MustParseAddr("2001:db8::7"), authn.AddressNotAllowed},
		"IPv4 as a socket for both families tells it": {onlyFrom("203.0.113.0/24"), netip.MustParseAddr("::ffff:203.0.113.7"), authn.Allowed},
		"with the zone of a link":                     {onlyFrom("fe80::/10"), netip.MustParseAddr("fe80::7%eth0"), authn.Allowed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.record.Networks, w.request.Client = tt.networks, from(tt.from)
			if got := w.decide(t).Reason; got != tt.want {
				t.Errorf("reason = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAnAnswerThatHoldsForOneClientOrRequestIsNotKept(t *testing.T) {
	tests := map[string]func(*index.Record){
		"a key with networks":     func(r *index.Record) { r.Networks = onlyFrom("203.0.113.0/24") },
		"a key with a rate limit": func(r *index.Record) { r.RateLimit = index.RateLimit{Requests: 9, Period: time.Second, Burst: 9} },
	}
	for name, restrict := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.query = "cache=60"
			if got := w.decide(t); got.CacheSeconds != 60 {
				t.Fatalf("without it, kept for %d s, want 60", got.CacheSeconds)
			}
			restrict(&w.record)
			if got := w.decide(t); got.Reason != authn.Allowed || got.CacheSeconds != 0 {
				t.Errorf("%v, kept for %d s", got.Reason, got.CacheSeconds)
			}
		})
	}
}

func TestAnAnswerIsNeverKeptBeyondItsKey(t *testing.T) {
	tests := map[string]struct {
		query string
		ends  time.Time
		want  int
	}{
		"not allowed by the route":             {"", time.Time{}, 0},
		"a key without an end":                 {"cache=60", time.Time{}, 60},
		"a key that lives longer":              {"cache=60", noon.Add(time.Hour), 60},
		"a key that ends sooner":               {"cache=60", noon.Add(10 * time.Second), 10},
		"seconds are rounded down":             {"cache=60", noon.Add(9999 * time.Millisecond), 9},
		"less than a second left":              {"cache=60", noon.Add(999 * time.Millisecond), 0},
		"as long as the key":                   {"cache=60", noon.Add(60 * time.Second), 60},
		"a key that ends, without the route's": {"", noon.Add(10 * time.Second), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.query, w.record.NotAfter = tt.query, tt.ends
			if got := w.decide(t); got.Reason != authn.Allowed || got.CacheSeconds != tt.want {
				t.Errorf("%v for %d s, want %d s", got.Reason, got.CacheSeconds, tt.want)
			}
		})
	}
	for _, flaw := range flaws() {
		t.Run(flaw.reason.String()+" is not kept at all", func(t *testing.T) {
			w := newWorld(t)
			w.query += "&cache=60"
			flaw.spoil(w)
			if got := w.decide(t).CacheSeconds; got != 0 {
				t.Errorf("kept for %d s", got)
			}
		})
	}
}

func TestAKeyWhoseChecksumDoesNotHoldIsNotLookedUp(t *testing.T) {
	w := newWorld(t)
	w.key[10] ^= 1
	w.record.Credentials[0].Hash = keys.HashV1(w.key) // it would be found
	if got := w.decide(t).Reason; got != authn.UnknownKey {
		t.Errorf("reason = %v, want unknown_key", got)
	}
}

func TestDecideDoesNotAllocate(t *testing.T) {
	cases := map[string]func(*world){
		"allowed": func(*world) {},
		"allowed by rule and kept": func(w *world) {
			w.query += "&rule=POST:x&rule=GET,HEAD:customers:view&cache=60"
			w.record.NotAfter = noon.Add(time.Minute)
		},
	}
	for _, flaw := range flaws() {
		cases[flaw.reason.String()] = flaw.spoil
	}
	cases["allowed by address"] = func(w *world) { w.record.Networks = onlyFrom("192.0.2.0/24", "203.0.113.0/24", "2001:db8::/32") }
	cases["allowed, imported"] = func(w *world) { w.record.Credentials[0].Hash = keys.SHA256(w.key) }
	cases["unknown beside imported ones"] = func(w *world) { w.record.Credentials[0].Hash = keys.SHA256("another") }
	for name, arrange := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			arrange(w)
			decider := w.decider(t)
			if allocs := testing.AllocsPerRun(100, func() { decisionSink = decider.Decide(&w.request) }); allocs != 0 {
				t.Errorf("%v allocations, want none", allocs)
			}
		})
	}
}

var decisionSink authn.Decision

// BenchmarkDecideMillion decides with a million keys in the index. What it takes is mostly a matter of how
// many of them are in use, that is of how much of the index the processor's cache holds.
func BenchmarkDecideMillion(b *testing.B) {
	const million = 1_000_000
	requirement, err := authn.ParseRequirement("permission=customers:view&scope.category=general")
	if err != nil {
		b.Fatal(err)
	}
	decider := authn.NewDecider(benchIndex(b, million))
	for _, inUse := range []int{1 << 14, 1 << 18} {
		b.Run(fmt.Sprintf("%d-in-use", inUse), func(b *testing.B) {
			// One behind the other and in the order of use, since a proxy's request comes with its key.
			var keys []byte
			for i := range inUse {
				keys = append(keys, benchKey(b, i*7919%million)...)
			}
			length := len(keys) / inUse
			request := authn.Request{Ready: true, Requirement: requirement, Method: []byte("GET"), Now: noon}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				request.Credential = authn.NewCredential(keys[i%inUse*length:][:length])
				if decisionSink = decider.Decide(&request); decisionSink.Reason != authn.Allowed {
					b.Fatal(decisionSink.Reason)
				}
			}
		})
	}
}

func benchIndex(b *testing.B, n int) *index.Index {
	b.Helper()
	records := make([]index.Record, n)
	for i := range records {
		records[i] = index.Record{
			Namespace: fmt.Sprintf("team-%d", i%500), Name: fmt.Sprintf("service-%d-key", i),
			Tenant:      fmt.Sprintf("tenant-%d", i%2000),
			Permissions: []string{"orders:*", "customers:view", "customers:edit"},
			Scopes:      map[string][]string{"category": {"general", "premium"}},
			UID:         fmt.Sprintf("00000000-0000-4000-8000-%012x", i),
			NotAfter:    noon.Add(time.Hour),
			Credentials: []index.Credential{{Hash: keys.HashV1(benchKey(b, i)), Revision: 1, IssuedAt: noon}},
		}
	}
	x := index.New()
	if err := x.Replace(records); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	return x
}

// benchKey makes the same key of the same number.
func benchKey(b *testing.B, n int) []byte {
	b.Helper()
	random := slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(n)), make([]byte, 28))
	return newKey(b, strings.NewReader(string(random)))
}

// BenchmarkRefuse refuses keys that nobody has, which anybody can send.
func BenchmarkRefuse(b *testing.B) {
	unknown := newKey(b, rand.Reader)
	mistyped := slices.Concat(unknown[:10], []byte("!"), unknown[11:])
	imported := index.Credential{Hash: keys.SHA256("another")}
	cases := map[string]struct {
		key    []byte
		beside []index.Credential
	}{
		"unknown":                 {key: unknown},
		"mistyped":                {key: mistyped},
		"unknown-beside-imported": {unknown, []index.Credential{imported}},
		"guess-beside-imported":   {mistyped, []index.Credential{imported}},
	}
	for name, c := range cases {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			w.record.Credentials = append(w.record.Credentials, c.beside...)
			decider := w.decider(b)
			w.request.Credential = authn.NewCredential(c.key)
			b.ReportAllocs()
			for b.Loop() {
				if decisionSink = decider.Decide(&w.request); decisionSink.Reason != authn.UnknownKey {
					b.Fatal(decisionSink.Reason)
				}
			}
		})
	}
}
