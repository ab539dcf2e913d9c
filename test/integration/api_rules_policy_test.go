package integration

import (
	"fmt"
	"strings"
	"testing"
)

// checkPolicies creates an ApiKeyPolicy with each spec, as strictly as kubectl does, without storing it: policies
// concern all other tests.
func checkPolicies(t *testing.T, cases map[string]specCase) {
	t.Helper()
	as := admin(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := createPolicy(policyBody("probe", c.spec))
			r.query.Set("dryRun", "All")
			if len(c.wantRefused) > 0 {
				as.sendRefused(t, r, c.wantRefused...)
				return
			}
			as.send(t, r)
		})
	}
}

// policyOf is the spec of a policy for all namespaces with one more member, itself a value of Go.
func policyOf(member string, value any) string {
	return asJSON(map[string]any{"namespaceSelector": map[string]any{}, member: value})
}

func TestPolicySelectorRules(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	selector := func(s any) string { return asJSON(object{"namespaceSelector": s}) }
	expression := func(e object) string { return selector(object{"matchExpressions": []object{e}}) }
	labels := func(name, value string) string { return selector(object{"matchLabels": object{name: value}}) }
	field := "spec.namespaceSelector"
	operator := []string{field, "matchExpressions must have the operator In or NotIn with values, or Exists or DoesNotExist without any"}
	badLabel := []string{field, "matchLabels must hold names and values that labels can have, such as team: payments"}
	badName := []string{field, "matchExpressions must hold names and values that labels can have, such as key: team"}
	cases := map[string]specCase{
		"all namespaces":             {spec: selector(object{})},
		"one by its name":            {spec: labels("kubernetes.io/metadata.name", "phoenix")},
		"an empty value":             {spec: labels("team", "")},
		"a value of 63 characters":   {spec: labels("team", strings.Repeat("v", 63))},
		"32 labels":                  {spec: selector(object{"matchLabels": texts(32, "x")})},
		"every operator":             {spec: `{"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"In","values":["x",""]},{"key":"b.io/c","operator":"NotIn","values":["x"]},{"key":"d","operator":"Exists"},{"key":"e","operator":"DoesNotExist","values":[]}]}}`},
		"what contradicts itself":    {spec: `{"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"Exists"},{"key":"a","operator":"DoesNotExist"}]}}`},
		"none":                       {`{}`, []string{field + ": Required value"}},
		"null":                       {`{"namespaceSelector":null}`, []string{field}},
		"a word":                     {selector("team=payments"), []string{field, "must be of type object"}},
		"a field of another object":  {selector(object{"labelSelector": object{}}), []string{`unknown field "spec.namespaceSelector.labelSelector"`}},
		"33 labels":                  {selector(object{"matchLabels": texts(33, "x")}), []string{field + ".matchLabels: Too many", "32"}},
		"In without values":          {expression(object{"key": "a", "operator": "In"}), operator},
		"NotIn with an empty list":   {expression(object{"key": "a", "operator": "NotIn", "values": []string{}}), operator},
		"Exists with a value":        {expression(object{"key": "a", "operator": "Exists", "values": []string{"x"}}), operator},
		"an operator of nodes":       {expression(object{"key": "a", "operator": "Gt", "values": []string{"1"}}), []string{field + ".matchExpressions[0].operator", `supported values: "In", "NotIn", "Exists", "DoesNotExist"`}},
		"an operator in lower case":  {expression(object{"key": "a", "operator": "in", "values": []string{"1"}}), []string{field + ".matchExpressions[0].operator", `"In"`}},
		"no operator":                {expression(object{"key": "a"}), []string{field + ".matchExpressions[0].operator: Required value"}},
		"no key":                     {expression(object{"operator": "Exists"}), []string{field + ".matchExpressions[0].key: Required value"}},
		"an empty key":               {expression(object{"key": "", "operator": "Exists"}), badName},
		"a key with a space":         {expression(object{"key": "a b", "operator": "Exists"}), badName},
		"a value with a space":       {expression(object{"key": "a", "operator": "In", "values": []string{"a b"}}), badName},
		"a value that ends in a dot": {labels("team", "a."), badLabel},
		"a value with a line break":  {labels("team", "a\n"), badLabel},
		"a value of 64 characters":   {labels("team", strings.Repeat("v", 64)), []string{field + ".matchLabels", "Too long", "63"}},
		"a name that is a path":      {labels("a/b/c", "x"), badLabel},
		"a name of capital domain":   {labels("Example.com/team", "x"), badLabel},
		"a name of 64 characters":    {labels(strings.Repeat("n", 64), "x"), badLabel},
		"a name without end":         {labels(strings.Repeat("n", 100_000), "x"), badLabel},
		"a number for a value":       {selector(object{"matchLabels": object{"team": 1}}), []string{field + ".matchLabels.team", "must be of type string"}},
		"33 expressions": {
			selector(object{"matchExpressions": slicesOf(33, object{"key": "a", "operator": "Exists"})}), []string{field + ".matchExpressions: Too many", "32"},
		},
		"65 values": {
			expression(object{"key": "a", "operator": "In", "values": numbered(65, 10)}), []string{field + ".matchExpressions[0].values: Too many", "64"},
		},
		"a domain that is too long for a label": {labels(strings.Repeat("d", 254)+"/n", "x"), badLabel},
	}
	checkPolicies(t, cases)
}

// slicesOf is a list of n times the same.
func slicesOf[V any](n int, value V) []V {
	list := make([]V, n)
	for i := range list {
		list[i] = value
	}
	return list
}

func TestPolicyPermissionAndTenantRules(t *testing.T) {
	t.Parallel()
	permission := []string{"spec.permissions[0]", "a permission must consist of segments of letters, digits, '_' and '-' joined by ':' or '.', with '*' only alone or as the last segment, such as customers:view or customers:*"}
	tenant := []string{"spec.tenants[0]", "a tenant must be '*' or consist of letters, digits, '.', '_' and '-' and begin with a letter or digit, such as acme"}
	label := []string{"spec.tenantFromNamespaceLabel", "must be the name of a label, such as example.com/tenant"}
	permissions := func(of ...string) string { return policyOf("permissions", of) }
	tenants := func(of ...string) string { return policyOf("tenants", of) }
	fromLabel := func(name string) string { return policyOf("tenantFromNamespaceLabel", name) }
	checkPolicies(t, map[string]specCase{
		"no permissions":            {spec: permissions()},
		"permissions of each form":  {spec: permissions("*", "read", "payments:*", "a.b:c-d_E")},
		"128 permissions":           {spec: permissions(numbered(128, 64)...)},
		"129 permissions":           {permissions(numbered(129, 10)...), []string{"spec.permissions: Too many", "128"}},
		"a permission twice":        {permissions("read", "read"), []string{"spec.permissions[1]: Duplicate value"}},
		"a star in the middle":      {permissions("a:*:b"), permission},
		"a star in a segment":       {permissions("pay*"), permission},
		"an empty permission":       {permissions(""), permission},
		"a permission with a space": {permissions("a b"), permission},
		"a permission of 65":        {permissions(strings.Repeat("a", 65)), []string{"spec.permissions[0]: Too long", "64"}},
		"a word for a list":         {policyOf("permissions", "read"), []string{"spec.permissions", "must be of type array"}},

		"tenants":                     {spec: tenants("acme", "Globex-2.eu_west", "*")},
		"128 tenants":                 {spec: tenants(numbered(128, 63)...)},
		"129 tenants":                 {tenants(numbered(129, 10)...), []string{"spec.tenants: Too many", "128"}},
		"an empty list of tenants":    {tenants([]string{}...), []string{"spec.tenants", "at least 1 items"}},
		"a tenant twice":              {tenants("acme", "acme"), []string{"spec.tenants[1]: Duplicate value"}},
		"an empty tenant":             {tenants(""), tenant},
		"a tenant with a star at end": {tenants("acme*"), tenant},
		"a tenant with a dot first":   {tenants(".acme"), tenant},
		"a tenant with a line break":  {tenants("acme\n"), tenant},
		"a tenant of 64":              {tenants(strings.Repeat("a", 64)), []string{"spec.tenants[0]: Too long", "63"}},

		"a tenant's label":                  {spec: fromLabel("example.com/tenant")},
		"a tenant's label without a domain": {spec: fromLabel("tenant")},
		"an empty tenant's label":           {fromLabel(""), label},
		"a tenant's label with a space":     {fromLabel("the tenant"), label},
		"a tenant's label of 64":            {fromLabel(strings.Repeat("n", 64)), label},
		"a tenant's label with long domain": {fromLabel(strings.Repeat("d", 254) + "/n"), label},
		"both tenants and a label": {
			`{"namespaceSelector":{},"tenants":["acme"],"tenantFromNamespaceLabel":"tenant"}`,
			[]string{"spec.tenantFromNamespaceLabel: Forbidden: may not be given with tenants: keep tenants for a list, or tenantFromNamespaceLabel for one tenant a namespace"},
		},
	})
}

func TestPolicyScopeRules(t *testing.T) {
	t.Parallel()
	scopes := func(name string, values ...string) string {
		return policyOf("scopes", map[string][]string{name: values})
	}
	badName := []string{"spec.scopes", "each name of a scope must be '*' or consist of at most 32 lower-case letters, digits, '_', '.' and '-' and begin with a letter or digit, such as category"}
	badValue := []string{"a scope's value must be '*' or consist of letters, digits and . _ : / @ - and begin with a letter or digit, such as general"}
	many := func(n int) string {
		of := map[string][]string{}
		for _, name := range numbered(n, 10) {
			of[name] = []string{"x"}
		}
		return policyOf("scopes", of)
	}
	checkPolicies(t, map[string]specCase{
		"a scope":                          {spec: scopes("category", "general", "a:/@-._")},
		"any value":                        {spec: scopes("category", "*")},
		"any name":                         {spec: scopes("*", "*")},
		"any name with some values":        {spec: scopes("*", "x")},
		"a name of 32":                     {spec: scopes(strings.Repeat("n", 32), "x")},
		"16 scopes":                        {spec: many(16)},
		"64 values":                        {spec: scopes("category", numbered(64, 63)...)},
		"17 scopes":                        {many(17), []string{"spec.scopes: Too many", "16"}},
		"65 values":                        {scopes("category", numbered(65, 10)...), []string{"spec.scopes.category: Too many", "64"}},
		"no values":                        {policyOf("scopes", map[string][]string{"category": {}}), []string{"spec.scopes.category", "at least 1 items"}},
		"a value twice":                    {scopes("category", "x", "x"), []string{"spec.scopes[category][1]: Duplicate value"}},
		"a name in capitals":               {scopes("Category", "x"), badName},
		"a name with a star":               {scopes("cat*", "x"), badName},
		"a name of 33":                     {scopes(strings.Repeat("n", 33), "x"), badName},
		"an empty name":                    {scopes("", "x"), badName},
		"a name without end":               {scopes(strings.Repeat("n", 100_000), "x"), badName},
		"a value with a star at the end":   {scopes("category", "gen*"), badValue},
		"an empty value":                   {scopes("category", ""), badValue},
		"a value with a space":             {scopes("category", "a b"), badValue},
		"a value of 64":                    {scopes("category", strings.Repeat("v", 64)), []string{"spec.scopes.category[0]: Too long", "63"}},
		"a word for a list of values":      {policyOf("scopes", map[string]string{"category": "x"}), []string{"spec.scopes.category", "must be of type array"}},
		"a list of words for all of them":  {policyOf("scopes", []string{"category"}), []string{"spec.scopes", "must be of type object"}},
		"a number for one of the values":   {policyOf("scopes", map[string][]int{"category": {1}}), []string{"spec.scopes.category[0]", "must be of type string"}},
		"an import that is a word":         {policyOf("allowImport", "yes"), []string{"spec.allowImport", "must be of type boolean"}},
		"imports":                          {spec: policyOf("allowImport", true)},
		"an enforcement of another kind":   {policyOf("enforcement", "Audit"), []string{"spec.enforcement", `supported values: "Deny", "Warn"`}},
		"an enforcement in lower case":     {policyOf("enforcement", "warn"), []string{"spec.enforcement", `supported values: "Deny", "Warn"`}},
		"an empty enforcement":             {policyOf("enforcement", ""), []string{"spec.enforcement", `"Deny"`}},
		"enforcement Warn":                 {spec: policyOf("enforcement", "Warn")},
		"a field that does not exist":      {policyOf("maxlifetime", "1h"), []string{`unknown field "spec.maxlifetime"`}},
		"a permission instead of a list":   {policyOf("permission", "read"), []string{`unknown field "spec.permission"`}},
		"a format with a field too many":   {policyOf("format", map[string]any{"bytes": 32}), []string{`unknown field "spec.format.bytes"`}},
		"a rotation with a field too many": {policyOf("requireRotation", map[string]any{"every": "1h"}), []string{`unknown field "spec.requireRotation.every"`}},
	})
}

func TestPolicyLimitRules(t *testing.T) {
	t.Parallel()
	rotation := func(member, value string) string {
		return policyOf("requireRotation", map[string]string{member: value})
	}
	format := func(member string, value any) string { return policyOf("format", map[string]any{member: value}) }
	rate := func(requests, period, burst any) string {
		limit := map[string]any{"requests": requests, "period": period}
		if burst != nil {
			limit["burst"] = burst
		}
		return policyOf("maxRateLimit", limit)
	}
	prefix := []string{"spec.format.prefix", "must consist of letters, digits, '_' and '-' and begin with a letter, such as sk_live_"}
	cases := map[string]specCase{
		"any rotation":                   {spec: policyOf("requireRotation", map[string]any{})},
		"a rotation that is true":        {policyOf("requireRotation", true), []string{"spec.requireRotation", "must be of type object"}},
		"a prefix":                       {spec: format("prefix", "sk_live_")},
		"a prefix of 24":                 {spec: format("prefix", strings.Repeat("p", 24))},
		"a prefix of 25":                 {format("prefix", strings.Repeat("p", 25)), []string{"spec.format.prefix: Too long", "24"}},
		"an empty prefix":                {format("prefix", ""), append(prefix, "at least 1 chars")},
		"a prefix that begins with _":    {format("prefix", "_sk"), prefix},
		"a prefix with a space":          {format("prefix", "sk "), prefix},
		"the fewest bytes":               {spec: format("minBytes", 24)},
		"the most bytes":                 {spec: format("minBytes", 64)},
		"too few bytes":                  {format("minBytes", 23), []string{"spec.format.minBytes", "greater than or equal to 24"}},
		"too many bytes":                 {format("minBytes", 65), []string{"spec.format.minBytes", "less than or equal to 64"}},
		"no bytes":                       {format("minBytes", 0), []string{"spec.format.minBytes", "greater than or equal to 24"}},
		"a rate limit":                   {spec: rate(1000, "1s", nil)},
		"a rate limit with a burst":      {spec: rate(1, "24h", 1_000_000)},
		"a rate limit without a period":  {policyOf("maxRateLimit", map[string]any{"requests": 1}), []string{"spec.maxRateLimit.period: Required value"}},
		"a rate limit without a number":  {policyOf("maxRateLimit", map[string]any{"period": "1s"}), []string{"spec.maxRateLimit.requests: Required value"}},
		"a rate limit of none":           {rate(0, "1s", nil), []string{"spec.maxRateLimit.requests", "greater than or equal to 1"}},
		"a rate limit with no burst":     {rate(1, "1s", 0), []string{"spec.maxRateLimit.burst", "greater than or equal to 1"}},
		"a rate limit in half a second":  {rate(1, "500ms", nil), []string{"spec.maxRateLimit.period", "must be whole hours, minutes and seconds in that order, from 1s to 24h, such as 1s"}},
		"a rate limit in more than day":  {rate(1, "24h1s", nil), []string{"spec.maxRateLimit.period", "from 1s to 24h"}},
		"a rate limit that is a number":  {policyOf("maxRateLimit", 100), []string{"spec.maxRateLimit", "must be of type object"}},
		"a lifetime of days":             {policyOf("maxLifetime", "30d"), []string{"spec.maxLifetime", "such as 8760h"}},
		"a lifetime that is a number":    {policyOf("maxLifetime", 3600), []string{"spec.maxLifetime", "must be of type string"}},
		"a lifetime with a line break":   {policyOf("maxLifetime", "1h\n"), []string{"spec.maxLifetime"}},
		"a lifetime of too many letters": {policyOf("maxLifetime", strings.Repeat("0", 31)+"1s"), []string{"spec.maxLifetime"}},
	}
	for _, bound := range []struct {
		field, least, less, most, more, example string
		spec                                    func(string) string
	}{
		{"spec.maxLifetime", "1m", "59s", "87600h", "87600h1s", "8760h", func(v string) string { return policyOf("maxLifetime", v) }},
		{"spec.requireRotation.maxEvery", "10m", "9m59s", "87600h", "87600h1s", "2160h", func(v string) string { return rotation("maxEvery", v) }},
		{"spec.requireRotation.maxGracePeriod", "0s", "", "8760h", "8760h1s", "72h", func(v string) string { return rotation("maxGracePeriod", v) }},
	} {
		words := fmt.Sprintf("must be whole hours, minutes and seconds in that order, from %s to %s, such as %s", bound.least, bound.most, bound.example)
		for _, value := range []string{bound.least, bound.most, bound.example, "1h30m10s"} {
			cases[bound.field+" of "+value] = specCase{spec: bound.spec(value)}
		}
		for _, value := range []string{bound.less, bound.more, "1.5h", "-1h", "1s1h", "1 h", "two weeks"} {
			cases[bound.field+" of "+value] = specCase{bound.spec(value), []string{bound.field, words}}
		}
	}
	checkPolicies(t, cases)
}

func TestDefaultsOfAPolicy(t *testing.T) {
	t.Parallel()
	r := createPolicy(policyBody("probe", `{"namespaceSelector":{}}`))
	r.query.Set("dryRun", "All")
	stored := admin(t).send(t, r)
	if got, want := asJSON(stored.Object["spec"]), `{"enforcement":"Deny","namespaceSelector":{}}`; got != want {
		t.Errorf("spec %s, want %s", got, want)
	}
}

func TestTheLargestPolicyIsNotRefusedForItsCost(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	name := strings.Repeat("d", 253) + "/" + strings.Repeat("n", 63)
	labels, scopes := object{}, object{}
	for _, n := range numbered(32, 63) {
		labels[strings.Repeat("d", 253)+"/"+n] = strings.Repeat("v", 63)
	}
	for _, n := range numbered(16, 32) {
		scopes[n] = numbered(64, 63)
	}
	spec := asJSON(object{
		"namespaceSelector": object{"matchLabels": labels, "matchExpressions": slicesOf(32, object{"key": name, "operator": "In", "values": numbered(64, 63)})},
		"permissions":       numbered(128, 64), "tenants": numbered(128, 63), "scopes": scopes, "maxLifetime": "87600h",
		"requireRotation": object{"maxEvery": "87600h", "maxGracePeriod": "8760h"}, "allowImport": true,
		"maxRateLimit": object{"requests": 1_000_000, "period": "24h", "burst": 1_000_000},
		"format":       object{"prefix": strings.Repeat("p", 24), "minBytes": 64}, "enforcement": "Warn",
	})
	r := createPolicy(policyBody("probe", spec))
	r.query.Set("dryRun", "All")
	admin(t).send(t, r)
}
