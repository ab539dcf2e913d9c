package authgrpc

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// fixture is a server that knows one good key.
type fixture struct {
	*Server
	record  index.Record
	index   *index.Index
	key     string
	metrics *recorder
	log     *safeBuffer
	// What a test may put in the place of the fixture's own, before the first question.
	now   func() time.Time
	ready func() bool
}

// settings are those of the gate and of the server.
type settings struct {
	gate.Settings
	server Settings
	config Config // Gate and Ready are the fixture's
}

func newFixture(t testing.TB, change ...func(*settings)) *fixture {
	t.Helper()
	plaintext, err := keys.Generate(rand.Reader, keys.Format{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		index:   index.New(),
		key:     string(plaintext.Reveal()),
		metrics: &recorder{decisions: map[string]int{}},
		log:     &safeBuffer{},
		record: index.Record{
			Namespace: "phoenix", Name: "monitor", Tenant: "acme",
			Permissions: []string{"read", "customers:*"},
			Scopes:      map[string][]string{"category": {"general", "premium"}},
			Credentials: []index.Credential{{Hash: plaintext.Hash(), Revision: 3}},
		},
	}
	f.now, f.ready = func() time.Time { return noon }, func() bool { return true }
	f.set(t, f.record)
	s := settings{Settings: gate.DefaultSettings(), server: DefaultSettings()}
	for _, c := range change {
		c(&s)
	}
	s.config.Gate, err = gate.New(s.Settings, gate.Config{
		Decider: authn.NewDecider(f.index),
		Ready:   func() bool { return f.ready() },
		Now:     func() time.Time { return f.now() },
		Limiter: ratelimit.NewMemory(noon),
		Metrics: f.metrics,
		Logger:  slog.New(slog.NewJSONHandler(f.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Server, err = New(s.server, s.config)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) set(t testing.TB, r index.Record) {
	t.Helper()
	if err := f.index.Set(r); err != nil {
		t.Fatal(err)
	}
}

// serve serves on a real socket until the test ends, and returns a connection to it.
func (f *fixture) serve(t testing.TB) *grpc.ClientConn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.Serve(ln) }()
	conn := connect(t, ln.Addr().String())
	t.Cleanup(func() {
		_ = conn.Close()
		if err := f.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	return conn
}

func connect(t testing.TB, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// check asks over a connection; an error of gRPC is never an answer.
func check(t testing.TB, conn grpc.ClientConnInterface, request *authv3.CheckRequest) *authv3.CheckResponse {
	t.Helper()
	response, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), request)
	if err != nil {
		t.Fatalf("an error of gRPC: %v", err)
	}
	return response
}

// question is what Envoy sends of a GET from 203.0.113.7, with pairs of header names and values in which KEY stands for the
// good key.
func (f *fixture) question(headers ...string) *authv3.CheckRequest {
	sent := map[string]string{":method": "GET", ":path": "/orders?page=2", "x-request-id": "id-1"}
	for i := 0; i < len(headers); i += 2 {
		sent[headers[i]] = strings.ReplaceAll(headers[i+1], "KEY", f.key)
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: peer("203.0.113.7"),
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Path: "/orders?page=2", Host: "shop.test", Headers: sent,
		}},
	}}
}

// rawQuestion is what Envoy sends with encode_raw_headers.
func (f *fixture) rawQuestion(headers ...string) *authv3.CheckRequest {
	request := f.question()
	http := request.GetAttributes().GetRequest().GetHttp()
	http.Headers, http.HeaderMap = nil, &corev3.HeaderMap{}
	for i := 0; i < len(headers); i += 2 {
		http.HeaderMap.Headers = append(http.HeaderMap.Headers, &corev3.HeaderValue{
			Key: headers[i], RawValue: []byte(strings.ReplaceAll(headers[i+1], "KEY", f.key)),
		})
	}
	return request
}

func peer(address string) *authv3.AttributeContext_Peer {
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 4711}},
	}}}
}

// demanding adds context extensions to a question, as pairs.
func demanding(request *authv3.CheckRequest, extensions ...string) *authv3.CheckRequest {
	request.Attributes.ContextExtensions = map[string]string{}
	for i := 0; i < len(extensions); i += 2 {
		request.Attributes.ContextExtensions[extensions[i]] = extensions[i+1]
	}
	return request
}

// reasonOf is what an answer says, "allowed" where it lets the request through.
func reasonOf(response *authv3.CheckResponse) string {
	if response.GetOkResponse() != nil && response.GetStatus().GetCode() == 0 {
		return "allowed"
	}
	return values(response.GetDeniedResponse().GetHeaders())[gate.HeaderReason]
}

// values gives headers without what is to be done with them.
func values(options []*corev3.HeaderValueOption) map[string]string {
	headers := map[string]string{}
	for _, o := range options {
		headers[o.GetHeader().GetKey()] += o.GetHeader().GetValue()
	}
	return headers
}

// recorder counts what it is told.
type recorder struct {
	mu                  sync.Mutex
	decisions           map[string]int // by dialect/reason
	invalidRequirements int
	panics              int
}

func (r *recorder) Decisions(dialect string) func(authn.Reason, time.Duration) {
	var names [authn.ReasonCount]string
	for reason := range names {
		names[reason] = dialect + "/" + authn.Reason(reason).String()
	}
	return func(reason authn.Reason, _ time.Duration) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.decisions[names[reason]]++
	}
}

func (r *recorder) InvalidRequirement() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.invalidRequirements++
}

func (r *recorder) Panicked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.panics++
}

func (*recorder) ExpiringKeyUsed(string, string, int64) {}

func (r *recorder) counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.decisions)
}

func (r *recorder) panicked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.panics
}

// safeBuffer is a log that several goroutines write to.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
