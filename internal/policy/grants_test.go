package policy_test

import (
	"testing"

	. "github.com/apikey-operator/apikey-operator/internal/policy"
)

func TestAPermissionMustBeCoveredByOneOfThePolicys(t *testing.T) {
	t.Parallel()
	of := func(held []string, asked ...string) (Policy, Request) {
		return Policy{Permissions: held}, Request{Permissions: asked}
	}
	cases := map[string]policyCase{}
	admitted := func(name string, held []string, asked ...string) {
		p, r := of(held, asked...)
		cases[name] = policyCase{policy: p, asked: r}
	}
	refused := func(name string, times int, held []string, asked ...string) {
		p, r := of(held, asked...)
		var want []Code
		for range times {
			want = append(want, PermissionNotAllowed)
		}
		cases[name] = policyCase{p, r, want}
	}
	payments := []string{"payments:*", "read"}
	admitted("none, where the policy lists none", nil)
	admitted("none, where the policy lists some", payments)
	admitted("the listed one", payments, "read")
	admitted("one below a wildcard", payments, "payments:refund")
	admitted("one far below a wildcard", payments, "payments:refund:own")
	admitted("the wildcard itself", payments, "payments:*")
	admitted("a narrower wildcard", payments, "payments:refund:*")
	admitted("several, each by another", payments, "read", "payments:refund", "payments:*")
	admitted("anything by the bare wildcard", []string{"*"}, "anything", "payments:*", "*")

	refused("any, where the policy lists none", 1, nil, "read")
	refused("the bare wildcard below a wildcard", 1, payments, "*")
	refused("what stands above a wildcard", 1, payments, "payments")
	refused("another separator", 1, payments, "payments.refund")
	refused("another separator in a wildcard", 1, payments, "payments.*")
	refused("a longer first segment", 1, payments, "paymentsx:refund")
	refused("another case", 1, payments, "Read")
	refused("one below what has no wildcard", 1, payments, "read:own")
	refused("a wider wildcard", 1, []string{"payments:refund:*"}, "payments:*")
	refused("a wildcard of which all that there is is listed", 1, []string{"payments:refund", "payments:charge"}, "payments:*")
	refused("each that is not covered", 2, payments, "write", "read", "delete")
	check(t, cases)
}

func TestATenantMustBeOneOfThePolicysAndMustBeGiven(t *testing.T) {
	t.Parallel()
	asks := func(tenant string) Request { return Request{Tenant: tenant} }
	listed, anyTenant := Policy{Tenants: []string{"acme", "globex"}}, Policy{Tenants: []string{Any}}
	fromLabel := func(label string) Policy { return Policy{TenantLabel: label} }
	check(t, map[string]policyCase{
		"none where none is listed":                 {asked: asks("")},
		"one where none is listed":                  {asked: asks("acme"), want: []Code{TenantNotAllowed}},
		"the first that is listed":                  {policy: listed, asked: asks("acme")},
		"the last that is listed":                   {policy: listed, asked: asks("globex")},
		"one that is not listed":                    {listed, asks("initech"), []Code{TenantNotAllowed}},
		"one in another case":                       {listed, asks("ACME"), []Code{TenantNotAllowed}},
		"none where some are listed":                {listed, asks(""), []Code{TenantRequired}},
		"any by the star":                           {policy: anyTenant, asked: asks("whoever")},
		"none by the star":                          {anyTenant, asks(""), []Code{TenantRequired}},
		"any by the star beside others":             {policy: Policy{Tenants: []string{"acme", Any}}, asked: asks("whoever")},
		"that of the namespace":                     {policy: fromLabel("example.com/tenant"), asked: asks("acme")},
		"another than that of the namespace":        {fromLabel("example.com/tenant"), asks("globex"), []Code{TenantNotAllowed}},
		"none where the namespace has one":          {fromLabel("example.com/tenant"), asks(""), []Code{TenantRequired}},
		"one in a namespace without the label":      {fromLabel("example.com/other"), asks("acme"), []Code{TenantNotAllowed}},
		"none in a namespace without the label":     {fromLabel("example.com/other"), asks(""), []Code{TenantNotAllowed}},
		"one in a namespace with an empty label":    {fromLabel("example.com/empty"), asks("acme"), []Code{TenantNotAllowed}},
		"none in a namespace with an empty label":   {fromLabel("example.com/empty"), asks(""), []Code{TenantNotAllowed}},
		"the label's value by the name of a tenant": {fromLabel("team"), asks("acme"), []Code{TenantNotAllowed}},
	})
}

func TestALabelThatHoldsAStarIsOneTenantLikeAnother(t *testing.T) {
	t.Parallel()
	starred := Namespace{Name: "starred", Labels: map[string]string{"tenant": Any}}
	p := named("probe", func(p *Policy) { p.TenantLabel = "tenant" })
	if v := Evaluate(Request{Tenant: "acme"}, starred, []Policy{p}, DenyByDefault, now); v.Admitted {
		t.Error("a namespace whose label holds a star may speak for any tenant")
	}
}

func TestScopesMustBeThePolicysAndThoseThatItNamesMustBeGiven(t *testing.T) {
	t.Parallel()
	asks := func(scopes map[string][]string) Request { return Request{Scopes: scopes} }
	type scopes = map[string][]string
	listed := Policy{Scopes: scopes{"category": {"general", "archive"}}}
	anyValue := Policy{Scopes: scopes{"category": {Any}}}
	anyName := Policy{Scopes: scopes{Any: {Any}}}
	further := Policy{Scopes: scopes{"category": {"general"}, Any: {"eu", "us"}}}
	check(t, map[string]policyCase{
		"none where none is named":                      {asked: asks(nil)},
		"one where none is named":                       {asked: asks(scopes{"category": {"general"}}), want: []Code{ScopeNotAllowed}},
		"a value that is listed":                        {policy: listed, asked: asks(scopes{"category": {"general"}})},
		"all values that are listed":                    {policy: listed, asked: asks(scopes{"category": {"archive", "general"}})},
		"a value that is not listed":                    {listed, asks(scopes{"category": {"general", "secret"}}), []Code{ScopeNotAllowed}},
		"each value that is not listed":                 {listed, asks(scopes{"category": {"secret", "hidden"}}), []Code{ScopeNotAllowed, ScopeNotAllowed}},
		"none where one is named":                       {listed, asks(nil), []Code{ScopeRequired}},
		"one of no values where it is named":            {listed, asks(scopes{"category": {}}), []Code{ScopeRequired}},
		"another than the one that is named":            {listed, asks(scopes{"region": {"eu"}}), []Code{ScopeRequired, ScopeNotAllowed}},
		"another besides the one that is named":         {listed, asks(scopes{"category": {"general"}, "region": {"eu"}}), []Code{ScopeNotAllowed}},
		"any value by the star":                         {policy: anyValue, asked: asks(scopes{"category": {"x", "y"}})},
		"none where any value will do":                  {anyValue, asks(nil), []Code{ScopeRequired}},
		"another name where any value will do":          {anyValue, asks(scopes{"category": {"x"}, "region": {"eu"}}), []Code{ScopeNotAllowed}},
		"any name by the star":                          {policy: anyName, asked: asks(scopes{"a": {"x"}, "b": {"y"}})},
		"none by the star":                              {policy: anyName, asked: asks(nil)},
		"a further name with a value of the star's":     {policy: further, asked: asks(scopes{"category": {"general"}, "region": {"eu"}})},
		"no further name beside the star":               {policy: further, asked: asks(scopes{"category": {"general"}})},
		"a further name without the one that is named":  {further, asks(scopes{"region": {"eu"}}), []Code{ScopeRequired}},
		"a further name with another value":             {further, asks(scopes{"category": {"general"}, "region": {"asia"}}), []Code{ScopeNotAllowed}},
		"the star's value under the name that is named": {further, asks(scopes{"category": {"eu"}}), []Code{ScopeNotAllowed}},
	})
}

func TestAKeyFromElsewhereNeedsAPolicyThatAllowsImports(t *testing.T) {
	t.Parallel()
	check(t, map[string]policyCase{
		"refused where the policy says nothing": {asked: Request{Import: true}, want: []Code{ImportNotAllowed}},
		"admitted where the policy allows it":   {policy: Policy{AllowImport: true}, asked: Request{Import: true}},
		"a generated key where it allows it":    {policy: Policy{AllowImport: true}},
	})
}
