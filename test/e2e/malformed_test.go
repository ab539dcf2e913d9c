package e2e

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// refusals are the reasons with which a request that cannot be understood may be refused.
var refusals = []string{"missing_credential", "malformed_credential", "unknown_key", "invalid_requirement", "permission_denied"}

// malformed are requests with something wrong, with PATH where the path goes.
func malformed() map[string]string {
	const head = "GET PATH HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n"
	long := strings.Repeat("x", 7000)
	return map[string]string{
		"no headers at all":                  "GET PATH HTTP/1.1\r\n\r\n",
		"HTTP/1.0 without a host":            "GET PATH HTTP/1.0\r\n\r\n",
		"two hosts":                          head + "Host: b.test\r\n\r\n",
		"an empty key":                       head + "X-API-Key: \r\n\r\n",
		"a key of blanks":                    head + "X-API-Key:    \t  \r\n\r\n",
		"a key of 513 bytes":                 head + "X-API-Key: " + strings.Repeat("k", 513) + "\r\n\r\n",
		"a key of 7 kB":                      head + "X-API-Key: " + long + "\r\n\r\n",
		"a key with a tab":                   head + "X-API-Key: ak_\tx\r\n\r\n",
		"a key with a control byte":          head + "X-API-Key: ak_\x01x\r\n\r\n",
		"a key with a delete byte":           head + "X-API-Key: ak_\x7fx\r\n\r\n",
		"a key that is not ASCII":            head + "X-API-Key: ak_\xff\xfe\r\n\r\n",
		"a key in UTF-8":                     head + "X-API-Key: ключ\r\n\r\n",
		"a key with a NUL byte":              head + "X-API-Key: ak_\x00x\r\n\r\n",
		"two keys":                           head + "X-API-Key: ak_a\r\nX-API-Key: ak_b\r\n\r\n",
		"a thousand keys":                    head + strings.Repeat("X-API-Key: ak_a\r\n", 1000) + "\r\n",
		"a bare Bearer":                      head + "Authorization: Bearer\r\n\r\n",
		"a Bearer with blanks":               head + "Authorization: Bearer   \r\n\r\n",
		"a Bearer with two words":            head + "Authorization: Bearer a b\r\n\r\n",
		"an unknown scheme":                  head + "Authorization: Digest username=x\r\n\r\n",
		"an empty Authorization":             head + "Authorization:\r\n\r\n",
		"two different Authorizations":       head + "Authorization: Bearer a\r\nAuthorization: ApiKey b\r\n\r\n",
		"a header without a colon":           head + "X-API-Key\r\n\r\n",
		"a header without a name":            head + ": x\r\n\r\n",
		"a blank before the colon":           head + "X-API-Key : ak_x\r\n\r\n",
		"a folded header":                    head + "X-API-Key: ak_x\r\n y\r\n\r\n",
		"lines that end in LF only":          "GET PATH HTTP/1.1\nHost: a.test\nX-API-Key: ak_x\n\n",
		"a carriage return in a value":       head + "X-API-Key: ak_\rx\r\n\r\n",
		"a method that does not exist":       "FROBNICATE PATH HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
		"a negative Content-Length":          "POST PATH HTTP/1.1\r\nHost: a.test\r\nContent-Length: -1\r\n\r\n",
		"two Content-Lengths":                "POST PATH HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
		"Content-Length and chunks":          "POST PATH HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a chunk of no size":                 "POST PATH HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
		"an endless chunk size":              "POST PATH HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n",
		"a Content-Length that is no number": "POST PATH HTTP/1.1\r\nHost: a.test\r\nContent-Length: many\r\n\r\n",
		"32 kB of headers":                   head + strings.Repeat("X-Padding: "+long+"\r\n", 4) + "\r\n",
		"a query with a broken escape":       strings.Replace(head, "PATH", "PATH?%zz=%", 1) + "\r\n",
		"an X-Request-ID of 7 kB":            head + "X-Request-ID: " + long + "\r\n\r\n",
		"an X-Request-ID out of bounds":      head + "X-Request-ID: a\tb;c\"d\r\n\r\n",
	}
}

// unparsable are no requests at all.
var unparsable = map[string]string{
	"a TLS greeting":         "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500),
	"HTTP/2's preface":       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"one word":               "hello\r\n\r\n",
	"zeros":                  strings.Repeat("\x00", 100) + "\r\n\r\n",
	"a line without an end":  strings.Repeat("A", 70_000) + "\r\n\r\n",
	"HTTP/0.9":               "GET /auth/nginx\r\n\r\n",
	"a version from nowhere": "GET /auth/nginx HTTP/9.9\r\nHost: a.test\r\nConnection: close\r\n\r\n",
}

func TestAMalformedRequestToTheVerifierGetsAReason(t *testing.T) {
	t.Parallel()
	requests := map[string]string{}
	for name, request := range malformed() {
		requests[name] = strings.Replace(request, "PATH", "/auth/nginx", 1)
		requests[name+", of a route with a rule"] = strings.Replace(request, "PATH", "/auth/nginx?rule=GET:read", 1)
	}
	for name, request := range unparsable {
		requests[name] = request
	}
	delete(requests, "a query with a broken escape, of a route with a rule") // two question marks: another test's
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response := rawRequest(t, shared.verifiers[0].Address, request)
			if response.StatusCode != http.StatusUnauthorized && response.StatusCode != http.StatusForbidden {
				t.Errorf("status %d, want 401 or 403", response.StatusCode)
			}
			if got := response.Header.Get("X-Apikey-Reason"); !slices.Contains(refusals, got) {
				t.Errorf("reason %q, want one of %q", got, refusals)
			}
			if body, err := io.ReadAll(response.Body); err != nil || len(body) > 0 {
				t.Errorf("body %q (%v), want none", body, err)
			}
		})
	}
}

// TestAMalformedRequestThroughNginxIsRefused allows nginx to refuse by itself what it cannot read, also with
// 501 and 505, which speak of HTTP; it must not be the verifier's answer that nginx cannot make sense of.
func TestAMalformedRequestThroughNginxIsRefused(t *testing.T) {
	t.Parallel()
	requests := map[string]string{}
	for name, request := range malformed() {
		requests[name] = strings.Replace(request, "PATH", "/read/", 1)
	}
	for name, request := range unparsable {
		requests[name] = request
	}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, err := tryRaw(shared.nginx.Address, request)
			if err != nil {
				return // nginx closes the connection on what is not HTTP
			}
			defer func() { _ = response.Body.Close() }()
			switch code := response.StatusCode; {
			case code < 400:
				t.Errorf("status %d, want a refusal", code)
			case code == http.StatusNotImplemented, code == http.StatusHTTPVersionNotSupported:
			case code >= 500:
				t.Errorf("status %d", code)
			}
		})
	}
}

// TestHugeHeadersAreNoObstacleToAGoodKey sends as much as nginx takes by default: four buffers of 8 kB.
func TestHugeHeadersAreNoObstacleToAGoodKey(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "chatty", `{}`)
	headers := http.Header{"X-API-Key": {key}}
	for _, name := range []string{"X-Padding-1", "X-Padding-2", "X-Padding-3", "X-Padding-4"} {
		headers[name] = []string{strings.Repeat("x", 7900)}
	}
	shared.expect(t, call{path: "/any/", headers: headers}, http.StatusOK, "")
	headers["X-API-Key"] = []string{"ak_unknown"}
	shared.expect(t, call{path: "/any/", headers: headers}, http.StatusUnauthorized, "unknown_key")
}

func TestALongURIIsNoObstacleToAGoodKey(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "long", `{}`)
	shared.expect(t, call{path: "/any/" + strings.Repeat("x", 7900), key: key}, http.StatusOK, "")
}

func TestALargeBodyIsNoObstacleToAGoodKey(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "uploader", `{}`)
	shared.expect(t, call{method: "POST", path: "/any/", key: key, body: strings.Repeat("x", 1<<20)}, http.StatusOK, "")
}
