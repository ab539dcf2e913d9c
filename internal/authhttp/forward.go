package authhttp

import (
	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// forward is the dialect of Traefik's ForwardAuth (https://doc.traefik.io/traefik/middlewares/http/forwardauth/), of its
// provider for ingress-nginx's annotations, and of Caddy's forward_auth
// (https://caddyserver.com/docs/caddyfile/directives/forward_auth). They overwrite X-Forwarded-Method, X-Forwarded-Uri and
// X-Forwarded-Host, and put the address that they were asked from last into X-Forwarded-For; of X-Original-* and X-Real-IP
// the client's own arrive, so they are not looked at.
var forward = dialect{
	name:     "forward",
	path:     "/auth/forward",
	read:     readForward,
	status:   ownStatus,
	others:   "X-Original-Method",
	explains: true,
}

// readForward takes a header that comes twice with different values as not known, as readNginx does.
func readForward(h head, _ []byte, g *gate.Gate, q *gate.Question) {
	q.Method, _ = gate.Only(h.PeekAll("X-Forwarded-Method"))
	q.URL, _ = gate.Only(h.PeekAll("X-Forwarded-Uri"))
	q.Host, _ = gate.Only(h.PeekAll("X-Forwarded-Host"))
	q.Client.SetForwarded(h.PeekAll("X-Forwarded-For"), g.TrustedProxies())
}
