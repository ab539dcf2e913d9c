package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// addressCases have keys that may be used from some networks only, with more ways to lie about where one is.
func addressCases() map[string]proxyCase {
	cases := map[string]proxyCase{"a key for here": {request: get("/any/", "X-API-Key: {here}"), want: passes("here")}}
	for name, value := range map[string]string{
		"several hops":       "203.0.113.1, 203.0.113.2",
		"with a port":        "203.0.113.1:80",
		"IPv6":               "2001:db8::1",
		"in brackets":        "[2001:db8::1]:80",
		"mapped":             "::ffff:203.0.113.1",
		"a word":             "unknown",
		"empty hops":         ", ,203.0.113.1,,",
		"quoted":             `"203.0.113.1"`,
		"many hops":          strings.Repeat("203.0.113.1, ", 100) + "203.0.113.1",
		"a comma at the end": "203.0.113.1,",
		"loopback":           "127.0.0.1",
	} {
		forged := lines(value, "X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Cluster-Client-IP", "X-Original-Forwarded-For")
		cases["an address, "+name] = proxyCase{request: get("/any/", append(forged, "X-API-Key: {elsewhere}")...), want: refused(403, "address_not_allowed")}
		cases["an address, "+name+", of one that may"] = proxyCase{request: get("/any/", append(forged, "X-API-Key: {here}")...), want: passes("here")}
	}
	return cases
}

// testTrusted has a verifier that trusts what stands on this machine: the proxies, and their clients as the last proxies
// before them. Then the client is the last hop that Envoy was told of; the other proxies tell of nobody but their own client,
// of whom a trusted proxy says nothing.
func (p *proxies) testTrusted(t *testing.T, keys *proxiedKeys) {
	refusal := refused(http.StatusForbidden, "address_not_allowed")
	appends := "it appends to X-Forwarded-For"
	for name, c := range map[string]proxyCase{
		"the last hop before": {
			request: get("/any/", "X-API-Key: {elsewhere}", "X-Forwarded-For: 203.0.113.5"), want: refusal,
			but: []deviation{passes("elsewhere").in(appends, envoys...)},
		},
		"the last hop before, of several": {
			request: get("/any/", "X-API-Key: {elsewhere}", "X-Forwarded-For: 198.51.100.7, 203.0.113.5"), want: refusal,
			but: []deviation{passes("elsewhere").in(appends, envoys...)},
		},
		"the last hop before, in lines of their own": {
			request: get("/any/", "X-API-Key: {elsewhere}", "X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: 203.0.113.5"), want: refusal,
			but: []deviation{passes("elsewhere").in(appends, envoys...)},
		},
		"what stands left of it":   {request: get("/any/", "X-API-Key: {elsewhere}", "X-Forwarded-For: 203.0.113.5, 198.51.100.7"), want: refusal},
		"a hop that is no address": {request: get("/any/", "X-API-Key: {elsewhere}", "X-Forwarded-For: 203.0.113.5, unknown"), want: refusal},
		"nothing but trusted hops": {request: get("/any/", "X-API-Key: {here}"), want: refusal, but: []deviation{
			passes("here").in("X-Real-IP is the client's, whoever is trusted", nginxes...)}},
		"where the address does not matter": {request: get("/any/", "X-API-Key: {bare}", "X-Forwarded-For: 203.0.113.5"), want: passes("bare")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range p.fronts {
				keys.run(t, f, c)
			}
		})
	}
}
