package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// messageCases have requests of all shapes that HTTP allows, and some that it does not.
func messageCases() map[string]proxyCase {
	const key = "X-API-Key: {reader}"
	chunked := func(lines ...string) string {
		return strings.TrimSuffix(send("POST /read/ HTTP/1.1", "", append(lines, key, "Transfer-Encoding: chunked")...), "") + "5\r\nhello\r\n0\r\n\r\n"
	}
	long := strings.Repeat("x", 7900)
	padding := lines(strings.Repeat("y", 2000), "X-Padding-1", "X-Padding-2", "X-Padding-3", "X-Padding-4", "X-Padding-5")
	unknownMethod := byItself(400).in("Envoy knows its methods", envoys...)
	return map[string]proxyCase{
		"HEAD":              {request: send("HEAD /read/ HTTP/1.1", "", key), want: passes("reader"), upstream: methodIs("HEAD")},
		"OPTIONS":           {request: send("OPTIONS /read/ HTTP/1.1", "", key), want: passes("reader"), upstream: methodIs("OPTIONS")},
		"a preflight":       {request: send("OPTIONS /read/ HTTP/1.1", "", "Origin: https://a.example", "Access-Control-Request-Method: DELETE"), want: refused(401, "missing_credential")},
		"POST with a body":  {request: send("POST /read/ HTTP/1.1", "hello", key), want: passes("reader"), upstream: bodyArrives("hello")},
		"POST without":      {request: send("POST /read/ HTTP/1.1", "", key, "Content-Length: 0"), want: passes("reader")},
		"PUT with 100 kB":   {request: send("PUT /read/ HTTP/1.1", strings.Repeat("b", 100_000), key), want: passes("reader"), upstream: bodyArrives(strings.Repeat("b", 100_000))},
		"GET with a body":   {request: send("GET /read/ HTTP/1.1", "hello", key), want: passes("reader"), upstream: bodyArrives("hello")},
		"DELETE":            {request: send("DELETE /read/ HTTP/1.1", "", key), want: passes("reader"), upstream: methodIs("DELETE")},
		"chunks":            {request: chunked(), want: passes("reader"), upstream: bodyArrives("hello")},
		"chunks, refused":   {request: strings.Replace(chunked(), "{reader}", "{unknown}", 1), want: refused(401, "unknown_key")},
		"a body, refused":   {request: send("POST /read/ HTTP/1.1", strings.Repeat("b", 10_000), "X-API-Key: {unknown}"), want: refused(401, "unknown_key")},
		"Expect":            {request: send("POST /read/ HTTP/1.1", "hello", key, "Expect: 100-continue"), want: passes("reader"), upstream: bodyArrives("hello")},
		"an unknown method": {request: send("FROBNICATE /read/ HTTP/1.1", "", key), want: passes("reader"), upstream: methodIs("FROBNICATE"), but: []deviation{unknownMethod}},
		"a method in lower case": {request: send("get /rules/ HTTP/1.1", "", key), want: refused(403, "permission_denied"), but: []deviation{unknownMethod,
			byItself(400).in("nginx knows that none is", nginxes...)}},
		"HTTP/1.0":                {request: "GET /read/ HTTP/1.0\r\nHost: api.example\r\n" + key + "\r\n\r\n", want: passes("reader")},
		"HTTP/1.0 without a host": {request: "GET /read/ HTTP/1.0\r\n" + key + "\r\n\r\n", want: passes("reader"), but: []deviation{byItself(400).in("it sends on an empty Host, which the upstream refuses", nginxes...)}},
		"HTTP/1.0, refused":       {request: "DELETE /rules/ HTTP/1.0\r\n" + key + "\r\n\r\n", want: refused(403, "permission_denied")},
		"HTTP/1.1 without a host": {request: "GET /read/ HTTP/1.1\r\nConnection: close\r\n" + key + "\r\n\r\n", want: byItself(400)},
		"two hosts": {request: get("/read/", "Host: other.example", key), want: byItself(400), but: []deviation{
			passes("reader").in("Envoy joins them by a comma", envoys...)}},
		"two lengths":               {request: send("POST /read/ HTTP/1.1", "hello", key, "Content-Length: 4"), want: byItself(400)},
		"a length and chunks":       {request: chunked("Content-Length: 3"), want: passes("reader"), upstream: bodyArrives("hello"), but: []deviation{byItself(400).in("that smells of smuggling", append(nginxes, envoys...)...)}},
		"a blank before the colon":  {request: get("/read/", "X-API-Key : {reader}"), want: byItself(400)},
		"a folded key":              {request: get("/read/", "X-API-Key: {reader}\r\n more"), want: refused(401, "unknown_key"), but: []deviation{byItself(400).in("nginx knows no folding", nginxes...)}},
		"a control byte in a key":   {request: get("/read/", "X-API-Key: {reader}\x01"), want: byItself(400), but: []deviation{refused(401, "malformed_credential").in("it leaves that to others", append([]kind{viaHAProxy}, nginxes...)...)}},
		"a header that is repeated": {request: get("/read/", key, "X-Many: a", "X-Many: b"), want: passes("reader"), upstream: manyArrive},
		"a long path":               {request: get("/read/"+long, key), want: passes("reader")},
		"a long path, refused":      {request: get("/admin/"+long, key), want: refused(403, "permission_denied")},
		"a path of 20 kB": {request: get("/read/"+strings.Repeat("x", 20_000), key), want: passes("reader"), but: []deviation{
			byItself(414).in("longer than ingress-nginx's buffers of 8 kB", nginxes...), byItself(400).in("longer than its buffer of 16 kB", viaHAProxy)}},
		"10 kB of headers": {request: get("/read/", append(padding, key)...), want: passes("reader")},
		"40 kB of headers": {request: get("/read/", append(slices.Concat(padding, padding, padding, padding), key)...), want: passes("reader"), but: []deviation{
			byItself(400).in("more than they buffer", append([]kind{viaHAProxy}, nginxes...)...), byItself(431).in("more than it takes", viaCaddy)}},
		"10 kB of headers, refused": {request: get("/admin/", append(padding, key)...), want: refused(403, "permission_denied")},
	}
}

func methodIs(want string) func(*testing.T, *front, stack.Echo) {
	return func(t *testing.T, f *front, echo stack.Echo) {
		t.Helper()
		if echo.Method != want {
			t.Errorf("%s: the upstream got a %s, want %s", f.kind, echo.Method, want)
		}
	}
}

func manyArrive(t *testing.T, f *front, echo stack.Echo) {
	t.Helper()
	if got := strings.Join(echo.Headers["X-Many"], ","); strings.ReplaceAll(got, " ", "") != "a,b" {
		t.Errorf("%s: the upstream got %q, want both values", f.kind, echo.Headers["X-Many"])
	}
}

// pathCases have paths that are not what they look like. "bare" may go where nothing is demanded, to /any/ that is.
func pathCases() map[string]proxyCase {
	const bare, reader = "X-API-Key: {bare}", "X-API-Key: {reader}"
	denied := refused(403, "permission_denied")
	asSent := "it takes the path as it was sent, for the route and for the upstream"
	notFound := byItself(404)
	aboveRoot := byItself(400).in("nginx lets no path lead above the root", nginxes...)
	return map[string]proxyCase{
		"a path with escapes":                       {request: get("/read/a%20b%C3%A4?x=%20y&x=%2F", reader), want: passes("reader"), upstream: uriIs("/read/a%20b%C3%A4?x=%20y&x=%2F")},
		"an escaped letter":                         {request: get("/%72ead/", bare), want: denied, but: []deviation{notFound.in(asSent, viaEnvoyRaw)}},
		"an escaped slash":                          {request: get("/read/a%2Fb", reader), want: passes("reader"), upstream: uriIs("/read/a%2Fb"), but: []deviation{byItself(307).in("it redirects to the path without", tidying...)}},
		"two slashes":                               {request: get("//read/", bare), want: denied, but: []deviation{notFound.in(asSent, viaEnvoyRaw)}},
		"dot segments out of an open route":         {request: get("/any/../read/", bare), want: denied, but: []deviation{passes("bare").in(asSent, viaEnvoyRaw)}},
		"escaped dot segments out of an open route": {request: get("/any/%2e%2E/read/", bare), want: denied, but: []deviation{passes("bare").in(asSent, viaEnvoyRaw)}},
		"an escaped slash out of an open route": {request: get("/any/..%2Fread/", bare), want: denied, but: []deviation{
			passes("bare").in("it leaves escaped slashes as they are, for the upstream too", append(traefiks, viaEnvoyRaw, viaHAProxy)...),
			byItself(307).in("it redirects to the path without", tidying...)}},
		"dot segments out of a closed route":               {request: get("/read/../any/", bare), want: passes("bare"), but: []deviation{denied.in(asSent, viaEnvoyRaw)}},
		"dot segments behind the prefix":                   {request: get("/../permission=read/any/", bare), want: notFound, but: []deviation{aboveRoot}},
		"dot segments to another requirement":              {request: get("/admin/../../-/any/", bare), want: notFound, but: []deviation{aboveRoot, denied.in(asSent, viaEnvoyRaw)}},
		"dot segments, escaped, to another requirement":    {request: get("/admin/%2e%2e/%2e%2e/-/any/", bare), want: notFound, but: []deviation{aboveRoot, denied.in(asSent, viaEnvoyRaw)}},
		"dot segments to the verifier's root":              {request: get("/admin/../../../../auth/envoy/-/", bare), want: notFound, but: []deviation{aboveRoot, denied.in(asSent, viaEnvoyRaw)}},
		"a second requirement in the path":                 {request: get("/admin/permission=read/", reader), want: denied},
		"a requirement in a parameter":                     {request: get("/admin/;permission=read", reader), want: denied},
		"an absolute target":                               {request: get("http://other.example/read/", reader), want: passes("reader"), but: []deviation{byItself(400).in("it wants Host to say the same", viaHAProxy)}},
		"an absolute target of a closed route":             {request: get("http://api.example/admin/", reader), want: denied},
		"an absolute target with an open path in its host": {request: get("http://any@api.example/admin/", reader), want: denied, but: []deviation{byItself(400).in("nginx takes no user in a host", nginxes...)}},
		"a query that looks like a target":                 {request: get("/admin/?http://api.example/any/", reader), want: denied},
		"a fragment": {request: get("/admin/#/../any/", reader), want: byItself(400), but: []deviation{
			denied.in("it takes the path for one of the closed route", append([]kind{viaCaddy}, nginxes...)...)}},
		"a NUL":                                 {request: get("/read/%00", reader), want: passes("reader"), but: []deviation{byItself(400).in("it takes no NUL", append(tidying, nginxes...)...)}},
		"a broken escape":                       {request: get("/read/%zz", reader), want: byItself(400)},
		"a backslash out of an open route":      {request: get(`/any/..\read/`, bare), want: passes("bare"), but: []deviation{denied.in("it takes it for a slash", tidying...)}},
		"a path parameter out of an open route": {request: get("/any/..;/read/", bare), want: passes("bare"), but: []deviation{denied.in("it drops the parameter", tidying...)}},
	}
}

func uriIs(want string) func(*testing.T, *front, stack.Echo) {
	return func(t *testing.T, f *front, echo stack.Echo) {
		t.Helper()
		if echo.URI != want {
			t.Errorf("%s: the upstream got %s, want %s", f.kind, echo.URI, want)
		}
	}
}
