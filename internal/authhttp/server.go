// Package authhttp answers proxies over HTTP. Each dialect, that is the protocol of one kind of proxy, is
// a small file over the same steps: find the credential, parse what the route demands, decide, answer.
//
// It is served by fasthttp, which allocates nothing for a request once it is warm.
package authhttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

// dialect is what one kind of proxy does differently from others.
type dialect interface {
	// name stands in metrics.
	name() string
	// original is the method and the URL of the request that the proxy asks about, empty where not known.
	original(h *fasthttp.RequestHeader) (method, url []byte)
	// status is the HTTP status that tells the proxy of a reason.
	status(r authn.Reason) int
}

// route is a dialect with its counters.
type route struct {
	dialect
	metrics *verifiermetrics.Dialect
}

// Server answers proxies.
type Server struct {
	settings     Settings
	decider      *authn.Decider
	ready        func() bool
	now          func() time.Time
	metrics      *verifiermetrics.Metrics
	logger       *slog.Logger
	requirements *requirements
	nginx        route
	http         *fasthttp.Server
}

// New makes a server. ready says whether the index has held all ApiKeys once; now is the clock.
func New(settings Settings, decider *authn.Decider, ready func() bool, now func() time.Time,
	metrics *verifiermetrics.Metrics, logger *slog.Logger,
) *Server {
	s := &Server{
		settings:     settings,
		decider:      decider,
		ready:        ready,
		now:          now,
		metrics:      metrics,
		logger:       logger,
		requirements: newRequirements(logger),
		nginx:        route{dialect: nginx{}, metrics: metrics.Dialect(nginx{}.name())},
	}
	s.http = &fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.unreadable,
		Logger:                       quiet{},
		ReadBufferSize:               settings.MaxHeaderBytes,
		MaxRequestBodySize:           settings.MaxBodyBytes,
		ReadTimeout:                  settings.ReadTimeout,
		WriteTimeout:                 settings.WriteTimeout,
		IdleTimeout:                  settings.IdleTimeout,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		CloseOnShutdown:              true,
	}
	return s
}

// quiet keeps the library from logging: what it reports are its clients' mistakes, which are counted.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Serve answers until Shutdown.
func (s *Server) Serve(listener net.Listener) error {
	if err := s.http.Serve(listener); err != nil {
		return fmt.Errorf("serve proxies: %w", err)
	}
	return nil
}

// Shutdown stops taking connections, closes idle ones and waits for the others to be answered, which tells
// their proxies to close them.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.ShutdownWithContext(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("finish the requests in flight: %w", err)
	}
	return nil
}

// handle answers one request. The path is taken from the request line byte by byte: the library's own
// reading of it resolves dots and escapes, which is not for us to do.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	defer s.refuseAfterPanic(ctx)
	path, query, _ := bytes.Cut(ctx.Request.Header.RequestURI(), []byte("?"))
	if string(path) != pathNginx {
		s.unknownPath(ctx)
		return
	}
	s.answer(ctx, &s.nginx, query)
}

func (s *Server) answer(ctx *fasthttp.RequestCtx, r *route, query []byte) {
	now := s.now()
	header := &ctx.Request.Header
	method, url := r.original(header)
	decision := s.decider.Decide(&authn.Request{
		Ready:       s.ready(),
		Requirement: s.requirements.of(query),
		Credential:  s.settings.credentialOf(header, url),
		Method:      method,
		Now:         now,
	})
	ctx.Response.SetStatusCode(r.status(decision.Reason))
	setRequestID(&ctx.Response.Header, header.Peek(headerRequestID))
	if decision.Reason == authn.Allowed {
		allow(&ctx.Response.Header, &decision)
	} else {
		s.settings.refuse(&ctx.Response.Header, &decision)
	}
	if decision.Reason == authn.InvalidRequirement {
		s.metrics.InvalidRequirement()
	}
	r.metrics.Decided(decision.Reason, s.now().Sub(now))
}

// unknownPath refuses what belongs to no dialect: the route's author wrote the auth URL wrongly.
func (s *Server) unknownPath(ctx *fasthttp.RequestCtx) {
	s.metrics.InvalidRequirement()
	s.refusePlainly(ctx, fasthttp.StatusForbidden, authn.InvalidRequirement)
}

// unreadable answers what is no HTTP, too large or too slow. To nginx any other status than 401 or 403
// would become a 500 at its client.
func (s *Server) unreadable(ctx *fasthttp.RequestCtx, _ error) {
	s.metrics.MalformedRequest()
	s.refusePlainly(ctx, fasthttp.StatusUnauthorized, authn.MalformedCredential)
	ctx.SetConnectionClose()
}

// refuseAfterPanic keeps a mistake in this program from taking all other requests down with it.
func (s *Server) refuseAfterPanic(ctx *fasthttp.RequestCtx) {
	cause := recover()
	if cause == nil {
		return
	}
	s.metrics.Panic()
	s.logger.Error("deciding a request failed, so it is refused; please report this", "stack", string(debug.Stack()))
	ctx.Response.Reset()
	s.refusePlainly(ctx, fasthttp.StatusForbidden, authn.NotReady)
}

func (s *Server) refusePlainly(ctx *fasthttp.RequestCtx, status int, reason authn.Reason) {
	ctx.Response.SetStatusCode(status)
	setRequestID(&ctx.Response.Header, ctx.Request.Header.Peek(headerRequestID))
	s.settings.refuse(&ctx.Response.Header, &authn.Decision{Reason: reason})
}
