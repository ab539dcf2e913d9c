package authhttp

import (
	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// nginx is the dialect of nginx's auth_request and of ingress-nginx's auth-url. nginx understands 200, 401
// and 403 and makes 500 of all else. It overwrites X-Original-Method, X-Original-URL and X-Real-IP; of X-Forwarded-* and
// X-Original-URI the client's own arrive, so they are not looked at. The host in X-Original-URL can be
// forged by an absolute-form request line and decides nothing.
//
// Its answers never have a body, since nginx shows its own, and opens a new connection after two bytes of ours.
var nginx = dialect{
	name:   "nginx",
	path:   "/auth/nginx",
	read:   readNginx,
	status: closedStatus,
	others: "X-Forwarded-Method",
}

// readNginx takes a header that comes twice with different values as not known: then one of them is
// the client's.
func readNginx(h head, _ []byte, _ *gate.Gate, q *gate.Question) {
	q.Method, _ = gate.Only(h.PeekAll("X-Original-Method"))
	q.URL, _ = gate.Only(h.PeekAll("X-Original-Url"))
	client, _ := gate.Only(h.PeekAll("X-Real-Ip"))
	q.Client.SetText(client)
}
