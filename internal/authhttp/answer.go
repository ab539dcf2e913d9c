package authhttp

import (
	"math/rand/v2"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

const (
	headerNamespace   = "X-Apikey-Namespace"
	headerName        = "X-Apikey-Name"
	headerTenant      = "X-Apikey-Tenant"
	headerPermissions = "X-Apikey-Permissions"
	headerScopes      = "X-Apikey-Scopes"
	headerRevision    = "X-Apikey-Revision"
	headerReason      = "X-Apikey-Reason"
	headerRequestID   = "X-Request-Id"
)

// answer writes a decision. The body is always empty: nginx shows its own, and opens a new connection
// after two bytes of ours.
func (s *Server) answer(ctx *fasthttp.RequestCtx, r *route, d *authn.Decision) {
	h := &ctx.Response.Header
	h.SetNoDefaultContentType(true)
	h.SetContentLength(0) // which fasthttp leaves out of an answer to HEAD
	ctx.Response.SetStatusCode(r.status(d.Reason))
	setRequestID(h, ctx.Request.Header.Peek(headerRequestID))
	setCacheControl(h, d.CacheSeconds)
	if d.Reason == authn.Allowed {
		setIdentity(h, d.Key)
	} else {
		h.Set(headerReason, d.Reason.String())
		s.challenges.set(h, d)
	}
	if s.draining.Load() {
		ctx.Response.SetConnectionClose()
	}
}

// setIdentity writes all identity headers, the empty ones too: a proxy replaces what the client sent only
// by what it is given.
func setIdentity(h *fasthttp.ResponseHeader, key index.Found) {
	h.Set(headerNamespace, key.Namespace())
	h.Set(headerName, key.Name())
	h.Set(headerTenant, key.Tenant())
	h.Set(headerPermissions, key.Permissions())
	h.Set(headerScopes, key.Scopes())
	var digits [20]byte
	h.SetBytesV(headerRevision, strconv.AppendInt(digits[:0], key.Revision(), 10))
}

func setCacheControl(h *fasthttp.ResponseHeader, seconds int) {
	if seconds <= 0 {
		h.Set(fasthttp.HeaderCacheControl, "no-store")
		return
	}
	var value [32]byte
	h.SetBytesV(fasthttp.HeaderCacheControl, strconv.AppendInt(append(value[:0], "max-age="...), int64(seconds), 10))
}

// maxRequestIDLen is the length of the longest request ID that is passed on.
const maxRequestIDLen = 128

// setRequestID passes on the request's ID, or makes one where it has none that is fit for logs.
func setRequestID(h *fasthttp.ResponseHeader, given []byte) {
	if isRequestID(given) {
		h.SetBytesV(headerRequestID, given)
		return
	}
	// 16 digits always: with the highest bit set none is lost. IDs need to be distinct, not secret.
	var id [16]byte
	h.SetBytesV(headerRequestID, strconv.AppendUint(id[:0], rand.Uint64()|1<<63, 16)) //nolint:gosec // see above
}

func isRequestID(id []byte) bool {
	for _, c := range id {
		if !isAlphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(id) > 0 && len(id) <= maxRequestIDLen
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// challenges are the values of WWW-Authenticate (RFC 6750, section 3).
type challenges struct {
	plain, invalidToken, insufficientScope string
}

func newChallenges(realm string) challenges {
	plain := `Bearer realm="` + realm + `"`
	return challenges{
		plain:             plain,
		invalidToken:      plain + `, error="invalid_token"`,
		insufficientScope: plain + `, error="insufficient_scope"`,
	}
}

func (c *challenges) set(h *fasthttp.ResponseHeader, d *authn.Decision) {
	switch {
	case d.Reason == authn.MissingCredential:
		h.Set(fasthttp.HeaderWWWAuthenticate, c.plain)
	case d.Reason.Status() == fasthttp.StatusUnauthorized:
		h.Set(fasthttp.HeaderWWWAuthenticate, c.invalidToken)
	case d.Reason == authn.PermissionDenied && d.Demanded == "": // no rule is for the method, so no scope helps
		h.Set(fasthttp.HeaderWWWAuthenticate, c.insufficientScope)
	case d.Reason == authn.PermissionDenied:
		h.Set(fasthttp.HeaderWWWAuthenticate, c.insufficientScope+`, scope="`+d.Demanded+`"`)
	}
}
