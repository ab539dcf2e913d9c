package authhttp

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// answer writes down what a question was answered with.
func (s *Server) answer(ctx *fasthttp.RequestCtx, r *route, q *gate.Question) {
	h := &ctx.Response.Header
	h.SetNoDefaultContentType(true)
	ctx.Response.SetStatusCode(r.status(q.Reason))
	h.SetBytesV(gate.HeaderRequestID, q.ID())
	var value [96]byte
	h.SetBytesV(fasthttp.HeaderCacheControl, gate.AppendCacheControl(value[:0], q.CacheSeconds))
	if q.Counted {
		setLimit(h, q)
	}
	if q.Reason == authn.Allowed {
		h.SetContentLength(0) // which fasthttp leaves out of an answer to HEAD
		setIdentity(h, q.Key)
	} else {
		s.setRefusal(ctx, r, q)
	}
	if s.draining.Load() {
		ctx.Response.SetConnectionClose()
	}
}

func (s *Server) setRefusal(ctx *fasthttp.RequestCtx, r *route, q *gate.Question) {
	h := &ctx.Response.Header
	h.Set(gate.HeaderReason, q.Reason.String())
	if challenge := s.gate.Challenge(&q.Decision); challenge != "" {
		h.Set(fasthttp.HeaderWWWAuthenticate, challenge)
	}
	if !r.explains {
		h.SetContentLength(0)
		return
	}
	h.SetContentType(gate.ProblemType)
	ctx.Response.SetBodyRaw(gate.Problem(q.Reason))
}

// setIdentity writes all identity headers, the empty ones too: a proxy replaces what the client sent only
// by what it is given.
func setIdentity(h *fasthttp.ResponseHeader, key index.Found) {
	h.Set(gate.HeaderNamespace, key.Namespace())
	h.Set(gate.HeaderName, key.Name())
	h.Set(gate.HeaderTenant, key.Tenant())
	h.Set(gate.HeaderPermissions, key.Permissions())
	h.Set(gate.HeaderScopes, key.Scopes())
	var digits [20]byte
	h.SetBytesV(gate.HeaderRevision, strconv.AppendInt(digits[:0], key.Revision(), 10))
}

// setLimit tells of the key's rate limit and what is left of it.
func setLimit(h *fasthttp.ResponseHeader, q *gate.Question) {
	var value [96]byte
	h.SetBytesV(ratelimit.PolicyHeader, ratelimit.AppendPolicy(value[:0], q.Limit))
	h.SetBytesV(ratelimit.StateHeader, ratelimit.AppendState(value[:0], q.Usage))
	if q.Reason == authn.RateLimited {
		h.SetBytesV(ratelimit.RetryAfterHeader, strconv.AppendInt(value[:0], ratelimit.RetryAfterSeconds(q.Usage), 10))
	}
}
