package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// proxyCases are the whole table, by what each case shows.
func proxyCases() map[string]proxyCase {
	cases := map[string]proxyCase{}
	for _, some := range []map[string]proxyCase{
		reasonCases(), placeCases(), requirementCases(), forgeryCases(), addressCases(), messageCases(), pathCases(),
	} {
		maps.Copy(cases, some)
	}
	return cases
}

// TestEveryProxyHasRequestsDecidedAlike sends one table of requests through every proxy. All stand in front of the same
// places, where first there is nobody, then a verifier that is not ready, then one that is, and in the end two that are
// replaced one after the other.
func TestEveryProxyHasRequestsDecidedAlike(t *testing.T) {
	t.Parallel()
	p := startProxies(t)
	t.Run("closed while nobody answers", p.testNobody)
	t.Run("closed while the verifier is not ready", p.testNotReady)

	keys := issueProxiedKeys(t, p.fronts)
	verifier := startVerifier(t, "verifier-proxied", "--credential-query=api_key", "--credential-cookie=api_key", "--credential-body=api_key")
	p.lead(verifier)
	keys.awaitIn(t, verifier)
	p.awaitOpen(t, keys)
	t.Run("the table", func(t *testing.T) {
		cases := proxyCases()
		t.Logf("%d cases through %d proxies", len(cases), len(p.fronts))
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, f := range p.fronts {
					keys.run(t, f, c)
				}
			})
		}
	})
	t.Run("one connection", func(t *testing.T) { p.testOneConnection(t, keys) })
	trusting := startVerifier(t, "verifier-trusting", "--trusted-proxies="+strings.Join(localNetworks(t), ","))
	keys.awaitIn(t, trusting)
	p.moveOn(t, verifier, trusting)
	t.Run("with proxies that are trusted", func(t *testing.T) { p.testTrusted(t, keys) })
	t.Run("two verifiers are replaced under load", func(t *testing.T) { p.testReplacing(t, keys, trusting) })
}

// moveOn leads the proxies from one verifier to others, and ends it: with it end the connections that are kept to it.
func (p *proxies) moveOn(t *testing.T, from *stack.Verifier, to ...*stack.Verifier) {
	t.Helper()
	p.lead(to...)
	if err := from.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := from.EndedWell(); err != nil {
		t.Error(err)
	}
}

// run sends the request of a case through a proxy, after those that have to come before it.
func (k *proxiedKeys) run(t *testing.T, f *front, c proxyCase) {
	t.Helper()
	request := k.fill(f, c.request)
	for i := range c.before {
		if got := f.send(t, request); got.status != http.StatusOK {
			t.Fatalf("%s: request %d was answered %d", f.kind, i+1, got.status)
		}
	}
	k.check(t, f, c, f.send(t, request))
}

// awaitOpen waits until every proxy has found the verifier.
func (p *proxies) awaitOpen(t *testing.T, keys *proxiedKeys) {
	t.Helper()
	for _, f := range p.fronts {
		await(t, fmt.Sprintf("%s to find the verifier", f.kind), func(context.Context) error {
			if got := f.send(t, keys.fill(f, get("/any/", "X-API-Key: {bare}"))); got.status != http.StatusOK {
				return fmt.Errorf("it answers %d", got.status)
			}
			return nil
		})
	}
}

// testNobody looks that nothing passes where connections to the verifier are closed at once.
func (p *proxies) testNobody(t *testing.T) {
	want := proxyCase{want: byItself(http.StatusServiceUnavailable), but: []deviation{
		byItself(http.StatusInternalServerError).in("what auth_request answers", nginxes...),
		byItself(http.StatusInternalServerError).in("what ForwardAuth answers", traefiks...),
		byItself(http.StatusBadGateway).in("what forward_auth answers", viaCaddy),
	}}
	for _, f := range p.fronts {
		new(proxiedKeys).check(t, f, want, f.send(t, get("/any/", "X-API-Key: ak_x")))
	}
}

// testNotReady leads the proxies to a verifier that cannot reach the API server, and takes it away again.
func (p *proxies) testNotReady(t *testing.T) {
	nowhere, err := stack.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	unready, err := shared.LaunchVerifier(t.Context(), verifierOptions(stack.Options{Name: "verifier-not-ready", Server: "https://" + nowhere}))
	if err != nil {
		t.Fatal(err)
	}
	// With it go the connections that proxies keep to it.
	defer func() {
		if err := unready.Kill(); err != nil {
			t.Error(err)
		}
	}()
	p.lead(unready)
	for _, f := range p.fronts {
		for _, request := range []string{get("/any/", "X-API-Key: ak_x"), get("/mistake/"), send("HEAD /read/ HTTP/1.1", "")} {
			c := proxyCase{want: refused(http.StatusServiceUnavailable, "not_ready"), but: []deviation{
				byItself(http.StatusServiceUnavailable).in("over HTTP, Envoy takes 5xx for a failure to ask", viaEnvoy, viaEnvoyRaw),
			}}
			new(proxiedKeys).check(t, f, c, f.send(t, request))
		}
		// Over gRPC there are no headers that a client could make up; the table shows what is decided.
		if want, ok := questions()[f.kind]; ok {
			t.Run("what it is told by "+string(f.kind), func(t *testing.T) { p.testQuestion(t, f, want) })
		}
	}
	p.lead()
}
