package authhttp

import (
	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// envoy is the dialect of Envoy's ext_authz over HTTP, as Envoy Gateway, Istio's envoyExtAuthzHttp and the Gateway API's
// ExternalAuth filter set it up: the original request without its body, its path behind a prefix of the route author's
// (https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto, path_prefix).
// So the query is the client's, and what the route demands is a segment of the path.
//
// Envoy sends the client's headers by name: X-API-Key has to be allowed.
var envoy = dialect{
	name:     "envoy",
	path:     "/auth/envoy/",
	inPath:   true,
	read:     readEnvoy,
	status:   ownStatus,
	explains: true,
}

func readEnvoy(h head, rest []byte, g *gate.Gate, q *gate.Question) {
	q.Method, q.URL, q.Host = h.Method(), rest, h.Host()
	q.Client.SetForwarded(h.PeekAll("X-Forwarded-For"), g.TrustedProxies())
}
