package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// relayedNginx is an nginx of the test's own whose subrequests go through a relay.
func relayedNginx(t *testing.T, keepAlive int) (*stack.Nginx, *relay) {
	t.Helper()
	r := newRelay(t, shared.verifiers[0].Address)
	nginx, err := shared.StartNginx(t.Context(), stack.NginxOptions{
		Name:      "nginx-" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")),
		Verifiers: []string{r.Address},
		Upstream:  shared.upstream.Address,
		Routes:    routes,
		KeepAlive: keepAlive,
	})
	if err != nil {
		t.Fatal(err)
	}
	return nginx, r
}

// TestTheSubrequestIsWhatIngressNginxSends holds the nginx of these tests to what the real controller was
// seen to do: what it sets, what it passes through from the client, what it drops.
func TestTheSubrequestIsWhatIngressNginxSends(t *testing.T) {
	t.Parallel()
	nginx, r := relayedNginx(t, 0)
	_, err := shared.try(t.Context(), nginx, call{
		method: "POST",
		path:   "/rules/a%2Fb/../c?x=%20y&x=2",
		body:   "a body of the client's own",
		headers: http.Header{
			"X-API-Key":          {"ak_nothing"},
			"User-Agent":         {"client"},
			"X-Original-URL":     {"https://forged.test/"},
			"X-Original-Method":  {"GET"},
			"X-Original-URI":     {"/forged"},
			"X-Scheme":           {"forged"},
			"X-Real-IP":          {"192.0.2.1"},
			"X-Forwarded-For":    {"192.0.2.2"},
			"X-Forwarded-Proto":  {"https"},
			"X-Forwarded-Uri":    {"/forged"},
			"X-Forwarded-Method": {"GET"},
			"X-Forwarded-Host":   {"forged.test"},
			"X-Apikey-Tenant":    {"forged"},
			"X-Sent-From":        {"forged"},
			"X_Original_Method":  {"GET"},
			"X_Apikey_Tenant":    {"forged"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	sent := r.seen()
	if len(sent) != 1 {
		t.Fatalf("the request made %d subrequests", len(sent))
	}
	got, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(sent[0].content())))
	if err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodGet || got.RequestURI != "/auth/nginx?rule=GET,HEAD:read&rule=POST,PUT:customers:write&rule=DELETE:admin" {
		t.Errorf("the subrequest is %s %s", got.Method, got.RequestURI)
	}
	if want := "apikey-verifier.apikey-operator-system.svc.cluster.local"; got.Host != want {
		t.Errorf("Host is %s, want %s", got.Host, want)
	}
	if body, err := io.ReadAll(got.Body); err != nil || len(body) > 0 || len(got.TransferEncoding) > 0 {
		t.Errorf("the subrequest has a body %q (%v, %v)", body, got.TransferEncoding, err)
	}
	id := got.Header.Get("X-Request-Id")
	want := http.Header{
		// Set by nginx.
		"X-Original-Url":          {"http://" + nginx.Address + "/rules/a%2Fb/../c?x=%20y&x=2"},
		"X-Original-Method":       {"POST"},
		"X-Real-Ip":               {"127.0.0.1"},
		"X-Forwarded-For":         {"127.0.0.1"},
		"X-Auth-Request-Redirect": {"/rules/a%2Fb/../c?x=%20y&x=2"},
		"X-Sent-From":             {"nginx-ingress-controller"},
		"Connection":              {"close"},
		// The client's own.
		"X-Request-Id":       {id},
		"X-Api-Key":          {"ak_nothing"},
		"User-Agent":         {"client"},
		"X-Original-Uri":     {"/forged"},
		"X-Scheme":           {"forged"},
		"X-Forwarded-Uri":    {"/forged"},
		"X-Forwarded-Method": {"GET"},
		"X-Forwarded-Host":   {"forged.test"},
		"X-Apikey-Tenant":    {"forged"},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Errorf("headers of the subrequest (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(id, "request-") {
		t.Errorf("X-Request-ID is %q, want the client's", id)
	}
}

func TestEachSubrequestOpensAConnectionUnlessNginxKeepsThemAlive(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "steady", `{permissions: [read]}`)
	for name, c := range map[string]struct {
		keepAlive       int
		wantConnections int
	}{
		"as ingress-nginx does by itself":  {0, 50},
		"with connections that stay alive": {8, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nginx, r := relayedNginx(t, c.keepAlive)
			for i := range 50 {
				// Refusals among them: an answer with a body would cost the connection.
				request, want := call{path: "/read/", key: key}, http.StatusOK
				switch i % 5 {
				case 1:
					request, want = call{path: "/read/"}, http.StatusUnauthorized
				case 2:
					request, want = call{path: "/admin/", key: key}, http.StatusForbidden
				case 3:
					request, want = call{method: "POST", path: "/read/", key: key, body: "a body"}, http.StatusOK
				}
				a, err := shared.try(t.Context(), nginx, request)
				if err != nil {
					t.Fatal(err)
				}
				if a.Status != want {
					t.Fatalf("request %d was answered %d, want %d", i, a.Status, want)
				}
			}
			if got := len(r.seen()); got != c.wantConnections {
				t.Errorf("50 requests used %d connections to the verifier, want %d", got, c.wantConnections)
			}
		})
	}
}

func TestARefusalTellsTheClientHowToAuthenticate(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "client", `{}`)
	for name, c := range map[string]struct {
		call             call
		wantStatus       int
		wantAuthenticate string // a piece of it
		unwanted         string
	}{
		"no key":               {call{path: "/any/"}, 401, `Bearer realm="`, "error="},
		"an unknown key":       {call{path: "/any/", key: "ak_unknown"}, 401, `error="invalid_token"`, ""},
		"a missing permission": {call{path: "/admin/", key: key}, 403, "", "Bearer"},
	} {
		t.Run(name, func(t *testing.T) {
			a := shared.send(t, c.call)
			got := a.Header.Get("WWW-Authenticate")
			if a.Status != c.wantStatus || !strings.Contains(got, c.wantAuthenticate) {
				t.Errorf("%d, WWW-Authenticate %q, want %d and %q in it", a.Status, got, c.wantStatus, c.wantAuthenticate)
			}
			if c.unwanted != "" && strings.Contains(got, c.unwanted) {
				t.Errorf("WWW-Authenticate %q says %q", got, c.unwanted)
			}
		})
	}
}

func TestACredentialListedInAuthResponseHeadersDoesNotReachTheUpstream(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "client", `{}`)
	for name, headers := range map[string]http.Header{
		"X-API-Key":     {"X-API-Key": {key}},
		"Authorization": {"Authorization": {"Bearer " + key}},
		"both":          {"X-API-Key": {key}, "Authorization": {"Bearer " + key}},
	} {
		t.Run(name, func(t *testing.T) {
			a := shared.expect(t, call{path: "/no-credential-upstream/", headers: headers}, http.StatusOK, "")
			for _, name := range []string{"X-Api-Key", "Authorization"} {
				if _, there := a.Echo.Headers[name]; there {
					t.Errorf("%s reached the upstream", name)
				}
			}
			a = shared.expect(t, call{path: "/any/", headers: headers}, http.StatusOK, "")
			if len(a.Echo.Headers["X-Api-Key"])+len(a.Echo.Headers["Authorization"]) == 0 {
				t.Error("without listing it the credential is dropped too, so the test shows nothing")
			}
		})
	}
}

// TestTheLongestIdentityFitsIntoNginxsBuffers has headers of the size that the API's rules allow at most.
func TestTheLongestIdentityFitsIntoNginxsBuffers(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	var permissions []string
	for i := range 35 {
		permissions = append(permissions, strings.Repeat("p", 60)+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	key := shared.issue(t, namespace, "verbose",
		"{tenant: "+strings.Repeat("t", 63)+", permissions: ["+strings.Join(permissions, ", ")+"], scopes: {category: ["+strings.Repeat("v", 63)+"]}}")
	a := shared.expect(t, call{path: "/any/", key: key}, http.StatusOK, "")
	if got, want := a.identity()["X-Apikey-Permissions"], strings.Join(permissions, ","); got != want {
		t.Errorf("the permissions at the upstream are %q, want %q", got, want)
	}
}

func TestARouteIsClosedWhenNoVerifierAnswers(t *testing.T) {
	t.Parallel()
	nobody, err := stack.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	key := shared.issue(t, shared.namespace(t), "client", `{}`)
	nginx, err := shared.StartNginx(t.Context(), stack.NginxOptions{
		Name: "nginx-alone", Verifiers: []string{nobody}, Upstream: shared.upstream.Address, Routes: routes,
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := shared.try(t.Context(), nginx, call{path: "/any/", key: key})
	if err != nil {
		t.Fatal(err)
	}
	if a.Status != http.StatusInternalServerError || a.Echo != nil {
		t.Errorf("the answer is %d, want nginx's 500", a.Status)
	}
}
