package integration

import (
	"strings"
	"testing"
)

// The identity headers that upstreams receive may take 2560 bytes: the namespace and the revision are
// counted at their longest (63 and 19 bytes), each permission and scope with its separator.
const (
	headersBudget = 2560
	headersFixed  = 63 + 19
)

func TestIdentityHeaderRule(t *testing.T) {
	t.Parallel()
	as, namespace := admin(t), freshNamespace(t)

	// filled is a spec whose headers take that many bytes when the ApiKey's name takes nameBytes.
	filled := func(bytes, nameBytes int) string {
		rest := bytes - headersFixed - nameBytes
		list := numbered(rest/65-1, 64) // each with its comma
		rest -= len(list) * 65
		tenant := strings.Repeat("t", 63)
		rest -= len(tenant)
		return asJSON(map[string]any{"permissions": append(list, strings.Repeat("p", rest-1)), "tenant": tenant})
	}
	largestScopes := map[string][]string{}
	for _, name := range numbered(8, 32) {
		largestScopes[name] = numbered(16, 63)
	}
	largest := asJSON(map[string]any{
		"tenant": strings.Repeat("t", 63), "permissions": numbered(64, 64), "scopes": largestScopes,
		"displayName": strings.Repeat("😀", 128), "owner": strings.Repeat("😀", 128), "description": strings.Repeat("😀", 1024),
	})
	long := strings.Repeat("n", 253)

	cases := map[string]struct {
		name      string
		spec      string
		wantBytes string // in the refusal; empty where the ApiKey must be accepted
	}{
		"exactly what fits is accepted":               {name: "exact", spec: filled(headersBudget, len("exact"))},
		"one byte more is refused with the number":    {name: "above", spec: filled(headersBudget+1, len("above")), wantBytes: "2561"},
		"the name counts, so a long one still fits":   {name: long, spec: filled(headersBudget, len(long))},
		"the name counts, so a long one can break it": {name: long[1:], spec: filled(headersBudget+1, len(long)-1), wantBytes: "2561"},
		"a scope counts with its name and separators": {
			name: "scopes", spec: `{"scopes":` + asJSON(largestScopes) + `}`, wantBytes: "8544", // 82 + 6 + 8 * (33 + 16 * 64)
		},
		"the largest of everything is refused with the number, not for its cost": {
			name: "largest", spec: largest, wantBytes: "12768", // 8544 + 1 for the longer name + 63 + 64 * 65
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.wantBytes == "" {
				as.send(t, create(namespace, apiKey(c.name, c.spec)))
				return
			}
			as.sendRefused(t, create(namespace, apiKey(c.name, c.spec)),
				"spec: Invalid value: the identity headers of this key could take "+c.wantBytes+" bytes, and 2560 fit",
				"shorten or drop permissions or scopes, or ask for a wildcard such as customers:*")
		})
	}
}

func TestIdentityHeaderRuleHoldsForUpdates(t *testing.T) {
	t.Parallel()
	as, namespace := admin(t), freshNamespace(t)
	as.send(t, create(namespace, apiKey("grown", permissions("read"))))
	as.sendRefused(t, patch(namespace, "grown", mergePatch, `{"spec":`+permissions(numbered(64, 64)...)+`}`),
		"the identity headers of this key could take 4247 bytes")
}
