package guides

import (
	"testing"
)

func TestIngressNginxGuideProtectsARoute(t *testing.T) {
	t.Parallel()
	l, g := exampleLab(t), readGuide(t, "guides/ingress-nginx.md")
	proxy := l.nginx(t, "guide-ingress-nginx", ingressRoute(t, g.block(t, "yaml", "protected").objects(t)[0]))
	printed := l.newConsole(t, proxy, nil).follow(t, g.block(t, "console", "requests"))
	expectUpstream(t, g.block(t, "http", "upstream"), printed[1])
	expectUpstream(t, g.block(t, "http", "upstream"), printed[2])
}
