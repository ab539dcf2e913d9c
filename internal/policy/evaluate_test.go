package policy_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/policy"
)

// verdictCase is what several policies make of a request together.
type verdictCase struct {
	policies   []Policy
	byDefault  Default
	asked      Request
	wantPolicy string // that admits it
	wantFor    string // the policy whose refusal is told
	wantCodes  []Code // none where it is admitted
	wantWarned []string
}

func checkVerdicts(t *testing.T, cases map[string]verdictCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			v := Evaluate(c.asked, phoenix, c.policies, c.byDefault, now)
			var warned []string
			for _, w := range v.Warnings {
				warned = append(warned, w.Policy)
			}
			got := verdictCase{wantPolicy: v.Policy, wantFor: v.Refusal.Policy, wantCodes: codes(v.Refusal), wantWarned: warned}
			want := verdictCase{wantPolicy: c.wantPolicy, wantFor: c.wantFor, wantCodes: c.wantCodes, wantWarned: c.wantWarned}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(verdictCase{})); diff != "" {
				t.Errorf("the verdict is not as wanted (-want +got):\n%s", diff)
			}
			if v.Admitted != (len(c.wantCodes) == 0) {
				t.Errorf("admitted: %t, with the reasons %v", v.Admitted, codes(v.Refusal))
			}
		})
	}
}

func reading(tenant string) Request { return Request{Permissions: []string{"read"}, Tenant: tenant} }

func tenants(of ...string) func(*Policy) { return func(p *Policy) { p.Tenants = of } }

func TestOnePolicyMustBeSatisfiedWhole(t *testing.T) {
	t.Parallel()
	asked := Request{Permissions: []string{"read", "write"}}
	checkVerdicts(t, map[string]verdictCase{
		"one that does": {policies: []Policy{named("a", permissions("read", "write"))}, asked: asked, wantPolicy: "a"},
		"not two together": {
			policies: []Policy{named("a", permissions("read")), named("b", permissions("write"))}, asked: asked,
			wantFor: "a", wantCodes: []Code{PermissionNotAllowed},
		},
		"not a permission of one and a tenant of another": {
			policies: []Policy{named("a", permissions("read")), named("b", tenants("acme"))}, asked: reading("acme"),
			wantFor: "a", wantCodes: []Code{TenantNotAllowed},
		},
		"the first by name of those that do": {
			policies: []Policy{named("c", permissions("*")), named("b", permissions("read", "write")), named("a"), named("d", permissions("*"))}, asked: asked,
			wantPolicy: "b",
		},
		"whatever the others have against it": {
			policies: []Policy{named("a"), named("z", permissions("*")), named("b", permissions("write"))}, asked: asked, wantPolicy: "z",
		},
	})
}

func TestPoliciesOfOtherNamespacesHaveNoSay(t *testing.T) {
	t.Parallel()
	others := selecting(labels{"team": "search"})
	checkVerdicts(t, map[string]verdictCase{
		"one that would admit": {
			policies: []Policy{named("a", permissions("*"), others)}, asked: reading(""), wantCodes: []Code{NoPolicy},
		},
		"one that would come closer": {
			policies: []Policy{named("a", tenants("acme"), others), named("b", tenants("globex"))}, asked: reading("acme"),
			wantFor: "b", wantCodes: []Code{PermissionNotAllowed, TenantNotAllowed},
		},
		"one that would warn": {
			policies: []Policy{named("a", warnOnly, others), named("b", permissions("read"))}, asked: reading(""), wantPolicy: "b",
		},
		"by the label of the tenant": {
			policies: []Policy{named("a", permissions("*"), selecting(labels{"team": "payments"}))}, asked: reading(""), wantPolicy: "a",
		},
	})
}

func TestTheRefusalIsThatOfThePolicyThatCameClosest(t *testing.T) {
	t.Parallel()
	asked := Request{Permissions: []string{"read", "write"}, Tenant: "acme"}
	checkVerdicts(t, map[string]verdictCase{
		"the one with the fewest reasons": {
			policies: []Policy{named("a"), named("b", permissions("read")), named("c", permissions("*"))}, asked: asked,
			wantFor: "c", wantCodes: []Code{TenantNotAllowed},
		},
		"the first by name of equals": {
			policies: []Policy{named("c", permissions("*")), named("b", permissions("read"), tenants("acme")), named("d", tenants("acme"))}, asked: asked,
			wantFor: "b", wantCodes: []Code{PermissionNotAllowed},
		},
		"one that can be read before one that cannot": {
			policies: []Policy{named("a", unreadable), named("b")}, asked: asked,
			wantFor: "b", wantCodes: []Code{PermissionNotAllowed, PermissionNotAllowed, TenantNotAllowed},
		},
		"one that only warns is never it": {
			policies: []Policy{named("a", permissions("*"), warnOnly), named("b")}, asked: asked,
			wantFor: "b", wantCodes: []Code{PermissionNotAllowed, PermissionNotAllowed, TenantNotAllowed}, wantWarned: []string{"a"},
		},
	})
}

func TestAPolicyThatOnlyWarnsNeitherAdmitsNorSelects(t *testing.T) {
	t.Parallel()
	checkVerdicts(t, map[string]verdictCase{
		"where it would admit": {
			policies: []Policy{named("a", permissions("read"), warnOnly)}, asked: reading(""), wantCodes: []Code{NoPolicy},
		},
		"where it would admit and all is allowed by default": {
			policies: []Policy{named("a", permissions("read"), warnOnly)}, byDefault: AllowByDefault, asked: reading(""),
		},
		"where it would refuse and all is allowed by default": {
			policies: []Policy{named("a", warnOnly)}, byDefault: AllowByDefault, asked: reading(""), wantWarned: []string{"a"},
		},
		"where another admits": {
			policies: []Policy{named("b", warnOnly), named("z", permissions("read")), named("a", warnOnly)}, asked: reading(""),
			wantPolicy: "z", wantWarned: []string{"a", "b"},
		},
		"where another refuses": {
			policies: []Policy{named("a", permissions("read"), warnOnly), named("z")}, asked: reading(""),
			wantFor: "z", wantCodes: []Code{PermissionNotAllowed},
		},
	})
}

func TestAPolicyThatCannotBeReadAdmitsNothingAnywhere(t *testing.T) {
	t.Parallel()
	checkVerdicts(t, map[string]verdictCase{
		"alone": {policies: []Policy{named("a", unreadable)}, asked: reading(""), wantCodes: []Code{NoPolicy, PolicyUnreadable}},
		"alone where all is allowed by default": {
			policies: []Policy{named("a", unreadable)}, byDefault: AllowByDefault, asked: reading(""),
			wantFor: "a", wantCodes: []Code{PolicyUnreadable},
		},
		"beside one that only warns, where all is allowed by default": {
			policies: []Policy{named("a", unreadable), named("b", permissions("*"), warnOnly)}, byDefault: AllowByDefault, asked: reading(""),
			wantFor: "a", wantCodes: []Code{PolicyUnreadable},
		},
		"but takes nothing from another": {
			policies: []Policy{named("a", unreadable), named("b", permissions("read"))}, asked: reading(""), wantPolicy: "b",
		},
	})
}

func TestWithoutAPolicyTheDefaultDecides(t *testing.T) {
	t.Parallel()
	everything := Request{
		Permissions: []string{"payments:*"}, Tenant: "acme", Scopes: map[string][]string{"category": {"general"}},
		RateLimit: RateLimit{Requests: 1, Period: 1, Burst: 1}, Format: Format{Prefix: "x", Bytes: 24},
	}
	checkVerdicts(t, map[string]verdictCase{
		"deny: not even nothing":          {wantCodes: []Code{NoPolicy}},
		"deny: nothing":                   {asked: everything, wantCodes: []Code{NoPolicy}},
		"allow: nothing":                  {byDefault: AllowByDefault},
		"allow: all but what follows":     {byDefault: AllowByDefault, asked: everything},
		"allow: not the bare wildcard":    {byDefault: AllowByDefault, asked: Request{Permissions: []string{"read", "*"}}, wantCodes: []Code{PermissionNotAllowed}},
		"allow: not a key from elsewhere": {byDefault: AllowByDefault, asked: Request{Import: true}, wantCodes: []Code{ImportNotAllowed}},
		"allow: neither of the two": {
			byDefault: AllowByDefault, asked: Request{Permissions: []string{"*"}, Import: true}, wantCodes: []Code{PermissionNotAllowed, ImportNotAllowed},
		},
		"allow: where a policy selects, the policy decides": {
			policies: []Policy{named("a")}, byDefault: AllowByDefault, asked: reading(""), wantFor: "a", wantCodes: []Code{PermissionNotAllowed},
		},
		"allow: what a policy allows there, it allows": {
			policies: []Policy{named("a", permissions("*"))}, byDefault: AllowByDefault, asked: Request{Permissions: []string{"*"}}, wantPolicy: "a",
		},
	})
}

func TestTheFormatIsThatOfThePolicyThatAdmits(t *testing.T) {
	t.Parallel()
	format := func(prefix string) func(*Policy) {
		return func(p *Policy) { p.Format = Format{Prefix: prefix, Bytes: len(prefix)} }
	}
	v := evaluate(reading(""), named("c", permissions("read"), format("ccc")), named("b", permissions("read"), format("bb")),
		named("a", format("a")), named("0", permissions("read"), format("zero"), warnOnly))
	if want := (Format{"bb", 2}); v.Policy != "b" || v.Format != want {
		t.Errorf("admitted by %s with the format %+v, want b with %+v", v.Policy, v.Format, want)
	}
	if v := evaluate(reading(""), named("a", format("a"))); v.Format != (Format{}) {
		t.Errorf("a refusal demands the format %+v", v.Format)
	}
}

func TestReasonsComeInAFixedOrder(t *testing.T) {
	t.Parallel()
	p := named("all", func(p *Policy) {
		month, none := 30*day, 0*day
		p.Tenants, p.Scopes = []string{"acme"}, map[string][]string{"category": {"general"}}
		p.MaxLifetime, p.RequireRotation = day, &RequiredRotation{MaxEvery: &month, MaxGrace: &none}
		p.MaxRateLimit, p.Format = RateLimit{1, 1e9, 1}, Format{"sk_", 40}
	})
	asked := Request{
		Permissions: []string{"read"}, Tenant: "globex", Scopes: map[string][]string{"region": {"eu"}}, ExpiresAt: now.Add(2 * day),
		Rotation: Rotation{60 * day, day}, RateLimit: RateLimit{2, 1e9, 2}, Format: Format{"ak_", 24},
	}
	want := []Code{
		PermissionNotAllowed, TenantNotAllowed, ScopeRequired, ScopeNotAllowed, LifetimeTooLong,
		RotationTooRare, GracePeriodTooLong, RateLimitTooHigh, FormatNotAllowed, FormatNotAllowed,
	}
	v := evaluate(asked, p)
	if got := codes(v.Refusal); !slices.Equal(got, want) || v.Refusal.Code() != want[0] {
		t.Errorf("the reasons are %v, the first of them %s; want %v", got, v.Refusal.Code(), want)
	}
	if got := (Finding{}).Code(); got != "" {
		t.Errorf("no reason has the code %q", got)
	}
}

func TestSelects(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		policy Policy
		want   bool
	}{
		"by its selector":                 {named("a", selecting(labels{"team": "payments"})), true},
		"not where the selector does not": {named("a", selecting(labels{"team": "search"})), false},
		"also one that only warns":        {named("a", warnOnly), true},
		"everywhere where it is unread":   {named("a", unreadable), true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.policy.Selects(phoenix.Labels); got != c.want {
				t.Errorf("it selects the namespace: %t, want %t", got, c.want)
			}
		})
	}
}
