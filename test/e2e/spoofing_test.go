package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// forgeries are what a client may send in the hope that somebody believes it. Those that stand for a
// method or a path stand for what the attacker may not do.
func forgeries() http.Header {
	return http.Header{
		"X-Original-URL":          {"http://other.test/any/", "http://other.test/open"},
		"X-Original-Method":       {"GET"},
		"X-Original-URI":          {"/any/"},
		"X-Original-Host":         {"other.test"},
		"X-Real-IP":               {"10.0.0.1"},
		"X-Forwarded-For":         {"10.0.0.1, 10.0.0.2"},
		"X-Forwarded-Method":      {"GET"},
		"X-Forwarded-Uri":         {"/any/?permission=read"},
		"X-Forwarded-Host":        {"other.test"},
		"X-Forwarded-Proto":       {"https"},
		"X-Forwarded-Prefix":      {"/any"},
		"Forwarded":               {"for=10.0.0.1;host=other.test"},
		"X-Rewrite-URL":           {"/any/"},
		"X-HTTP-Method":           {"GET"},
		"X-Apikey-Namespace":      {"kube-system"},
		"X-Apikey-Name":           {"admin"},
		"X-Apikey-Tenant":         {"globex"},
		"X-Apikey-Permissions":    {"*"},
		"X-Apikey-Scopes":         {"category=secret"},
		"X-Apikey-Revision":       {"99"},
		"X-Apikey-Reason":         {"none"},
		"X-Auth-Request-Redirect": {"/any/"},
		"Connection":              {"close, X-Original-Method, X-Original-URL, X-Apikey-Tenant"},
	}
}

// disguises are the ways in which the forgeries are written.
var disguises = map[string]func(http.Header) http.Header{
	"as they are":   func(h http.Header) http.Header { return h },
	"in lower case": func(h http.Header) http.Header { return renamed(h, strings.ToLower) },
	"in upper case": func(h http.Header) http.Header { return renamed(h, strings.ToUpper) },
	"with underscores": func(h http.Header) http.Header {
		return renamed(h, func(name string) string { return strings.ReplaceAll(name, "-", "_") })
	},
	"repeated": func(h http.Header) http.Header {
		for name, values := range h {
			h[name] = slices.Concat(values, values, values)
		}
		return h
	},
	"repeated in several spellings": func(h http.Header) http.Header {
		both := renamed(h, strings.ToLower)
		maps.Copy(both, h)
		return both
	},
	"empty": func(h http.Header) http.Header {
		for name := range h {
			h[name] = []string{""}
		}
		return h
	},
}

func renamed(h http.Header, rename func(string) string) http.Header {
	result := http.Header{}
	for name, values := range h {
		result[rename(name)] = values
	}
	return result
}

func TestForgedHeadersChangeNoDecisionAndDoNotReachTheUpstreamAsOurs(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	reader := shared.issue(t, namespace, "reader", `{tenant: acme, permissions: [read]}`)
	bare := shared.issue(t, namespace, "bare", `{}`)

	decisions := map[string]struct {
		call       call
		wantStatus int
		wantReason string
		// wantIdentity is all of ours that the upstream may see.
		wantIdentity map[string]string
	}{
		"what a key may do": {call{path: "/rules/", key: reader}, 200, "", map[string]string{
			"X-Apikey-Namespace": namespace, "X-Apikey-Name": "reader", "X-Apikey-Tenant": "acme",
			"X-Apikey-Permissions": "read", "X-Apikey-Revision": "1",
		}},
		"a key with nothing": {call{path: "/any/", key: bare}, 200, "", map[string]string{
			"X-Apikey-Namespace": namespace, "X-Apikey-Name": "bare", "X-Apikey-Revision": "1",
		}},
		"a method that the key may not use":       {call{method: "DELETE", path: "/rules/", key: reader}, 403, "permission_denied", nil},
		"a tenant that the key does not have":     {call{path: "/acme/", key: bare}, 403, "tenant_mismatch", nil},
		"a permission that the key does not have": {call{path: "/admin/", key: reader}, 403, "permission_denied", nil},
		"no key": {call{path: "/any/"}, 401, "missing_credential", nil},
	}
	for disguise, dress := range disguises {
		for name, c := range decisions {
			t.Run(name+", forged headers "+disguise, func(t *testing.T) {
				t.Parallel()
				forged := c.call
				forged.headers = dress(forgeries())
				a := shared.expect(t, forged, c.wantStatus, c.wantReason)
				if a.Echo == nil {
					return
				}
				if diff := cmp.Diff(c.wantIdentity, a.identity()); diff != "" {
					t.Errorf("identity at the upstream (-want +got):\n%s", diff)
				}
				if got := a.Echo.Headers.Values("X-Real-Ip"); !slices.Equal(got, []string{"127.0.0.1"}) {
					t.Errorf("X-Real-IP at the upstream is %q", got)
				}
			})
		}
	}
}

// TestARequestLineWithAnotherHostChangesNoDecision sends what makes nginx tell the verifier one host and
// decide the route by another.
func TestARequestLineWithAnotherHostChangesNoDecision(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	reader := shared.issue(t, namespace, "reader", `{permissions: [read]}`)
	for name, c := range map[string]struct {
		line       string
		wantStatus int
	}{
		"read, which is allowed":        {"GET http://a.test/rules/x HTTP/1.1", 200},
		"delete, which is not":          {"DELETE http://a.test/rules/x HTTP/1.1", 403},
		"a path of another route":       {"GET http://a.test/admin/x HTTP/1.1", 403},
		"a host with an open path":      {"GET http://a.test/any/@/admin/ HTTP/1.1", 200},
		"a user before the host":        {"GET http://b.test@a.test/admin/ HTTP/1.1", 403},
		"a query that looks like a URL": {"DELETE /rules/?http://a.test/any/ HTTP/1.1", 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response := rawRequest(t, shared.nginx.Address,
				c.line+"\r\nHost: b.test\r\nX-API-Key: "+reader+"\r\nX-Apikey-Name: forged\r\nConnection: close\r\n\r\n")
			if response.StatusCode != c.wantStatus && !(c.wantStatus == 403 && response.StatusCode == 400) {
				t.Fatalf("the answer is %d, want %d", response.StatusCode, c.wantStatus)
			}
			if response.StatusCode != http.StatusOK {
				return
			}
			var echo stack.Echo
			if err := json.NewDecoder(response.Body).Decode(&echo); err != nil {
				t.Fatal(err)
			}
			if got := echo.Headers.Values("X-Apikey-Name"); !slices.Equal(got, []string{"reader"}) {
				t.Errorf("X-Apikey-Name at the upstream is %q", got)
			}
		})
	}
}

// rawRequest sends bytes as they are and reads one answer.
func rawRequest(t *testing.T, address, request string) *http.Response {
	t.Helper()
	response, err := tryRaw(address, request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func tryRaw(address, request string) (*http.Response, error) {
	connection, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if err := connection.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	// A server may refuse what it has seen before it was sent all, so a failed write is no failure yet.
	_, writeErr := connection.Write([]byte(request))
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", errors.Join(err, writeErr, connection.Close()))
	}
	response.Body = closingBoth{response.Body, connection}
	return response, nil
}

// closingBoth is a body that closes its connection, too.
type closingBoth struct {
	io.ReadCloser

	connection net.Conn
}

func (c closingBoth) Close() error {
	return errors.Join(c.ReadCloser.Close(), c.connection.Close())
}
