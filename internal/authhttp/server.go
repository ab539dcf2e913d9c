package authhttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// Server answers proxies.
type Server struct {
	http     fasthttp.Server
	gate     *gate.Gate
	traces   bool
	logger   *slog.Logger
	routes   []route
	noRoute  route
	draining atomic.Bool
	date     date
	open     openLanes
	timeouts timeouts

	slots   chan struct{} // holds one for each connection
	closing chan struct{} // closed when no more are accepted

	starting  sync.Mutex // over what follows
	listeners []net.Listener
	stopped   bool
	accepting sync.WaitGroup // those who may still accept a connection; none joins once stopped

	strayed  sync.Once // whether a path that is nobody's was logged
	mistaken sync.Once // whether one of another dialect was
}

// New makes a Server that asks g. It fails on settings that make no sense.
func New(settings Settings, g *gate.Gate, logger *slog.Logger) (*Server, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	s := &Server{gate: g, traces: g.Traces(), logger: logger, noRoute: route{noDialect, g.Nowhere()}}
	for _, d := range dialects {
		s.routes = append(s.routes, route{d, g.Route(d.name)})
	}
	s.configure(settings)
	return s, nil
}

func (s *Server) configure(settings Settings) {
	s.http.Handler = s.handle
	s.http.ErrorHandler = s.handleError
	s.http.ExpectHandler = s.handleExpect
	s.http.Logger = quietLogger{s.logger}
	s.http.SecureErrorLogMessage = true // should what quietLogger leaves out ever come through
	s.slots, s.closing = make(chan struct{}, settings.MaxConnections), make(chan struct{})
	s.timeouts = timeoutsOf(settings)
	s.http.Concurrency = 2 * settings.MaxConnections // never reached: accept keeps to the limit
	s.http.ReadBufferSize = settings.MaxHeaderBytes
	s.http.MaxRequestBodySize = settings.MaxBodyBytes
	s.http.ReadTimeout = settings.ReadTimeout
	s.http.WriteTimeout = settings.WriteTimeout
	s.http.IdleTimeout = settings.IdleTimeout
	s.http.CloseOnShutdown = true // for answers that were made before Drain and are sent after
	s.http.DisablePreParseMultipartForm = true
	s.http.NoDefaultServerHeader = true
}

// Serve answers on the connections that ln accepts, until Shutdown. It returns nil then, and an error when
// ln fails for good. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	if !s.listenOn(ln) {
		return ln.Close()
	}
	// fasthttp closes idle connections at the end only where it serves a listener.
	parked := newParkedListener(ln.Addr())
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(parked) }()
	<-parked.accepting
	err := s.accept(&patientListener{Listener: ln, logger: s.logger})
	s.accepting.Done()
	return errors.Join(err, parked.Close(), <-served)
}

// accept serves connections until Shutdown, or until ln fails for good.
func (s *Server) accept(ln net.Listener) error {
	for {
		// More connections than allowed wait to be accepted: whatever was answered to them would be a 500 to
		// nginx's client, and waiting is often short.
		select {
		case s.slots <- struct{}{}:
		case <-s.closing:
			return nil
		}
		conn, err := ln.Accept()
		if err == nil {
			go s.serveLane(s.newLane(conn))
			continue
		}
		<-s.slots
		if s.isStopped() {
			return nil
		}
		return fmt.Errorf("accept connections of proxies on %s: %w", ln.Addr(), err)
	}
}

// listenOn notes what Shutdown has to close, and reports whether there was none yet: the library does not
// know of a listener until it accepts from it.
func (s *Server) listenOn(ln net.Listener) bool {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.listeners = append(s.listeners, ln)
	if s.stopped {
		return false
	}
	s.accepting.Add(1)
	return true
}

func (s *Server) isStopped() bool {
	s.starting.Lock()
	defer s.starting.Unlock()
	return s.stopped
}

// Drain makes every answer from now on close its connection, so that proxies come back on new ones, which may
// lead to another replica. All requests are still answered.
func (s *Server) Drain() {
	s.draining.Store(true)
}

// Shutdown accepts no more connections, closes the idle ones, and waits until requests in flight are answered.
// Where ctx ends before that, it returns its error and the rest is left to the end of the process.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	s.starting.Lock()
	if !s.stopped {
		close(s.closing)
	}
	s.stopped = true
	for _, ln := range s.listeners {
		_ = ln.Close() // what is closed already needs no closing
	}
	s.starting.Unlock()
	s.accepting.Wait() // what they accepted last is answered too; they end at once, or after a pause of patientListener
	closed := make(chan error, 1)
	go func() { closed <- s.http.ShutdownWithContext(ctx) }() // which ends the idle ones that were handed over
	if err := errors.Join(s.open.stop(ctx), <-closed); err != nil {
		return fmt.Errorf("finish the requests in flight: %w", err)
	}
	return nil
}

// quietLogger takes what fasthttp logs. Errors of single connections are left out: they quote what was sent,
// and anyone can cause them.
type quietLogger struct{ logger *slog.Logger }

func (l quietLogger) Printf(format string, args ...any) {
	if !strings.HasPrefix(format, "error when serving connection") {
		l.logger.Warn(fmt.Sprintf(format, args...))
	}
}
