package authhttp

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// handle answers one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	defer s.denyAfterPanic(ctx)
	started := s.now()
	// The raw bytes, since the path that fasthttp offers is decoded and normalised.
	route, query := s.routeOf(ctx.Request.Header.RequestURI())
	request := authn.Request{Ready: s.ready(), Now: started}
	shareable := false
	if route.original != nil {
		original := route.original(&ctx.Request.Header)
		request.Requirement = s.requirements.get(query)
		request.Credential, shareable = s.places.credential(&ctx.Request.Header, original.url)
		request.Method, request.Address = original.method, original.client
	}
	decision := s.decider.Decide(&request)
	if !shareable {
		decision.CacheSeconds = 0
	}
	s.answer(ctx, route, &decision)
	if decision.Reason == authn.InvalidRequirement {
		s.metrics.InvalidRequirement()
	}
	route.decided(decision.Reason, s.now().Sub(started))
}

// routeOf finds the dialect that is spoken on the target's path.
func (s *Server) routeOf(target []byte) (r *route, query []byte) {
	path, query, _ := bytes.Cut(target, []byte("?"))
	for i := range s.routes {
		if string(path) == s.routes[i].path {
			return &s.routes[i], query
		}
	}
	s.strayed.Do(func() {
		s.logger.Warn("a proxy asks on a path that is nobody's, so all its requests are refused; "+
			"correct the URL of its verifier", "known_paths", nginx.path)
	})
	return &s.noRoute, nil
}

// handleError answers what fasthttp cannot read as a request, before it closes the connection: bad syntax, too
// much of it, or too slow. What it says of the error may hold a key, so it is neither sent nor logged.
func (s *Server) handleError(ctx *fasthttp.RequestCtx, err error) {
	defer s.denyAfterPanic(ctx)
	reason := authn.MalformedCredential
	if !s.ready() {
		reason = authn.NotReady
	}
	s.answer(ctx, &s.noRoute, &authn.Decision{Reason: reason})
	if _, silent := err.(net.Error); silent { //nolint:errorlint // wrapped, it means that something had come
		return // someone connected and sent nothing, as a probe does; no request, no decision
	}
	s.noRoute.decided(reason, Unmeasured)
}

// denyAfterPanic refuses a request that met a bug of ours; fasthttp itself recovers from nothing.
func (s *Server) denyAfterPanic(ctx *fasthttp.RequestCtx) {
	cause := recover()
	if cause == nil {
		return
	}
	s.metrics.Panicked()
	s.noRoute.decided(authn.NotReady, Unmeasured)
	ctx.Response.Reset()
	s.answer(ctx, &s.noRoute, &authn.Decision{Reason: authn.NotReady})
	ctx.SetConnectionClose()
	if s.panics.Add(1) <= maxLoggedPanics {
		s.logger.Error("a request was refused because answering it failed; please report this",
			"panic", describePanic(cause), "stack", string(debug.Stack()))
	}
}

// maxLoggedPanics is enough to find a bug; the metric counts them all.
const maxLoggedPanics = 100

// describePanic gives the text of what the runtime says itself. Any other value could hold what was sent.
func describePanic(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", cause)
}
