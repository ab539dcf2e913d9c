package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/apikey-operator/apikey-operator/internal/policy"
)

func TestMessagesNameTheFieldTheValueAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	with := func(change func(*Policy)) []Policy { return []Policy{named("payments", change)} }
	month, twoDays := 30*day, 2*day
	rotation := &RequiredRotation{MaxEvery: &month, MaxGrace: &twoDays}
	const by = "policy payments does not allow this: "
	cases := map[string]struct {
		policies  []Policy
		byDefault Default
		asked     Request
		want      string
	}{
		"a permission": {with(permissions("payments:*", "read")), DenyByDefault, Request{Permissions: []string{"write"}},
			by + `spec.permissions: "write" is not allowed, only payments:*, read`},
		"a permission, where none is listed": {with(permissions()), DenyByDefault, Request{Permissions: []string{"write"}},
			by + `spec.permissions: "write" is not allowed, nor is any other`},
		"a tenant": {with(tenants("acme", "globex")), DenyByDefault, Request{Tenant: "initech"},
			by + `spec.tenant: "initech" is not allowed, only acme, globex`},
		"a tenant, where none is listed": {with(tenants()), DenyByDefault, Request{Tenant: "initech"},
			by + `spec.tenant: "initech" is not allowed, nor is any other`},
		"no tenant": {with(tenants("acme", "globex")), DenyByDefault, Request{},
			by + `spec.tenant: is required: give one of acme, globex`},
		"no tenant, where any will do": {with(tenants(Any)), DenyByDefault, Request{},
			by + `spec.tenant: is required: give any`},
		"another tenant than the namespace's": {with(func(p *Policy) { p.TenantLabel = "example.com/tenant" }), DenyByDefault, Request{Tenant: "globex"},
			by + `spec.tenant: "globex" is not allowed, only acme`},
		"a namespace without a tenant": {with(func(p *Policy) { p.TenantLabel = "example.com/other" }), DenyByDefault, Request{},
			by + `spec.tenant: namespace phoenix has no label example.com/other, which names the tenant that its keys speak for: ask whoever administers the cluster for it`},
		"no scope": {with(func(p *Policy) { p.Scopes = map[string][]string{"category": {"general", "archive"}} }), DenyByDefault, Request{},
			by + `spec.scopes.category: is required: give some of general, archive`},
		"no scope, where any value will do": {with(func(p *Policy) { p.Scopes = map[string][]string{"category": {Any}} }), DenyByDefault, Request{},
			by + `spec.scopes.category: is required: give any`},
		"a scope": {with(func(p *Policy) { p.Scopes = map[string][]string{"category": {"general"}} }), DenyByDefault,
			Request{Scopes: map[string][]string{"category": {"general"}, "region": {"eu"}}},
			by + `spec.scopes: "region" is not allowed, only category`},
		"a scope, where none is listed": {with(func(*Policy) {}), DenyByDefault, Request{Scopes: map[string][]string{"region": {"eu"}}},
			by + `spec.scopes: "region" is not allowed, nor is any other`},
		"a scope's value": {with(func(p *Policy) { p.Scopes = map[string][]string{"category": {"general"}} }), DenyByDefault,
			Request{Scopes: map[string][]string{"category": {"secret"}}},
			by + `spec.scopes.category: "secret" is not allowed, only general`},
		"no expiry": {with(func(p *Policy) { p.MaxLifetime = 8760 * time.Hour }), DenyByDefault, Request{},
			by + `spec.expiresAt: is required: give a time at most 8760h ahead`},
		"a late expiry": {with(func(p *Policy) { p.MaxLifetime = 90 * time.Minute }), DenyByDefault,
			Request{ExpiresAt: now.Add(2 * time.Hour).In(time.FixedZone("", 3600))},
			by + `spec.expiresAt: 2027-01-10T14:00:00Z is not allowed, only a time at most 1h30m ahead`},
		"no rotation": {with(func(p *Policy) { p.RequireRotation = rotation }), DenyByDefault, Request{},
			by + `spec.rotation: is required: give every or schedule, at most 720h apart`},
		"no rotation, where any will do": {with(func(p *Policy) { p.RequireRotation = &RequiredRotation{} }), DenyByDefault, Request{},
			by + `spec.rotation: is required: give every or schedule`},
		"too rare a rotation": {with(func(p *Policy) { p.RequireRotation = rotation }), DenyByDefault, Request{Rotation: Rotation{60 * day, day}},
			by + `spec.rotation: 1440h between two rotations is not allowed, only at most 720h`},
		"too long a grace period": {with(func(p *Policy) { p.RequireRotation = rotation }), DenyByDefault, Request{Rotation: Rotation{day, 3*day + time.Second}},
			by + `spec.rotation.gracePeriod: 72h0m1s is not allowed, only at most 48h`},
		"a key from elsewhere where rotation is required": {
			with(func(p *Policy) { p.RequireRotation, p.AllowImport = rotation, true }), DenyByDefault, Request{Import: true},
			by + `spec.source: a key that comes from elsewhere cannot be seen to rotate, which is required: leave source out`},
		"a key from elsewhere": {with(func(*Policy) {}), DenyByDefault, Request{Import: true},
			by + `spec.source: keys that come from elsewhere are not allowed: leave source out`},
		"no rate limit": {with(func(p *Policy) { p.MaxRateLimit = RateLimit{100, time.Second, 200} }), DenyByDefault, Request{},
			by + `spec.rateLimit: is required: give at most 100 requests in 1s, 200 at once`},
		"too high a rate limit": {with(func(p *Policy) { p.MaxRateLimit = RateLimit{100, time.Minute, 200} }), DenyByDefault,
			Request{RateLimit: RateLimit{100, time.Second, 100}},
			by + `spec.rateLimit: 100 requests in 1s, 100 at once is not allowed, only at most 100 requests in 1m, 200 at once`},
		"a prefix": {with(func(p *Policy) { p.Format.Prefix = "sk_live_" }), DenyByDefault, Request{Format: Format{Prefix: "ak_"}},
			by + `spec.format.prefix: "ak_" is not allowed, only sk_live_`},
		"too few bytes": {with(func(p *Policy) { p.Format.Bytes = 40 }), DenyByDefault, Request{Format: Format{Bytes: 24}},
			by + `spec.format.bytes: 24 is not allowed, only 40 and more`},
		"several": {with(permissions("read")), DenyByDefault, Request{Permissions: []string{"write"}, Import: true},
			by + `spec.permissions: "write" is not allowed, only read; spec.source: keys that come from elsewhere are not allowed: leave source out`},
		"no policy": {nil, DenyByDefault, Request{},
			`no ApiKeyPolicy selects namespace phoenix, so nothing is granted there: ask whoever administers the cluster for one`},
		"no policy, and everything asked for": {nil, AllowByDefault, Request{Permissions: []string{"*"}, Import: true},
			`spec.permissions: "*" is not allowed where no ApiKeyPolicy selects the namespace: name what the key needs; ` +
				`spec.source: keys that come from elsewhere are not allowed where no ApiKeyPolicy selects the namespace: leave source out`},
		"a policy that cannot be read": {[]Policy{named("odd", unreadable)}, AllowByDefault, Request{},
			`ApiKeyPolicy odd cannot be read (it does not decode), so nobody can tell what it refuses: whoever administers the cluster has to correct it`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Evaluate(c.asked, phoenix, c.policies, c.byDefault, now).Refusal.String(); got != c.want {
				t.Errorf("the refusal reads\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// numbered are n values of that many characters.
func numbered(n, length int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%0*d", length, i)
	}
	return values
}

func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	const most = 4096 // a refusal at admission is read in a terminal
	endless := strings.Repeat("ü", 100_000)
	cases := map[string]struct {
		policy    Policy
		asked     Request
		wantWords []string
	}{
		"of long lists": {
			named(strings.Repeat("p", 253), permissions(numbered(128, 64)...)), Request{Permissions: numbered(64, 63)},
			[]string{numbered(1, 63)[0], "and 122 more", "; and 58 more"},
		},
		"of a policy that cannot be read for long reasons": {
			Policy{Name: "odd", Unreadable: endless}, Request{}, []string{"ApiKeyPolicy odd cannot be read (üüü", "…)"},
		},
		"of a value without bound, stored before the schema had one": {
			named("a", permissions("read")), Request{Permissions: []string{endless}}, []string{`"üüü`, `üü…" is not allowed, only read`},
		},
		"of a list of values without bound": {
			named("a", permissions(endless)), Request{Permissions: []string{"read"}}, []string{`"read" is not allowed, only üüü`, "…"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := Evaluate(c.asked, phoenix, []Policy{c.policy}, AllowByDefault, now).Refusal.String()
			if len(got) > most || !utf8.ValidString(got) {
				t.Errorf("the message takes %d bytes, want at most %d, and is valid UTF-8: %t", len(got), most, utf8.ValidString(got))
			}
			for _, words := range c.wantWords {
				if !strings.Contains(got, words) {
					t.Errorf("the message does not contain %q: %.2000s", words, got)
				}
			}
		})
	}
}
