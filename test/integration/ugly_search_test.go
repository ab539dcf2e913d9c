package integration

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// wholes set, between them, every field that the schemas of ApiKeys and, as the policy, of ApiKeyPolicies' specs have, each with a value that is accepted. The search below
// replaces each of their parts in turn; it fails where the schema has a field that is missing here. Each map has one
// member, someName.
var wholes = map[string][]string{
	"spec": {
		`{
		"displayName":"x","description":"x","owner":"x","tenant":"acme","permissions":["read"],"scopes":{"category":["general"]},
		"expiresAt":"2027-01-10T23:59:59Z","suspended":true,"revoked":true,"revision":2,"minRevision":2,
		"rotation":{"schedule":"@daily","timeZone":"UTC","gracePeriod":"1h"},
		"format":{"prefix":"sk_","bytes":32},"deletionProtection":true,"allowedCIDRs":["10.0.0.0/8"],"rateLimit":{"requests":1,"period":"1s","burst":1},
		"secret":{"name":"x","key":"x","labels":{"category":"x"},"annotations":{"category":"x"},"type":"Opaque","data":{"category":"$(KEY)"},"deleteAfter":"1h"}}`,
		`{"rotation":{"every":"2h"}}`,
		`{"source":{"hash":{"sha256":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","hint":"x"}}}`,
		`{"source":{"secretRef":{"name":"x","key":"x"}}}`,
	},
	"policy": {
		`{"namespaceSelector":{"matchLabels":{"category":"x"},"matchExpressions":[{"key":"x","operator":"In","values":["x"]}]},
		"permissions":["read"],"tenants":["acme"],"scopes":{"category":["general"]},"maxLifetime":"1h","allowImport":true,
		"requireRotation":{"maxEvery":"1h","maxGracePeriod":"1h"},"maxRateLimit":{"requests":1,"period":"1s","burst":1},
		"format":{"prefix":"sk_","minBytes":32},"enforcement":"Warn"}`,
		`{"namespaceSelector":{},"tenantFromNamespaceLabel":"x"}`,
	},
	"status": {`{
		"observedGeneration":1,"state":"Active","hint":"x",
		"grant":{"tenant":"acme","permissions":["read"],"scopes":{"category":["general"]},"expiresAt":"2027-01-10T23:59:59Z",
			"allowedCIDRs":["10.0.0.0/8"],"rateLimit":{"requests":1,"period":"1s","burst":1},"policy":"x"},
		"credentials":[{"revision":1,"state":"Current","hash":"v1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","hint":"x","cause":"Issued",
			"issuedAt":"2026-11-01T00:00:00Z","publishedAt":"2026-11-01T00:00:00Z","retiredAt":"2026-11-01T00:00:00Z","notAfter":"2026-12-01T00:00:00Z"}],
		"secretRef":{"name":"x","uid":"x","resourceVersion":"1","minLength":1},
		"lastRotationTime":"2026-11-01T00:00:00Z","nextRotationTime":"2026-12-01T00:00:00Z",
		"conditions":[{"type":"Ready","status":"True","reason":"Active","message":"x","observedGeneration":1,"lastTransitionTime":"2026-11-01T00:00:00Z"}]}`,
	},
}

// someName is the member of every map in the wholes.
const someName = "category"

// candidates are put in every place: each type, numbers at the edges of what the formats hold, times and
// durations in all the forms that some parser takes, texts that are hard to handle.
func candidates() []string {
	list := []string{
		`null`, `true`, `false`, `{}`, `{"":null}`, `{"a":"b"}`, `{"a":["b"]}`,
		`[]`, `[null]`, `[[]]`, `[{}]`, `[""]`, `["a"]`, `[1]`, `["a","a"]`, `["2027-01-10T23:59:59Z"]`,
		`0`, `-0`, `-0.0`, `1`, `-1`, `32`, `32.0`, `3.2e1`, `1e2`, `0.5`, `1e-400`, `1e15`, `1e18`, `1e19`, `1e300`,
		`2147483647`, `2147483648`, `-2147483649`, `4294967328`, `9007199254740993`,
		`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`, `18446744073709551616`,
		`"` + uglyText + `"`, `"` + controlText + `"`, `"` + strings.Repeat("a", 70_000) + `"`, `"` + emoji(63) + `"`,
	}
	for _, text := range []string{
		"", " ", "a", "A", "1", "1e2", "true", "null", "*", "-", ".", "..", "Active", "Current", "Ready",
		"2027-01-10T23:59:59Z", "2027-01-10t23:59:59z", "2027-01-10T23:59:59.999999999+23:59", "2027-01-10T23:59:59,5Z",
		"2027-01-10T23:59:59x5Z", "2027-01-10T23:59:59+24:00", "2027-01-10T23:59:59+99:99", "2027-01-10T23:59:60Z", "2027-01-10T24:00:00Z",
		"2027-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1677-09-21T00:12:43Z", "1999-12-31T23:59:59Z",
		"2000-01-01T00:00:00Z", "2199-12-31T23:59:59Z", "2262-04-11T23:47:17Z", "9999-12-31T23:59:59-23:59", "10000-01-01T00:00:00Z",
		"2027-01-10", "2027-01-10T23:59:59", "2 weeks", "P2W", "1h", "1799625599",
		"0", "0s", "-1h", "-0s", "+1h", "1h30m", "30m1h", "1h1h", "1m30", "1.5h", ".5h", "1h.", "1e3h", "h", "hms", "1d", "1H", " 1h", "1h\n", "1h 30m", "\u0661h",
		"1ns", "1us", "1\u00b5s", "1ms", "3600000000000ns", "2160h", "2160h0m0s", "99999h9999999m999999999s", "999999999h", "2562047h", "2562048h", "9223372036s", "9223372037s",
		"153722867280m", "18446744073709551616s", "18446744073709552h", "00000000000000000000000000001h", "000000000000000000000000000000000000000001s",
	} {
		list = append(list, asJSON(text))
	}
	return list
}

// place is where a value stands: fields by name, the first element of a list by 0.
type place []any

func (p place) String() string {
	var b strings.Builder
	for _, step := range p {
		fmt.Fprintf(&b, ".%v", step)
	}
	return b.String()
}

// child is the place one step further, in memory of its own.
func (p place) child(step any) place { return append(append(place{}, p...), step) }

// One object that does not decode stops every typed cache, whoever runs it, and a policy that cannot be read refuses
// everywhere, so there must be none. This
// searches for one: each candidate in each place of the schema.
func TestEveryAcceptedValueDecodes(t *testing.T) {
	t.Parallel()
	for part, texts := range wholes {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			send := dryRunner(t, part)
			for _, text := range texts {
				if _, err := send(text); err != nil {
					t.Fatalf("what the candidates are put into is itself refused: %v", err)
				}
			}
			for _, p := range schemaPlaces(t, part) {
				search(t, wholeWith(t, texts, p), p, send, decoder(part))
			}
		})
	}
}

// wholeWith is the first of the texts that has such a place.
func wholeWith(t *testing.T, texts []string, at place) any {
	t.Helper()
	for _, text := range texts {
		var whole any
		if err := json.Unmarshal([]byte(text), &whole); err != nil {
			t.Fatal(err)
		}
		if _, ok := replaced(whole, at, nil); ok {
			return whole
		}
	}
	t.Fatalf("the schema has %s, which none of the wholes has: add it there", at)
	return nil
}

// search sends whole with each candidate at that place, and fails the test for each that is accepted and
// does not decode.
func search(t *testing.T, whole any, at place, send func(value string) ([]byte, error), decode func([]byte) error) {
	t.Helper()
	for _, candidate := range candidates() {
		value, _ := replaced(whole, at, json.RawMessage(candidate))
		body, err := send(asJSON(value))
		if err != nil {
			continue
		}
		if err := decode(body); err != nil {
			t.Errorf("%.100s is accepted as %s, but %v", candidate, at, err)
		}
	}
}

// dryRunner sends a spec or status as who may write it, and lets the API server do everything but store it.
func dryRunner(t *testing.T, part string) func(value string) ([]byte, error) {
	t.Helper()
	admin, manager, namespace := admin(t), manager(t), freshNamespace(t)
	stored := admin.send(t, create(namespace, apiKey("searched", `{}`)))
	return func(value string) ([]byte, error) {
		as, r := admin, create(namespace, apiKey("candidate", value))
		switch part {
		case "status":
			as, r = manager, updateStatus(namespace, "searched", withStatus(t, stored, value))
		case "policy":
			r = createPolicy(policyBody("candidate", value))
		}
		r.query = url.Values{"dryRun": {"All"}, "fieldValidation": {"Ignore"}}
		return as.do(t.Context(), r)
	}
}

// decoder is what must be able to read an accepted object.
func decoder(part string) func([]byte) error {
	if part == "policy" {
		return policyDecodes
	}
	return decodes
}

// schemaPlaces are all places in the spec or status that the installed definition's schema speaks of.
func schemaPlaces(t *testing.T, part string) []place {
	t.Helper()
	of := "apikeys"
	if part == "policy" {
		of, part = "apikeypolicies", "spec"
	}
	definition := kubectl(t, "", "get", "crd", of+".apikey-operator.dev", "-o",
		"jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties."+part+"}")
	var found schema
	if err := json.Unmarshal([]byte(definition), &found); err != nil {
		t.Fatal(err)
	}
	return found.places(place{})
}

// schema is the part of a structural schema that says where values can stand.
type schema struct {
	Properties           map[string]schema `json:"properties"`
	Items                *schema           `json:"items"`
	AdditionalProperties *schema           `json:"additionalProperties"`
}

// places are p, where the schema applies, and all places below it.
func (s schema) places(p place) []place {
	all := []place{p}
	for name, property := range s.Properties {
		all = append(all, property.places(p.child(name))...)
	}
	if s.Items != nil {
		all = append(all, s.Items.places(p.child(0))...)
	}
	if s.AdditionalProperties != nil {
		all = append(all, s.AdditionalProperties.places(p.child(someName))...)
	}
	return all
}

// replaced is a copy of value with something else at that place; not ok where value has no such place.
func replaced(value any, at place, with any) (any, bool) {
	if len(at) == 0 {
		return with, true
	}
	switch step := at[0].(type) {
	case string:
		object, _ := value.(map[string]any)
		old, found := object[step]
		inner, ok := replaced(old, at[1:], with)
		if !found || !ok {
			return nil, false
		}
		copied := map[string]any{}
		for name, member := range object {
			copied[name] = member
		}
		copied[step] = inner
		return copied, true
	default:
		list, _ := value.([]any)
		if len(list) == 0 {
			return nil, false
		}
		inner, ok := replaced(list[0], at[1:], with)
		return []any{inner}, ok
	}
}
