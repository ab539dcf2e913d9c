package e2e

import (
	"maps"
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// lines are the header lines of some headers with one value.
func lines(value string, names ...string) []string {
	var all []string
	for _, name := range names {
		all = append(all, name+": "+value)
	}
	return all
}

// spelled is each name in a spelling.
func spelled(names []string, spell func(string) string) []string {
	var all []string
	for _, name := range names {
		all = append(all, spell(name))
	}
	return all
}

func withUnderscores(name string) string { return strings.ReplaceAll(name, "-", "_") }

// forgeryCases have headers that claim to be ours or a proxy's.
func forgeryCases() map[string]proxyCase {
	const key, namedAfterProxies = "X-API-Key: {reader}", "Connection: X-Forwarded-Method, X-Forwarded-Uri, X-Original-Method, X-Original-URL, X-Real-IP, X-Forwarded-For"
	ours := stack.IdentityHeaders
	refusesConnection := byItself(400).in("Envoy refuses to drop X-Forwarded-For on a client's word", envoys...)
	cases := map[string]proxyCase{
		"an identity named in Connection":      {request: get("/any/", slices.Concat([]string{key, "Connection: " + strings.Join(ours, ", ")}, lines("forged", ours...))...), want: passes("reader")},
		"a method named in Connection":         {request: send("DELETE /rules/ HTTP/1.1", "", key, namedAfterProxies), want: refused(403, "permission_denied"), but: []deviation{refusesConnection}},
		"an address named in Connection":       {request: get("/any/", "X-API-Key: {elsewhere}", namedAfterProxies, "X-Forwarded-For: 203.0.113.1", "X-Real-IP: 203.0.113.1"), want: refused(403, "address_not_allowed"), but: []deviation{refusesConnection}},
		"a reason":                             {request: get("/read/", "X-API-Key: {bare}", "X-Apikey-Reason: none"), want: refused(403, "permission_denied")},
		"a status for Envoy":                   {request: get("/read/", "X-API-Key: {bare}", "X-Ext-Authz-Check-Result: allowed", "X-Envoy-Auth-Partial-Body: true", "X-Envoy-Internal: true"), want: refused(403, "permission_denied")},
		"headers to be removed, told to Envoy": {request: get("/any/", key, "X-Envoy-Auth-Headers-To-Remove: x-apikey-tenant"), want: passes("reader")},
	}
	for disguise, forged := range map[string][]string{
		"as they are":         lines("forged", ours...),
		"in lower case":       lines("forged", spelled(ours, strings.ToLower)...),
		"in upper case":       lines("forged", spelled(ours, strings.ToUpper)...),
		"repeated":            lines("forged", slices.Concat(ours, ours, spelled(ours, strings.ToLower))...),
		"empty":               lines("", ours...),
		"in one line":         lines("forged, forged", ours...),
		"in front of the key": append(lines("forged", ours...), "X-Filler: x"),
	} {
		cases["our headers "+disguise] = proxyCase{request: get("/any/", append(forged, key)...), want: passes("reader")}
		cases["our headers "+disguise+", of a key without any"] = proxyCase{request: get("/any/", append(forged, "X-API-Key: {bare}")...), want: passes("bare")}
		cases["our headers "+disguise+", refused"] = proxyCase{request: get("/acme/", append(forged, "X-API-Key: {bare}")...), want: refused(403, "tenant_mismatch")}
	}
	for disguise, forged := range map[string][]string{
		"with underscores":                lines("forged", spelled(ours, withUnderscores)...),
		"with one underscore":             lines("forged", spelled(ours, func(name string) string { return strings.Replace(name, "-", "_", 1) })...),
		"with the other underscore":       lines("forged", spelled(ours, func(name string) string { return name[:8] + "_" + name[9:] })...),
		"in lower case, with underscores": lines("forged", spelled(ours, func(name string) string { return strings.ToLower(withUnderscores(name)) })...),
	} {
		cases["our headers "+disguise] = proxyCase{request: get("/any/", append(forged, key)...), want: passes("reader"), but: []deviation{rejectsUnderscores}}
	}
	maps.Copy(cases, proxyForgeryCases())
	return cases
}

// proxyForgeryCases have headers that proxies tell verifiers and upstreams by.
func proxyForgeryCases() map[string]proxyCase {
	methods := []string{"X-Original-Method", "X-Forwarded-Method", "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"}
	paths := []string{"X-Original-URI", "X-Forwarded-Uri", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Envoy-Original-Path", "X-Auth-Request-Redirect"}
	claims := slices.Concat(lines("GET", methods...), lines("/any/?permission=read", paths...),
		[]string{"X-Original-URL: http://api.example/any/", "X-Forwarded-Host: other.example", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443", "X-Forwarded-Server: forged",
			"X-Original-Host: other.example", "Forwarded: for=203.0.113.1;host=other.example;proto=https", "X-Real-IP: 203.0.113.1", "X-Forwarded-For: 203.0.113.1",
			"X-Envoy-External-Address: 203.0.113.1", "X-Sent-From: nginx-ingress-controller"})
	query := lines("/any/?api_key={reader}", paths...)
	cases := map[string]proxyCase{
		"a method and a path, of what is allowed": {request: get("/rules/", append(lines("DELETE", methods...), "X-API-Key: {reader}")...), want: passes("reader")},
		"a path with a key in its query":          {request: get("/any/", append(query, "X-Original-URL: http://api.example/?api_key={reader}")...), want: refused(401, "missing_credential")},
	}
	underscored := spelled(claims, func(line string) string {
		name, value, _ := strings.Cut(line, ": ")
		return withUnderscores(name) + ": " + value
	})
	for disguise, forged := range map[string][]string{
		"":                           claims,
		", repeated":                 slices.Concat(claims, claims),
		", in lower case":            spelled(claims, strings.ToLower),
		", behind a second spelling": slices.Concat(spelled(claims, strings.ToLower), claims),
	} {
		forge := func(request, key string) string {
			return strings.Replace(request, "\r\n", "\r\n"+strings.Join(append(forged, "X-API-Key: "+key), "\r\n")+"\r\n", 1)
		}
		cases["another method"+disguise] = proxyCase{request: forge(send("DELETE /rules/ HTTP/1.1", ""), "{reader}"), want: refused(403, "permission_denied")}
		cases["another path"+disguise] = proxyCase{request: forge(get("/admin/"), "{reader}"), want: refused(403, "permission_denied")}
		cases["nothing that matters"+disguise] = proxyCase{request: forge(get("/rules/"), "{reader}"), want: passes("reader")}
		cases["another address"+disguise] = proxyCase{request: forge(get("/any/"), "{elsewhere}"), want: refused(403, "address_not_allowed")}
		cases["another address of one that may"+disguise] = proxyCase{request: forge(get("/any/"), "{here}"), want: passes("here")}
	}
	cases["another method, with underscores"] = proxyCase{
		request: send("DELETE /rules/ HTTP/1.1", "", append(underscored, "X-API-Key: {reader}")...), want: refused(403, "permission_denied"), but: []deviation{rejectsUnderscores},
	}
	cases["another address, with underscores"] = proxyCase{
		request: get("/any/", append(underscored, "X-API-Key: {elsewhere}")...), want: refused(403, "address_not_allowed"), but: []deviation{rejectsUnderscores},
	}
	return cases
}
