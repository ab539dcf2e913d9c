package integration

import (
	"fmt"
	"testing"
)

func TestAllowedCIDRRules(t *testing.T) {
	t.Parallel()
	refused := []string{"spec.allowedCIDRs[0]", "must be a network whose address ends where its prefix does, such as 203.0.113.0/24 or 2001:db8::/32"}
	of := func(networks ...string) string { return asJSON(map[string]any{"allowedCIDRs": networks}) }
	networks := func(n int) []string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("10.%d.0.0/16", i))
		}
		return list
	}
	cases := map[string]specCase{
		"none":                 {spec: of()},
		"null":                 {spec: `{"allowedCIDRs":null}`},
		"several of each kind": {spec: of("203.0.113.0/24", "10.0.0.0/8", "0.0.0.0/0", "198.51.100.7/32", "2001:db8::/32", "::/0", "::1/128")},
		"32 of them":           {spec: of(networks(32)...)},
		"33 of them":           {of(networks(33)...), []string{"spec.allowedCIDRs: Too many", "32"}},
		"one twice":            {of("10.0.0.0/8", "10.0.0.0/8"), []string{"spec.allowedCIDRs[1]: Duplicate value"}},
		"a word for a list":    {`{"allowedCIDRs":"10.0.0.0/8"}`, []string{"spec.allowedCIDRs", "must be of type array"}},
		"the longest address":  {spec: of("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff/128")},
	}
	for i, network := range []string{
		"", "203.0.113.7", "203.0.113.7/24", "203.0.113.0/33", "203.0.113.0/-1", "203.0.113.0/24 ", " 203.0.113.0/24", "203.0.113.0/24\n", "203.0.113/24", "203.000.113.0/24",
		"2001:db8::1/32", "2001:db8::/129", "fe80::%eth0/64", "::ffff:203.0.113.0/120", "example.com/24", "10.0.0.0-10.0.0.9", "*", "10.0.0.0/8,11.0.0.0/8", "10.0.0.0/08",
	} {
		cases[fmt.Sprintf("refused %d: %q", i, network)] = specCase{of(network), refused}
	}
	checkSpecs(t, cases)
}

func TestRateLimitRules(t *testing.T) {
	t.Parallel()
	period := []string{"spec.rateLimit.period", "must be whole hours, minutes and seconds in that order, from 1s to 24h, such as 1s"}
	of := func(members string) string { return `{"rateLimit":{` + members + `}}` }
	cases := map[string]specCase{
		"null counts as none":         {spec: `{"rateLimit":null}`},
		"requests in a period":        {spec: of(`"requests":100,"period":"1s"`)},
		"with a burst":                {spec: of(`"requests":100,"period":"1s","burst":200`)},
		"with a burst below requests": {spec: of(`"requests":100,"period":"1s","burst":1`)},
		"the least of all":            {spec: of(`"requests":1,"period":"24h","burst":1`)},
		"the most of all":             {spec: of(`"requests":1000000,"period":"1s","burst":1000000`)},
		"a period of several units":   {spec: of(`"requests":1,"period":"1h30m10s"`)},
		"nothing":                     {of(``), []string{"spec.rateLimit.requests: Required value", "spec.rateLimit.period: Required value"}},
		"no period":                   {of(`"requests":1`), []string{"spec.rateLimit.period: Required value"}},
		"no requests":                 {of(`"period":"1s"`), []string{"spec.rateLimit.requests: Required value"}},
		"zero requests":               {of(`"requests":0,"period":"1s"`), []string{"spec.rateLimit.requests", "greater than or equal to 1"}},
		"too many requests":           {of(`"requests":1000001,"period":"1s"`), []string{"spec.rateLimit.requests", "less than or equal to 1000000"}},
		"half a request":              {of(`"requests":0.5,"period":"1s"`), []string{"spec.rateLimit.requests", "must be of type int64"}},
		"requests in words":           {of(`"requests":"many","period":"1s"`), []string{"spec.rateLimit.requests", "must be of type integer"}},
		"a burst of none":             {of(`"requests":1,"period":"1s","burst":0`), []string{"spec.rateLimit.burst", "greater than or equal to 1"}},
		"a negative burst":            {of(`"requests":1,"period":"1s","burst":-1`), []string{"spec.rateLimit.burst", "greater than or equal to 1"}},
		"a burst that is too large":   {of(`"requests":1,"period":"1s","burst":1000001`), []string{"spec.rateLimit.burst", "less than or equal to 1000000"}},
		"a number for a period":       {of(`"requests":1,"period":1`), []string{"spec.rateLimit.period", "must be of type string"}},
		"a rate in one word":          {`{"rateLimit":"100/s"}`, []string{"spec.rateLimit", "must be of type object"}},
		"a field too many":            {of(`"requests":1,"period":"1s","limit":1`), []string{`unknown field "spec.rateLimit.limit"`}},
	}
	for _, value := range []string{"", "0s", "500ms", "1.5s", "24h1s", "-1s", "1s1m", "1", "second", "1d"} {
		cases["a period of "+value] = specCase{of(fmt.Sprintf(`"requests":1,"period":%q`, value)), period}
	}
	checkSpecs(t, cases)
}

func TestDeletionProtectionRules(t *testing.T) {
	t.Parallel()
	refused := []string{"spec.deletionProtection", "must be of type boolean"}
	cases := map[string]specCase{}
	for _, value := range []string{"false", "null"} {
		cases[value] = specCase{spec: `{"deletionProtection":` + value + `}`}
	}
	for _, value := range []string{`"true"`, `1`, `{}`, `[]`} {
		cases[value] = specCase{`{"deletionProtection":` + value + `}`, refused}
	}
	checkSpecs(t, cases)
	checkTransitions(t, map[string]transitionCase{
		"it may be set and unset":              {before: `{"deletionProtection":true}`, after: `{"deletionProtection":false}`},
		"it may be left out":                   {before: `{"deletionProtection":true}`, after: `{}`},
		"limits may be changed":                {before: `{"rateLimit":{"requests":1,"period":"1s"},"allowedCIDRs":["10.0.0.0/8"]}`, after: `{"rateLimit":{"requests":2,"period":"1s"}}`},
		"limits may be given to an import too": {before: `{"source":{"secretRef":{"name":"a"}}}`, after: `{"source":{"secretRef":{"name":"a"}},"rateLimit":{"requests":2,"period":"1s"},"allowedCIDRs":["10.0.0.0/8"]}`},
	})
}
