package guides

import (
	"net/http"
	"strings"
	"testing"
)

// TestLeavingGuideComparesBothProxies has an nginx that is set up as ingress-nginx does it for the route of that guide, and a
// Traefik that reads the second route from the API server.
func TestLeavingGuideComparesBothProxies(t *testing.T) {
	t.Parallel()
	l, g := exampleLab(t), readGuide(t, "guides/leaving-ingress-nginx.md")
	first := readGuide(t, "guides/ingress-nginx.md").block(t, "yaml", "protected")
	l.apply(t, first.text)
	l.newConsole(t, "", nil).follow(t, g.block(t, "console", "inventory"))
	old := l.nginx(t, "guide-leaving", ingressRoute(t, first.objects(t)[0]))

	l.namespace(t, "nginx-on-traefik")
	l.apply(t, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: traefik, namespace: nginx-on-traefik}}", g.block(t, "yaml", "traefik-rights").text)
	l.applyAskingHere(t, g.block(t, "yaml", "traefik-route"))
	now := l.traefik(t, "guide-nginx-on-traefik", g.block(t, "yml", "static"), "nginx-on-traefik", "web")
	awaitAnswer(t, now, http.StatusUnauthorized)

	console := l.newConsole(t, "", map[string]string{"OLD": old, "NEW": now})
	printed := console.follow(t, g.block(t, "console", "compare"))
	upstream := readGuide(t, "guides/ingress-nginx.md").block(t, "http", "upstream")
	_, second, _ := strings.Cut(printed[1][1:], "HTTP/1.1 ")
	expectUpstream(t, upstream, strings.TrimSuffix(printed[1], "HTTP/1.1 "+second))
	expectUpstream(t, upstream, second)
}
