package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// testOneConnection sends requests of several clients one after the other on one connection, as another proxy in front does:
// each is decided by itself, and nothing of one is left over for the next.
func (p *proxies) testOneConnection(t *testing.T, keys *proxiedKeys) {
	// What is refused unread must not be read as a request.
	smuggled := strings.Replace(get("/any/", "X-API-Key: {all}"), "Connection: close\r\n", "", 1)
	sequence := []proxyCase{
		{request: get("/read/", "X-API-Key: {reader}"), want: passes("reader")},
		{request: get("/read/"), want: refused(http.StatusUnauthorized, "missing_credential")},
		{request: get("/any/", "X-API-Key: {bare}"), want: passes("bare")},
		{request: get("/any/", "Authorization: Bearer {all}"), want: passes("all")},
		{request: send("POST /any/ HTTP/1.1", smuggled, "X-API-Key: {unknown}"), want: refused(http.StatusUnauthorized, "unknown_key")},
		{request: get("/acme/", "X-API-Key: {writer}"), want: refused(http.StatusForbidden, "tenant_mismatch")},
		{request: send("HEAD /acme/ HTTP/1.1", "", "X-API-Key: {reader}"), want: passes("reader")},
		{request: send("POST /any/ HTTP/1.1", smuggled, "X-API-Key: {bare}"), want: passes("bare"), upstream: bodyArrives(smuggled)},
		{request: get("/read/"), want: refused(http.StatusUnauthorized, "missing_credential")},
	}
	for _, f := range p.fronts {
		t.Run(string(f.kind), func(t *testing.T) {
			t.Parallel()
			connection, connections := (*connection)(nil), 0
			for _, c := range sequence {
				if connection == nil {
					var err error
					if connection, err = dial(f.address); err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = connection.Close() })
					connections++
				}
				request := strings.Replace(c.request, "Connection: close\r\n", "", 1)
				r := f.sendOn(t, connection, keys.fill(f, request))
				keys.check(t, f, c, r)
				if r.last {
					connection = nil
				}
			}
			if connections > 2 {
				t.Errorf("%d requests took %d connections, so little was shown", len(sequence), connections)
			}
		})
	}
}
