package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// reasonCases have a request for every reason but not_ready.
func reasonCases() map[string]proxyCase {
	long := strings.Repeat("k", 513)
	return map[string]proxyCase{
		"no key":             {request: get("/any/"), want: refused(401, "missing_credential")},
		"a key that is not":  {request: get("/any/", "X-API-Key: {unknown}"), want: refused(401, "unknown_key")},
		"a key and a letter": {request: get("/any/", "X-API-Key: {bare}x"), want: refused(401, "unknown_key")},
		"longer than a key":  {request: get("/any/", "X-API-Key: "+long), want: refused(401, "malformed_credential")},
		"a tab in a key":     {request: get("/any/", "X-API-Key: ak_\tx"), want: refused(401, "malformed_credential")},
		"a byte above ASCII": {request: get("/any/", "X-API-Key: {bare}\xe4"), want: refused(401, "malformed_credential"), but: []deviation{
			refused(401, "unknown_key").in("Envoy writes ! for what is no UTF-8", joining...),
		}},
		"a key in UTF-8":            {request: get("/any/", "X-API-Key: {bare}ä"), want: refused(401, "malformed_credential")},
		"suspended":                 {request: get("/any/", "X-API-Key: {suspended}"), want: refused(401, "suspended")},
		"revoked":                   {request: get("/any/", "X-API-Key: {revoked}"), want: refused(401, "revoked")},
		"replaced":                  {request: get("/any/", "X-API-Key: {expired}"), want: refused(401, "expired")},
		"not granted":               {request: get("/any/", "X-API-Key: {denied}"), want: refused(403, "not_granted")},
		"from elsewhere":            {request: get("/any/", "X-API-Key: {elsewhere}"), want: refused(403, "address_not_allowed")},
		"a permission that lacks":   {request: get("/read/", "X-API-Key: {bare}"), want: refused(403, "permission_denied")},
		"another tenant":            {request: get("/acme/", "X-API-Key: {writer}"), want: refused(403, "tenant_mismatch")},
		"another scope":             {request: get("/region/", "X-API-Key: {reader}"), want: refused(403, "scope_mismatch")},
		"another namespace":         {request: get("/of-another/", "X-API-Key: {all}"), want: refused(403, "namespace_mismatch")},
		"a mistake of the route's":  {request: get("/mistake/", "X-API-Key: {all}"), want: refused(403, "invalid_requirement")},
		"a mistake, without a key":  {request: get("/mistake/"), want: refused(403, "invalid_requirement")},
		"more often than the limit": {request: get("/any/", "X-API-Key: {limited}"), before: 2, want: refused(429, "rate_limited"), client: checkLimit},
		"within the limit":          {request: get("/any/", "X-API-Key: {roomy}"), want: passes("roomy"), client: checkRoom},
		"a refusal of a HEAD":       {request: send("HEAD /read/ HTTP/1.1", "", "X-API-Key: {bare}"), want: refused(403, "permission_denied")},
	}
}

// checkLimit looks that a client can tell when to come again.
func checkLimit(t *testing.T, f *front, r reply) {
	t.Helper()
	if !f.speaksOwnStatus() {
		return
	}
	if got := r.header.Get("RateLimit"); !strings.Contains(got, ";r=0;") {
		t.Errorf("%s: RateLimit is %q", f.kind, got)
	}
	if got := r.header.Get("RateLimit-Policy"); !strings.Contains(got, ";w=3600") {
		t.Errorf("%s: RateLimit-Policy is %q", f.kind, got)
	}
}

// checkRoom looks at what the client of an allowed request is told of its limit: all that Envoy can hand on, and no other
// proxy does.
func checkRoom(t *testing.T, f *front, r reply) {
	t.Helper()
	if got := r.header.Get("RateLimit"); slices.Contains(envoys, f.kind) != strings.Contains(got, ";r=") {
		t.Errorf("%s: RateLimit is %q", f.kind, got)
	}
}

// placeCases have the key in every place where it is looked for, and in some where it is not.
func placeCases() map[string]proxyCase {
	body := `{"api_key":"{bare}","other":{"api_key":"x"}}`
	joined := "Envoy joins the values of a header by commas"
	return map[string]proxyCase{
		"X-API-Key":             {request: get("/any/", "X-API-Key: {bare}"), want: passes("bare")},
		"x-api-key":             {request: get("/any/", "x-api-key: {bare}"), want: passes("bare")},
		"X-API-KEY, no blank":   {request: get("/any/", "X-API-KEY:{bare}"), want: passes("bare")},
		"Bearer":                {request: get("/any/", "Authorization: Bearer {bare}"), want: passes("bare")},
		"bearer":                {request: get("/any/", "authorization: bearer {bare}"), want: passes("bare")},
		"ApiKey":                {request: get("/any/", "Authorization: ApiKey {bare}"), want: passes("bare")},
		"bare in Authorization": {request: get("/any/", "Authorization: {bare}"), want: passes("bare")},
		"Basic is no key":       {request: get("/any/", "Authorization: Basic dXNlcjpwYXNz"), want: refused(401, "missing_credential")},
		"X-API-Key comes before Authorization": {
			request: get("/any/", "Authorization: Bearer {bare}", "X-API-Key: {suspended}"), want: refused(401, "suspended"),
		},
		"an empty X-API-Key leaves it to Authorization": {
			request: get("/any/", "X-API-Key: ", "Authorization: Bearer {bare}"), want: passes("bare"),
		},
		"the query":          {request: get("/any/?page=1&api_key={bare}"), want: passes("bare"), upstream: keyStaysInQuery},
		"the query, encoded": {request: get("/any/?api%5Fkey={bare}"), want: passes("bare")},
		"the query, twice":   {request: get("/any/?api_key={bare}&api_key={reader}"), want: refused(401, "malformed_credential")},
		"a cookie":           {request: get("/any/", "Cookie: a=b; api_key={bare}; c=d"), want: passes("bare")},
		"the second Cookie":  {request: get("/any/", "Cookie: a=b", "Cookie: api_key={bare}"), want: passes("bare"), but: []deviation{refused(401, "missing_credential").in(joined+", which is part of a cookie", joining...)}},
		"a name with _":      {request: get("/any/", "X_API_Key: {bare}"), want: refused(401, "missing_credential"), but: []deviation{rejectsUnderscores}},
		"the same key twice": {request: get("/any/", "X-API-Key: {bare}", "X-API-Key: {bare}"), want: passes("bare"), but: []deviation{refused(401, "unknown_key").in(joined, joining...)}},
		"two different keys": {request: get("/any/", "X-API-Key: {bare}", "X-API-Key: {reader}"), want: refused(401, "malformed_credential"), but: []deviation{refused(401, "unknown_key").in(joined, joining...)}},
		"two Authorizations": {request: get("/any/", "Authorization: Bearer {bare}", "Authorization: Bearer {reader}"), want: refused(401, "malformed_credential"), but: []deviation{refused(401, "unknown_key").in(joined+", whatever it is told", envoys...), byItself(400).in("nginx takes one only", nginxes...)}},
		"a key named in Connection": {request: get("/any/", "X-API-Key: {bare}", "Connection: X-API-Key"), want: refused(401, "missing_credential"), but: []deviation{
			passes("bare").in("it passes on what Connection names", append([]kind{viaHAProxy}, nginxes...)...),
		}},
		"a JSON body": {request: send("POST /body/ HTTP/1.1", body, "Content-Type: application/json"), want: refused(401, "missing_credential"), but: []deviation{
			passes("bare").in("only over gRPC can the verifier be sent the body", viaEnvoyGRPC, viaEnvoyBare),
		}, upstream: bodyArrives(body)},
		"a JSON body that a route does not show": {
			request: send("POST /any/ HTTP/1.1", body, "Content-Type: application/json"), want: refused(401, "missing_credential"),
		},
		"a key in two places":                      {request: get("/any/", "X-API-Key: {bare}", "Authorization: Bearer {bare}"), want: passes("bare")},
		"the key ends at the proxy, X-API-Key":     {request: get("/no-key-upstream/", "X-API-Key: {bare}"), want: passes("bare")},
		"the key ends at the proxy, Authorization": {request: get("/no-key-upstream/", "Authorization: Bearer {bare}"), want: passes("bare")},
		"the key ends at the proxy, sent twice": {
			request: get("/no-key-upstream/", "X-API-Key: {bare}", "Authorization: Bearer {bare}"), want: passes("bare"),
		},
	}
}

var rejectsUnderscores = byItself(http.StatusBadRequest).in("Envoy Gateway has Envoy reject names with underscores", envoys...)

// keyStaysInQuery holds what the guide warns of: no proxy takes a key out of the URL.
func keyStaysInQuery(t *testing.T, f *front, echo stack.Echo) {
	t.Helper()
	if !strings.Contains(echo.URI, "api_key=ak_") {
		t.Errorf("%s: the upstream got %s, without the key, which the guide says it gets", f.kind, echo.URI)
	}
}

// bodyArrives looks that the upstream got a body of about some length: keys are longer than their names.
func bodyArrives(body string) func(*testing.T, *front, stack.Echo) {
	return func(t *testing.T, f *front, echo stack.Echo) {
		t.Helper()
		if echo.BodyLength < int64(len(body)) {
			t.Errorf("%s: the upstream got %d bytes of a body, want at least %d", f.kind, echo.BodyLength, len(body))
		}
	}
}
