package integration

import (
	"fmt"
	"strings"
	"testing"
)

func permissions(list ...string) string { return asJSON(map[string]any{"permissions": list}) }

func TestPermissionRules(t *testing.T) {
	t.Parallel()
	refused := []string{"spec.permissions[0]", "a permission must consist of segments of letters, digits, '_' and '-' joined by ':' or '.', with '*' only alone or as the last segment, such as customers:view or customers:*"}
	cases := map[string]specCase{
		"no permissions":                   {spec: `{"permissions":[]}`},
		"64 permissions":                   {spec: permissions(numbered(64, 4)...)},
		"65 permissions":                   {permissions(numbered(65, 4)...), []string{"spec.permissions: Too many", "64"}},
		"a permission of 64 characters":    {spec: permissions(strings.Repeat("a", 64))},
		"a permission of 65 characters":    {permissions(strings.Repeat("a", 65)), []string{"spec.permissions[0]: Too long", "64"}},
		"the same permission twice":        {permissions("read", "read"), []string{`spec.permissions[1]: Duplicate value: "read"`}},
		"the same letters in another case": {spec: permissions("read", "Read")},
		"a null in the list":               {`{"permissions":[null]}`, []string{"spec.permissions[0]", "must be of type string"}},
		"a number in the list":             {`{"permissions":[1]}`, []string{"spec.permissions[0]", "must be of type string"}},
		"a list in the list":               {`{"permissions":[["read"]]}`, []string{"spec.permissions[0]", "must be of type string"}},
		"a string instead of a list":       {`{"permissions":"read"}`, []string{"spec.permissions", "must be of type array"}},
		"a bad one after a good one":       {permissions("read", "a*"), []string{"spec.permissions[1]"}},
	}
	for _, valid := range []string{
		"read", "*", "customers:*", "customers.*", "customers:view", "a:b.c:d", "a:b.c:*", "A-b_9", "-", "_", "0",
		strings.Repeat("a:", 31) + "aa",
	} {
		cases["accepted: "+valid] = specCase{spec: permissions(valid)}
	}
	for _, invalid := range []string{
		"", ":", ".", "a:", ":a", "a::b", "a.:b", "a:.", "**", "*:*", "*:a", "*a", "a*", "a:*b", "a:*:b", "a:*:*", "*.",
		"a b", " a", "a ", "a,b", "a;b", "a/b", "a|b", "a=b", "a\n", "a\r\nX-Apikey-Tenant: b", "a\x00", "ä", "а" /* Cyrillic */, "a\uff0ab", "\u2217",
	} {
		cases[fmt.Sprintf("refused: %q", invalid)] = specCase{permissions(invalid), refused}
	}
	checkSpecs(t, cases)
}

func TestScopeRules(t *testing.T) {
	t.Parallel()
	names := []string{"spec.scopes", "each name of a scope must consist of at most 32 lower-case letters, digits, '_', '.' and '-' and begin with a letter or digit, such as category"}
	values := []string{"spec.scopes[category][0]", "a scope's value must consist of letters, digits and . _ : / @ - and begin with a letter or digit, such as general"}
	scopes := func(dimensions map[string][]string) string { return asJSON(map[string]any{"scopes": dimensions}) }
	dimensions := func(n int) map[string][]string {
		all := map[string][]string{}
		for _, name := range numbered(n, 4) {
			all[name] = []string{"x"}
		}
		return all
	}
	cases := map[string]specCase{
		"no scopes":                         {spec: `{"scopes":{}}`},
		"8 scopes":                          {spec: scopes(dimensions(8))},
		"9 scopes":                          {scopes(dimensions(9)), []string{"spec.scopes: Too many", "8"}},
		"16 values":                         {spec: scopes(map[string][]string{"category": numbered(16, 4)})},
		"17 values":                         {scopes(map[string][]string{"category": numbered(17, 4)}), []string{"spec.scopes.category: Too many", "16"}},
		"no values":                         {`{"scopes":{"category":[]}}`, []string{"spec.scopes.category", "at least 1 items"}},
		"the same value twice":              {`{"scopes":{"category":["x","x"]}}`, []string{"spec.scopes[category][1]: Duplicate value"}},
		"a value of 63 characters":          {spec: scopes(map[string][]string{"category": {strings.Repeat("a", 63)}})},
		"a value of 64 characters":          {scopes(map[string][]string{"category": {strings.Repeat("a", 64)}}), []string{"spec.scopes.category[0]: Too long", "63"}},
		"a name of 32 characters":           {spec: scopes(map[string][]string{strings.Repeat("a", 32): {"x"}})},
		"a name of 33 characters":           {scopes(map[string][]string{strings.Repeat("a", 33): {"x"}}), names},
		"a null counts as a scope left out": {spec: `{"scopes":{"category":null}}`},
		"a null among the values":           {`{"scopes":{"category":[null]}}`, []string{"spec.scopes.category[0]", "must be of type string"}},
		"a string instead of values":        {`{"scopes":{"category":"general"}}`, []string{"spec.scopes.category", "must be of type array"}},
		"a list instead of scopes":          {`{"scopes":["category"]}`, []string{"spec.scopes", "must be of type object"}},
		"a bad name beside a good one":      {scopes(map[string][]string{"category": {"x"}, "Region": {"x"}}), names},
	}
	for _, name := range []string{"category", "9", "a_.-", "example.com"} {
		cases["name accepted: "+name] = specCase{spec: scopes(map[string][]string{name: {"x"}})}
	}
	for _, name := range []string{"", "Category", "_a", ".a", "-a", "a b", "a=b", "a;b", "a|b", "a,b", "a\n", "ä", "__proto__"} {
		cases[fmt.Sprintf("name refused: %q", name)] = specCase{scopes(map[string][]string{name: {"x"}}), names}
	}
	for _, value := range []string{"general", "A", "0", "a._:/@-", "https://phoenix.example/a"} {
		cases["value accepted: "+value] = specCase{spec: scopes(map[string][]string{"category": {value}})}
	}
	for _, value := range []string{"", "-a", "_a", "@a", "a b", "a|b", "a;b", "a=b", "a,b", "a\n", "a\x00", "ä", "*"} {
		cases[fmt.Sprintf("value refused: %q", value)] = specCase{scopes(map[string][]string{"category": {value}}), values}
	}
	checkSpecs(t, cases)
}
