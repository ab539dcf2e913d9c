package authhttp

import (
	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// pathNginx is the path of the dialect of nginx's auth_request and of ingress-nginx's auth-url
// (http://nginx.org/en/docs/http/ngx_http_auth_request_module.html).
const pathNginx = "/auth/nginx"

// nginx is that dialect. It reads only what nginx overwrites; everything else that a client sends comes
// through. The host in X-Original-URL decides nothing: an absolute-form request line forges it.
type nginx struct{}

func (nginx) name() string { return "nginx" }

// original reads what nginx says of its client's request. A method given twice is not known.
func (nginx) original(h *fasthttp.RequestHeader) (method, url []byte) {
	method, _ = agreed(h.PeekAll(headerOriginalMethod))
	url, _ = agreed(h.PeekAll(headerOriginalURL))
	return method, url
}

// status is one of the three that auth_request understands: any other becomes a 500 at the client. There
// is no body: nginx shows its own page, and would close the connection over one.
func (nginx) status(r authn.Reason) int {
	switch status := r.Status(); status {
	case fasthttp.StatusOK, fasthttp.StatusUnauthorized:
		return status
	default:
		return fasthttp.StatusForbidden
	}
}
