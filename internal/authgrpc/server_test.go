package authgrpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// serveUntil serves without an end of its own; the channel gets what Serve returns.
func (f *fixture) serveUntil(t *testing.T) (address string, served <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- f.Serve(ln) }()
	return ln.Addr().String(), result
}

func TestHealthFollowsReadinessAndDrain(t *testing.T) {
	f := newFixture(t)
	var ready atomic.Bool
	f.ready = ready.Load
	client := healthv1.NewHealthClient(f.serve(t))
	ask := func(service string) string {
		response, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil {
			return status.Code(err).String()
		}
		return response.GetStatus().String()
	}
	const authorization = "envoy.service.auth.v3.Authorization"
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"at first", func() {}, "NOT_SERVING"},
		{"ready", func() { ready.Store(true) }, "SERVING"},
		{"not ready any more", func() { ready.Store(false) }, "NOT_SERVING"},
		{"ready again", func() { ready.Store(true) }, "SERVING"},
		{"draining", f.Drain, "NOT_SERVING"},
		{"told to drain again", f.Drain, "NOT_SERVING"},
	} {
		step.do()
		if diff := cmp.Diff([]string{step.want, step.want, "NotFound"}, []string{ask(""), ask(authorization), ask("other")}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestWhoWatchesHealthIsToldOfChanges(t *testing.T) {
	f := newFixture(t)
	var ready atomic.Bool
	f.ready = ready.Load
	f.health.interval = time.Millisecond
	address, served := f.serveUntil(t)
	client := healthv1.NewHealthClient(connect(t, address))
	watch, err := client.Watch(within(t, 10*time.Second), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	next := func() string {
		response, err := watch.Recv()
		if err != nil {
			return status.Code(err).String()
		}
		return response.GetStatus().String()
	}
	got := []string{next()}
	ready.Store(true)
	got = append(got, next())
	f.Drain()
	got = append(got, next())
	if err := f.Shutdown(within(t, 10*time.Second)); err != nil {
		t.Errorf("Shutdown returned %v, though only a watcher was there", err)
	}
	got = append(got, next())
	if diff := cmp.Diff([]string{"NOT_SERVING", "SERVING", "NOT_SERVING", "Unavailable"}, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

// inFlight is a server with a question in flight, until proceed is closed.
func inFlight(t *testing.T) (f *fixture, address string, served <-chan error, answered chan string, proceed chan struct{}) {
	t.Helper()
	f = newFixture(t)
	arrived, proceed := make(chan struct{}), make(chan struct{})
	f.ready = func() bool {
		close(arrived)
		<-proceed
		return true
	}
	address, served = f.serveUntil(t)
	conn, answered := connect(t, address), make(chan string, 1)
	go func() {
		response, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), f.question("x-api-key", "KEY"))
		if err != nil {
			answered <- status.Code(err).String()
			return
		}
		answered <- reasonOf(response)
	}()
	<-arrived
	return f, address, served, answered, proceed
}

func TestShutdownAnswersWhatIsInFlight(t *testing.T) {
	f, address, served, answered, proceed := inFlight(t)
	stopped := make(chan error, 1)
	go func() { stopped <- f.Shutdown(within(t, 10*time.Second)) }()
	waitFor(t, func() bool { // until no more connections are accepted
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown returned %v while a question was in flight", err)
	default:
	}
	close(proceed)
	if got := <-answered; got != "allowed" {
		t.Errorf("the question in flight: %s, want allowed", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func TestShutdownGivesUpWhenItsContextEnds(t *testing.T) {
	f, _, served, answered, proceed := inFlight(t)
	defer close(proceed)
	if err := f.Shutdown(within(t, 50*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returned %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if got := <-answered; got != codes.Unavailable.String() {
		t.Errorf("the question in flight: %s, want %s", got, codes.Unavailable)
	}
}

func TestServeAfterShutdownReturnsAtOnce(t *testing.T) {
	f := newFixture(t)
	if err := f.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	address, served := f.serveUntil(t)
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("the listener was left open")
	}
}

func TestServingEndsWhenTheListenerFails(t *testing.T) {
	f := newFixture(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Serve(ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v", err)
	}
}

// Two servers stand behind one client, as a Service's pods do behind a proxy; the first is drained and stopped under load.
func TestDrainLosesNothingUnderLoad(t *testing.T) {
	old, fresh := newFixture(t), newFixture(t)
	oldAddress, served := old.serveUntil(t)
	freshAddress, freshServed := fresh.serveUntil(t)
	var current atomic.Value
	current.Store(oldAddress)
	conn, err := grpc.NewClient("passthrough:verifiers", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", current.Load().(string))
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	const workers = 8
	var answered atomic.Int64
	stop, results := make(chan struct{}), make(chan error, workers)
	for range workers {
		go func() {
			client, request := authv3.NewAuthorizationClient(conn), old.question()
			for {
				select {
				case <-stop:
					results <- nil
					return
				default:
				}
				if _, err := client.Check(context.Background(), request); err != nil {
					results <- err
					return
				}
				answered.Add(1)
			}
		}()
	}
	waitFor(t, func() bool { return answered.Load() > 100 })
	old.Drain()
	seen := answered.Load()
	waitFor(t, func() bool { return answered.Load() > seen+100 }) // while it drains, it answers
	current.Store(freshAddress)                                   // as a Service forgets a pod that is not ready
	if err := old.Shutdown(within(t, 10*time.Second)); err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
	waitFor(t, func() bool { return fresh.metrics.counts()["grpc/missing_credential"] > 100 })
	close(stop)
	for range workers {
		if err := <-results; err != nil {
			t.Errorf("a question was lost: %v", err)
		}
	}
	if err := fresh.Shutdown(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	if err := errors.Join(<-served, <-freshServed); err != nil {
		t.Error(err)
	}
	total := old.metrics.counts()["grpc/missing_credential"] + fresh.metrics.counts()["grpc/missing_credential"]
	if int64(total) != answered.Load() {
		t.Errorf("%d were decided and %d answered", total, answered.Load())
	}
}

// waitFor polls until something holds.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	for !holds() {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatal("waited in vain")
		}
	}
}

func TestReflectionIsOffUnlessWanted(t *testing.T) {
	services := func(t *testing.T, f *fixture) ([]string, error) {
		t.Helper()
		stream, err := reflectionv1.NewServerReflectionClient(f.serve(t)).ServerReflectionInfo(within(t, 10*time.Second))
		if err != nil {
			return nil, err
		}
		if err := stream.Send(&reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
		}); err != nil && !errors.Is(err, io.EOF) { // then the answer is there already, and says why
			return nil, err
		}
		response, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		var names []string
		for _, service := range response.GetListServicesResponse().GetService() {
			names = append(names, service.GetName())
		}
		return names, nil
	}
	if names, err := services(t, newFixture(t)); status.Code(err) != codes.Unimplemented {
		t.Errorf("by default it tells of %v, %v", names, err)
	}
	names, err := services(t, newFixture(t, func(s *settings) { s.server.Reflection = true }))
	if err != nil || !slices.Contains(names, "envoy.service.auth.v3.Authorization") {
		t.Errorf("where wanted it tells of %v, %v", names, err)
	}
}

func TestOverTLS(t *testing.T) {
	// net/http/httptest has a certificate for 127.0.0.1, and who issued it.
	example := httptest.NewUnstartedServer(nil)
	example.StartTLS()
	defer example.Close()
	roots := x509.NewCertPool()
	roots.AddCert(example.Certificate())
	f := newFixture(t, func(s *settings) {
		s.config.TLS = &tls.Config{Certificates: example.TLS.Certificates, MinVersion: tls.VersionTLS12}
	})
	address, served := f.serveUntil(t)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if got := reasonOf(check(t, conn, f.question("x-api-key", "KEY"))); got != "allowed" {
		t.Errorf("%s, want allowed", got)
	}
	_, err = authv3.NewAuthorizationClient(connect(t, address)).Check(within(t, 10*time.Second), f.question("x-api-key", "KEY"))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("without TLS: %v", err)
	}
	if err := f.Shutdown(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestAHandshakeThatFailsIsToldOfAndAProbeIsNot(t *testing.T) {
	example := httptest.NewUnstartedServer(nil)
	example.StartTLS()
	defer example.Close()
	refused := make(chan error, 2)
	f := newFixture(t, func(s *settings) {
		s.config.TLS = &tls.Config{Certificates: example.TLS.Certificates, MinVersion: tls.VersionTLS12}
		s.config.HandshakeFailed = func(err error) { refused <- err }
	})
	address, served := f.serveUntil(t)
	for _, sent := range []string{"", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(conn) // until the server closes it
		_ = conn.Close()
	}
	if err := errors.Join(f.Shutdown(within(t, 10*time.Second)), <-served); err != nil {
		t.Error(err)
	}
	if len(refused) != 1 {
		t.Fatalf("%d handshakes are told of, want the one that is no TLS", len(refused))
	}
	if err := <-refused; !strings.Contains(err.Error(), "does not look like a TLS handshake") {
		t.Errorf("told %v", err)
	}
}

func TestMoreConnectionsThanAllowedWait(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.server.MaxConnections = 1 })
	first := f.serve(t)
	if got := reasonOf(check(t, first, f.question("x-api-key", "KEY"))); got != "allowed" {
		t.Fatal(got)
	}
	second := connect(t, first.Target())
	waiting := make(chan error, 1)
	go func() {
		_, err := authv3.NewAuthorizationClient(second).Check(t.Context(), f.question(), grpc.WaitForReady(true))
		waiting <- err
	}()
	select {
	case err := <-waiting:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond): // it would have been there long before
	}
	_ = first.Close()
	if err := <-waiting; err != nil {
		t.Errorf("it was not served when there was room: %v", err)
	}
}

func TestAMessageThatIsTooLong(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.server.MaxMessageBytes = minMessageBytes })
	conn := f.serve(t)
	fits := withPath(f.question("x-api-key", "KEY"), "/"+strings.Repeat("a", minMessageBytes-1024))
	if got := reasonOf(check(t, conn, fits)); got != "allowed" {
		t.Errorf("what fits: %s", got)
	}
	_, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), withPath(fits, "/"+strings.Repeat("a", minMessageBytes)))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("what does not: %v", err)
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	if err := DefaultSettings().Validate(); err != nil {
		t.Error(err)
	}
	tests := map[string]struct {
		change  func(*Settings)
		wantErr string
	}{
		"no time":                     {func(s *Settings) { s.ReadTimeout = 0 }, "--read-timeout"},
		"messages that are too short": {func(s *Settings) { s.MaxMessageBytes = 64<<10 - 1 }, "--grpc-max-message-bytes"},
		"messages that are too long":  {func(s *Settings) { s.MaxMessageBytes = 64<<20 + 1 }, "--grpc-max-message-bytes"},
		"no connections":              {func(s *Settings) { s.MaxConnections = 0 }, "--max-connections"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := DefaultSettings()
			tt.change(&s)
			if server, err := New(s, Config{}); server != nil || err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("err = %v, want one that contains %q", err, tt.wantErr)
			}
		})
	}
}

// maxAllocations of an allowed question are the answer in one piece and the request's ID; of a refused one the same.
const maxAllocations = 2

func TestADecisionAllocatesTheAnswerAlone(t *testing.T) {
	f := newFixture(t)
	for name, request := range map[string]*authv3.CheckRequest{
		"allowed":      demanding(f.question("x-api-key", "KEY"), "permission", "read", "tenant", "acme"),
		"allowed, raw": demanding(f.rawQuestion("authorization", "Bearer KEY", "x-request-id", "id"), "requirement", "permission=read&permission=customers:a"),
		"refused":      f.question(),
	} {
		attributes := request.GetAttributes()
		if got := testing.AllocsPerRun(1000, func() { f.ask(attributes) }); got > maxAllocations {
			t.Errorf("%s: %v allocations, want at most %d", name, got, maxAllocations)
		}
	}
}
