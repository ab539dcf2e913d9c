package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// question is what a proxy sends to the verifier about a request that forges all that a proxy could set itself.
type question struct {
	method, uri, host string
	// sets are the proxy's own headers: a dialect may believe these and no others.
	sets map[string]string
	// forged are those that come through as the client sent them.
	forged []string
}

// forgeable are the headers that some proxy or other sets itself, each sent as "forged".
var forgeable = []string{
	"X-Original-Method", "X-Original-Uri", "X-Original-Url", "X-Real-Ip", "X-Forwarded-For", "X-Forwarded-Method", "X-Forwarded-Uri",
	"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "Forwarded", "X-Apikey-Tenant",
}

// questions are what the dialects rest on.
func questions() map[kind]question {
	const forward = "/auth/forward?rule=GET,HEAD:read&rule=POST,PUT:customers:write&rule=DELETE:admin"
	own := func(more ...string) map[string]string {
		sets := map[string]string{"X-Forwarded-Method": "DELETE", "X-Forwarded-Uri": "/rules/ID?x=%20y", "X-Forwarded-Host": "api.example", "X-Forwarded-For": "127.0.0.1"}
		for i := 0; i < len(more); i += 2 {
			sets[more[i]] = more[i+1]
		}
		return sets
	}
	nginx := question{
		method: "GET", uri: strings.Replace(forward, "forward", "nginx", 1), host: "apikey-verifier.apikey-operator-system.svc.cluster.local",
		sets:   map[string]string{"X-Original-Method": "DELETE", "X-Original-Url": "http://api.example/rules/ID?x=%20y", "X-Real-Ip": "127.0.0.1", "X-Forwarded-For": "127.0.0.1"},
		forged: []string{"X-Original-Uri", "X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "Forwarded", "X-Apikey-Tenant"},
	}
	traefik := question{
		method: "GET", uri: forward, host: "VERIFIER", sets: own("X-Forwarded-Proto", "http", "X-Forwarded-Port", "80"),
		// So /auth/nginx must not be asked, though ingress-nginx asks it.
		forged: []string{"X-Original-Method", "X-Original-Uri", "X-Original-Url", "Forwarded", "X-Apikey-Tenant"},
	}
	ingress := traefik
	ingress.sets = own("X-Forwarded-Proto", "http", "X-Forwarded-Port", "80", "X-Forwarded-Server", "SERVER", "X-Real-Ip", "127.0.0.1")
	envoy := question{
		method: "DELETE", uri: strings.Replace(forward, "forward?", "envoy/", 1) + "/rules/ID?x=%20y", host: "api.example",
		sets: map[string]string{"X-Forwarded-For": "forged,ADDRESS"},
	}
	return map[kind]question{
		viaNginx: nginx, viaNginxKept: nginx, viaTraefik: traefik, viaIngress: ingress, viaEnvoy: envoy, viaEnvoyRaw: envoy,
		viaCaddy: {
			method: "GET", uri: forward, host: "api.example", sets: own("X-Forwarded-Proto", "http"),
			forged: []string{"X-Original-Method", "X-Original-Uri", "X-Original-Url", "X-Real-Ip", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "Forwarded", "X-Apikey-Tenant"},
		},
		viaHAProxy: {method: "GET", uri: forward, host: "VERIFIER", sets: own()},
	}
}

// testQuestion holds a proxy to what the guides and the dialects say of it: what it tells the verifier itself, and what a
// client may make up.
func (p *proxies) testQuestion(t *testing.T, f *front, want question) {
	var lines []string
	for _, name := range forgeable {
		lines = append(lines, name+": forged")
	}
	name := limitedOf(f) // as good as any that no other has
	f.send(t, send("DELETE /rules/"+name+"?x=%20y HTTP/1.1", "", append(lines, "X-API-Key: ak_nothing")...))
	got := p.asked(t, f, "/rules/"+name)
	fill := strings.NewReplacer("ID", name, "VERIFIER", p.http.Address, "SERVER", got.Header.Get("X-Forwarded-Server"), "ADDRESS", lastHop(got))
	if got.Method != want.method || got.RequestURI != fill.Replace(want.uri) || got.Host != fill.Replace(want.host) {
		t.Errorf("it asks %s %s of %s, want %s %s of %s", got.Method, got.RequestURI, got.Host, want.method, fill.Replace(want.uri), fill.Replace(want.host))
	}
	sets, forged := map[string]string{}, []string{}
	for name := range maps.Keys(got.Header) {
		switch value := strings.Join(got.Header[name], " AND "); {
		case !slices.Contains(forgeable, name):
		case value == "forged":
			forged = append(forged, name)
		default:
			sets[name] = value
		}
	}
	for name, value := range want.sets {
		want.sets[name] = fill.Replace(value)
	}
	if diff := cmp.Diff(want.sets, sets); diff != "" {
		t.Errorf("what it sets itself (-want +got):\n%s", diff)
	}
	slices.Sort(forged)
	slices.Sort(want.forged)
	if !slices.Equal(forged, want.forged) {
		t.Errorf("of what was forged there come through %q, want %q", forged, want.forged)
	}
}

func lastHop(r *http.Request) string {
	hops := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
	return strings.TrimSpace(hops[len(hops)-1])
}

// asked is the last request to the verifier that speaks of a path.
func (p *proxies) asked(t *testing.T, f *front, path string) *http.Request {
	t.Helper()
	var found *http.Request
	await(t, string(f.kind)+" to have asked", func(context.Context) error {
		for _, recording := range p.http.seen() {
			reader := bufio.NewReader(bytes.NewReader(recording.content()))
			for {
				r, err := http.ReadRequest(reader)
				if err != nil {
					break
				}
				var text bytes.Buffer
				if err := r.Write(&text); err == nil && strings.Contains(text.String(), path) {
					found = r
				}
			}
		}
		if found == nil {
			return errors.New("it has not")
		}
		return nil
	})
	return found
}
