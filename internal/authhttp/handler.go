package authhttp

import (
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// handle answers one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	defer s.denyAfterPanic(ctx)
	h := &ctx.Request.Header
	if !isUnambiguous(h) {
		s.refuseForm(ctx)
		return
	}
	q := gate.NewQuestion()
	// The raw bytes, since the path that fasthttp offers is decoded and normalised.
	route := s.read(h, h.RequestURI(), q)
	route.Ask(q)
	s.answer(ctx, route, q)
	q.Done()
	q.Release()
}

// read finds the dialect that is spoken on the target's path, and has it read the question.
func (s *Server) read(h head, target []byte, q *gate.Question) *route {
	q.RequestID = h.Peek(gate.HeaderRequestID)
	for i := range s.routes {
		route := &s.routes[i]
		requirement, rest, ok := route.match(target)
		if !ok {
			continue
		}
		q.Requirement = s.gate.Requirement(requirement)
		route.read(h, rest, s.gate, q)
		if len(q.Method) == 0 && route.others != "" {
			s.lookForMistake(route, h)
		}
		s.gate.FindCredential(q, h, nil)
		if s.traces {
			q.TraceParent, q.TraceState = h.Peek("Traceparent"), h.Peek("Tracestate")
		}
		return route
	}
	s.strayed.Do(func() {
		s.logger.Warn("a proxy asks on a path that is nobody's, so all its requests are refused; "+
			"correct the URL of its verifier", "known_paths", knownPaths)
	})
	return &s.noRoute
}

// lookForMistake tells whoever runs it, once, that a proxy seems to ask on the path of another kind, as an Ingress does that was
// moved from ingress-nginx to Traefik with its auth-url as it was. There a client can send what the path's own proxies
// overwrite, and so choose what is decided by. It decides nothing itself, since a client can send any header.
func (s *Server) lookForMistake(r *route, h head) {
	if len(h.Peek(r.others)) == 0 {
		return
	}
	s.mistaken.Do(func() {
		s.logger.Warn("a proxy seems to ask on the path of another kind of proxy; there clients could choose what is decided by, so correct "+
			"the URL of its verifier", "path", r.path, "missing", "the original method, as the proxies of this path tell it", "found", r.others)
	})
}

// knownPaths are for those who stray.
var knownPaths = func() (paths []string) {
	for _, d := range dialects {
		paths = append(paths, d.path)
	}
	return paths
}()

// refuseForm refuses a request that not everybody would read in the same way, and ends its connection, since neither is it
// certain where the next one begins.
func (s *Server) refuseForm(ctx *fasthttp.RequestCtx) {
	s.noRoute.Refuse(s.refuseUnread(ctx))
	ctx.SetConnectionClose()
}

// refuseUnread answers what was not asked in HTTP that can be understood, and returns the reason that it gave.
func (s *Server) refuseUnread(ctx *fasthttp.RequestCtx) authn.Reason {
	reason := s.gate.Unread()
	s.refuse(ctx, reason)
	// It keeps memory for the most headers that it ever held, and goes to another connection with it.
	ctx.Request.Header = fasthttp.RequestHeader{}
	return reason
}

// handleError answers what fasthttp cannot read as a request, before it closes the connection: bad syntax, too
// much of it, or too slow. What it says of the error may hold a key, so it is neither sent nor logged.
func (s *Server) handleError(ctx *fasthttp.RequestCtx, err error) {
	defer s.denyAfterPanic(ctx)
	s.giveTimeToLeave(ctx)
	reason := s.refuseUnread(ctx)
	if _, silent := err.(net.Error); silent { //nolint:errorlint // wrapped, it means that something had come
		return // someone connected and sent nothing, as a probe does; no request, no decision
	}
	s.noRoute.Refuse(reason)
}

// giveTimeToLeave puts off the deadline for what is written next. fasthttp does so for the answers of a handler alone; the
// one in force may be that of an earlier request, and long past.
func (s *Server) giveTimeToLeave(ctx *fasthttp.RequestCtx) {
	_ = ctx.Conn().SetWriteDeadline(time.Now().Add(s.timeouts.write)) // it fails where writing will
}

// handleExpect lets a body come; it is read and forgotten.
func (s *Server) handleExpect(ctx *fasthttp.RequestCtx) int {
	s.giveTimeToLeave(ctx)
	return fasthttp.StatusContinue
}

// denyAfterPanic refuses a request that met a bug of ours; fasthttp itself recovers from nothing.
func (s *Server) denyAfterPanic(ctx *fasthttp.RequestCtx) {
	cause := recover()
	if cause == nil {
		return
	}
	s.gate.Panicked(cause)
	ctx.Response.Reset()
	s.refuse(ctx, authn.NotReady)
	ctx.SetConnectionClose()
}

// refuse answers where nothing was decided, in a status that every proxy understands.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, reason authn.Reason) {
	q := gate.NewQuestion()
	defer q.Release()
	q.Reason = reason
	q.RequestID = ctx.Request.Header.Peek(gate.HeaderRequestID)
	s.answer(ctx, &s.noRoute, q)
}
