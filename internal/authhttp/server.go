package authhttp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// Metrics is where a Server says what it does.
type Metrics interface {
	// Decisions returns what is told of each decision in a dialect, and how long it took.
	Decisions(dialect string) func(reason authn.Reason, took time.Duration)
	// InvalidRequirement is told of each request to a route whose demands cannot be understood.
	InvalidRequirement()
	// Panicked is told of each request that was refused because answering it failed.
	Panicked()
}

// Server answers proxies.
type Server struct {
	http         fasthttp.Server
	decider      *authn.Decider
	ready        func() bool
	now          func() time.Time
	metrics      Metrics
	logger       *slog.Logger
	places       places
	requirements *requirements
	challenges   challenges
	routes       []route
	noRoute      route
	draining     atomic.Bool
	stopped      atomic.Bool
	panics       atomic.Int64
	strayed      sync.Once // whether a path that is nobody's was logged
}

// New makes a Server that asks decider. Until ready reports true it refuses everything; now is the clock that keys
// expire by. It fails on settings that make no sense.
func New(
	settings Settings, decider *authn.Decider, ready func() bool, now func() time.Time, metrics Metrics, logger *slog.Logger,
) (*Server, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		decider: decider,
		ready:   ready,
		now:     now,
		metrics: metrics,
		logger:  logger,
		places: places{
			header:        settings.CredentialHeader,
			authorization: settings.Authorization,
			query:         []byte(settings.QueryParameter),
			cookie:        []byte(settings.Cookie),
		},
		requirements: newRequirements(logger),
		challenges:   newChallenges(settings.Realm),
		noRoute:      newRoute(noDialect, metrics),
	}
	for _, d := range []dialect{nginx} {
		s.routes = append(s.routes, newRoute(d, metrics))
	}
	s.configure(settings)
	return s, nil
}

func newRoute(d dialect, metrics Metrics) route {
	return route{dialect: d, decided: metrics.Decisions(d.name)}
}

func (s *Server) configure(settings Settings) {
	s.http.Handler = s.handle
	s.http.ErrorHandler = s.handleError
	s.http.Logger = quietLogger{s.logger}
	s.http.SecureErrorLogMessage = true // should what quietLogger leaves out ever come through
	s.http.Concurrency = settings.MaxConnections
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
	if s.stopped.Load() {
		return ln.Close()
	}
	if err := s.http.Serve(&patientListener{Listener: ln, logger: s.logger}); err != nil {
		return fmt.Errorf("accept connections of proxies on %s: %w", ln.Addr(), err)
	}
	return nil
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
	s.stopped.Store(true)
	return s.http.ShutdownWithContext(ctx)
}

// quietLogger takes what fasthttp logs. Errors of single connections are left out: they quote what was sent,
// and anyone can cause them.
type quietLogger struct{ logger *slog.Logger }

func (l quietLogger) Printf(format string, args ...any) {
	if !strings.HasPrefix(format, "error when serving connection") {
		l.logger.Warn(fmt.Sprintf(format, args...))
	}
}
