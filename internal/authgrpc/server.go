package authgrpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// Config is what a Server works with.
type Config struct {
	Gate *gate.Gate
	// Ready reports whether questions should be sent here, for the health service. nil: what the gate says.
	Ready func() bool
	// TLS is that of the listener; nil for none.
	TLS *tls.Config
	// HandshakeFailed is told of each connection that ends in the handshake of TLS, by any goroutine, since gRPC tells nobody. nil
	// for nobody.
	HandshakeFailed func(error)
}

// Server answers proxies over gRPC.
type Server struct {
	authv3.UnimplementedAuthorizationServer

	grpc   *grpc.Server
	gate   *gate.Gate
	route  *gate.Route
	health *health

	removesCredential bool
	credentialHeaders []string // that of the credential, and Authorization
	maxConnections    int
	readTimeout       time.Duration
}

// New makes a Server. It fails on settings that make no sense.
func New(settings Settings, config Config) (*Server, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	g := config.Gate
	ready := config.Ready
	if ready == nil {
		ready = g.Ready
	}
	s := &Server{
		gate: g, route: g.Route("grpc"), health: newHealth(ready),
		removesCredential: settings.RemoveCredential,
		credentialHeaders: []string{g.CredentialHeader(), "Authorization"},
		maxConnections:    settings.MaxConnections,
		readTimeout:       settings.ReadTimeout,
	}
	options := s.options(settings)
	if config.TLS != nil {
		options = append(options, grpc.Creds(newCredentials(config)))
	}
	s.grpc = grpc.NewServer(options...)
	authv3.RegisterAuthorizationServer(s.grpc, s)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	if settings.Reflection {
		reflection.Register(s.grpc)
	}
	return s, nil
}

const (
	// maxStreams is how many questions may be in flight on one connection: as many as Envoy has at once in all, by default.
	maxStreams = 1024
	// maxHeaderListBytes bounds the headers of a question, which has few: what it is about stands in the message.
	maxHeaderListBytes = 64 << 10
	// streamWindow and connectionWindow are how many bytes a proxy may send before they are read, of one question and of all on a
	// connection. Left to itself gRPC measures how much a connection holds, by a ping for nearly each question: for streams
	// of data that pays, for questions of a few KiB it costs some hundredths of all.
	streamWindow     = 1 << 20
	connectionWindow = 4 << 20
	// handshakeTime is how long a connection may take until it can be used.
	handshakeTime = 5 * time.Second
	// idleTime is how long a connection is kept without a question. It ends with a notice, so that no question is lost.
	idleTime = 15 * time.Minute
	// connectionAge is how long a connection is kept at most, so that questions spread over replicas that came later; and what
	// is in flight then has connectionGrace.
	connectionAge   = time.Hour
	connectionGrace = time.Minute
	// pingAfter and pingTime find out that a proxy is gone without a word.
	pingAfter = time.Minute
	pingTime  = 20 * time.Second
	// minPingInterval is how often a proxy may do the same, with questions in flight or none, before it is cut off.
	minPingInterval = 5 * time.Second
)

func (s *Server) options(settings Settings) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec(func(err error) { s.gate.Panicked(err) })),
		grpc.MaxRecvMsgSize(settings.MaxMessageBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaderListBytes),
		grpc.ConnectionTimeout(handshakeTime),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connectionWindow),
		grpc.InTapHandle(s.limitTime),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: idleTime, MaxConnectionAge: connectionAge, MaxConnectionAgeGrace: connectionGrace,
			Time: pingAfter, Timeout: pingTime,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPingInterval, PermitWithoutStream: true}),
		// Reading a question takes more stack than a new goroutine has, and workers keep theirs.
		grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))),
	}
}

// Serve answers on the connections that ln accepts, until Shutdown. It returns nil then, and an error when
// ln fails for good. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	err := s.grpc.Serve(netutil.LimitListener(ln, s.maxConnections))
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("accept connections of proxies on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Drain makes the health service say that questions should be sent elsewhere. All are still answered.
func (s *Server) Drain() { s.health.draining.give() }

// Shutdown accepts no more connections, tells proxies to send no more questions on the others, and waits until those in flight
// are answered. Where ctx ends before that, it cuts them off and returns its error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	s.health.stopping.give()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.grpc.GracefulStop()
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		s.grpc.Stop() // and the rest is left to the end of the process: GracefulStop would wait for it
		return fmt.Errorf("finish the questions in flight: %w", ctx.Err())
	}
}
