package authhttp

import (
	"github.com/valyala/fasthttp"
)

// nginx is the dialect of nginx's auth_request and of ingress-nginx's auth-url. nginx understands 200, 401
// and 403 and makes 500 of all else. It overwrites X-Original-Method, X-Original-URL and X-Real-IP; of X-Forwarded-* and
// X-Original-URI the client's own arrive, so they are not looked at. The host in X-Original-URL can be
// forged by an absolute-form request line and is used for nothing.
var nginx = dialect{
	name:     "nginx",
	path:     "/auth/nginx",
	original: nginxOriginal,
	status:   closedStatus,
}

// nginxOriginal takes a header that comes twice with different values as not known: then one of them is
// the client's.
func nginxOriginal(h *fasthttp.RequestHeader) original {
	method, _ := only(h.PeekAll("X-Original-Method"))
	url, _ := only(h.PeekAll("X-Original-Url"))
	client, _ := only(h.PeekAll("X-Real-Ip"))
	return original{method: method, url: url, client: addressOf(client)}
}
