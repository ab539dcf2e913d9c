package guides

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

func TestIngressNginxGuideProtectsARoute(t *testing.T) {
	t.Parallel()
	l, g := exampleLab(t), readGuide(t, "guides/ingress-nginx.md")
	proxy := l.nginx(t, "guide-ingress-nginx", ingressRoute(t, g.block(t, "yaml", "protected").objects(t)[0]))
	console := l.newConsole(t, proxy, nil)
	printed := console.follow(t, g.block(t, "console", "requests"))
	for _, allowed := range printed[1:3] {
		expectUpstream(t, g.block(t, "http", "upstream"), allowed)
	}

	l.apply(t, g.block(t, "yaml", "limited").text)
	l.key(t, exampleNamespace, "once-an-hour")
	console.follow(t, g.block(t, "console", "limited"))
}

func TestIngressNginxGuidePointsTheControllerAtTheHeaders(t *testing.T) {
	t.Parallel()
	l, g := labWithKinds(t), readGuide(t, "guides/ingress-nginx.md")
	l.namespace(t, "ingress-nginx")
	l.apply(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: ingress-nginx-controller, namespace: ingress-nginx}}")
	l.newConsole(t, "", nil).follow(t, g.block(t, "console", "point"))
	pointed := l.kubectl(t, "get", "configmap", "ingress-nginx-controller", "--namespace=ingress-nginx", "-o", "jsonpath={.data.proxy-set-headers}")
	headers := g.block(t, "yaml", "headers-for-all").objects(t)[0]
	if want := headers.metadata("namespace") + "/" + headers.metadata("name"); pointed != want {
		t.Errorf("the controller is pointed at %q, not at %q", pointed, want)
	}
	emptied, _ := headers["data"].(map[string]any)
	for _, name := range append([]string{"X-API-Key"}, stack.IdentityHeaders...) {
		if value, ok := emptied[name]; !ok || value != "" {
			t.Errorf("%s is not emptied: %v", name, value)
		}
	}
}

func TestIngressNginxGuideTellsHowLateARevocationIsWhereAnswersAreKept(t *testing.T) {
	t.Parallel()
	l := exampleLab(t)
	proxy := l.nginx(t, "guide-kept", keptRoute(t))
	l.apply(t, `{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: kept, namespace: phoenix},
		spec: {tenant: acme, permissions: [read], scopes: {category: [general]}}}`)
	key := http.Header{"X-Api-Key": {l.key(t, exampleNamespace, "kept")}}
	expectStatus(t, proxy, http.MethodGet, "/asked-before", key, http.StatusOK)
	l.kubectl(t, "patch", "apikey", "kept", "--namespace", exampleNamespace, "--type=merge", "-p", `{"spec":{"revoked":true}}`)
	await(t, "the key to be refused where it was not used before", func(ctx context.Context) error {
		if status := send(ctx, t, proxy, http.MethodGet, "/asked-now", key); status != http.StatusUnauthorized {
			return fmt.Errorf("it is answered %d", status)
		}
		return nil
	})
	expectStatus(t, proxy, http.MethodGet, "/asked-before", key, http.StatusOK)
	expectStatus(t, proxy, http.MethodHead, "/asked-before", key, http.StatusUnauthorized)
}

// TestIngressNginxGuidesCacheKeyGivesNobodyAnothersAnswer sends the two requests that the guide tells of, also where the
// cache key is the one that it warns of.
func TestIngressNginxGuidesCacheKeyGivesNobodyAnothersAnswer(t *testing.T) {
	t.Parallel()
	l, route := exampleLab(t), keptRoute(t)
	hole := route
	hole.CacheKey = "$http_x_api_key$http_authorization$request_method$request_uri"
	for name, c := range map[string]struct {
		route      stack.Route
		wantStatus int
	}{
		"guide-safe-key": {route, http.StatusForbidden},
		"guide-hole":     {hole, http.StatusOK},
	} {
		proxy := l.nginx(t, name, c.route)
		key := l.key(t, exampleNamespace, exampleKey) // which may read alone
		expectStatus(t, proxy, http.MethodGet, "/public/DELETE/admin", http.Header{"X-Api-Key": {key}}, http.StatusOK)
		shifted := http.Header{"X-Api-Key": {key}, "Authorization": {"GET/public/"}}
		expectStatus(t, proxy, http.MethodDelete, "/admin", shifted, c.wantStatus)
	}
}

// keptRoute is the guide's route with answers that are kept.
func keptRoute(t *testing.T) stack.Route {
	t.Helper()
	o := readGuide(t, "guides/ingress-nginx.md").block(t, "yaml", "cached").objects(t)[0]
	route := ingressRoute(t, o)
	route.CacheKey = o.annotation(t, "auth-cache-key")
	return route
}

// expectStatus sends a request to a proxy and compares the status.
func expectStatus(t *testing.T, proxy, method, path string, headers http.Header, want int) {
	t.Helper()
	if got := send(t.Context(), t, proxy, method, path, headers); got != want {
		t.Errorf("%s %s is answered %d, want %d", method, path, got, want)
	}
}

// send sends a request to a proxy and returns the status of the answer.
func send(ctx context.Context, t *testing.T, proxy, method, path string, headers http.Header) int {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+proxy+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = headers
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return 0 // whoever waits says so
		}
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}
