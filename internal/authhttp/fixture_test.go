package authhttp

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

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
	isReady bool
	clock   time.Time
	metrics *recorder
	log     *safeBuffer
	// What a test may put in the place of the fixture's own.
	now   func() time.Time
	ready func() bool
}

// settings are those of the gate and of the server.
type settings struct {
	gate.Settings
	connections Settings
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
		isReady: true,
		clock:   noon,
		metrics: &recorder{decisions: map[string]int{}},
		log:     &safeBuffer{},
		record: index.Record{
			Namespace: "phoenix", Name: "monitor", Tenant: "acme",
			Permissions: []string{"read", "customers:*"},
			Scopes:      map[string][]string{"category": {"general", "premium"}},
			Credentials: []index.Credential{{Hash: plaintext.Hash(), Revision: 3}},
		},
	}
	f.now, f.ready = func() time.Time { return f.clock }, func() bool { return f.isReady }
	f.set(t, f.record)
	settings := settings{gate.DefaultSettings(), DefaultSettings()}
	for _, c := range change {
		c(&settings)
	}
	logger := slog.New(slog.NewJSONHandler(f.log, nil))
	g, err := gate.New(settings.Settings, gate.Config{
		Decider: authn.NewDecider(f.index),
		Ready:   func() bool { return f.ready() },
		Now:     func() time.Time { return f.now() },
		Limiter: ratelimit.NewMemory(noon),
		Metrics: f.metrics,
		Logger:  logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Server, err = New(settings.connections, g, logger)
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

// ask sends a request for the target to the handler, with pairs of header names and values.
func (f *fixture) ask(t testing.TB, target string, headers ...string) *fasthttp.RequestCtx {
	t.Helper()
	ctx := newRequest(t, target, headers...)
	f.handle(ctx)
	return ctx
}

// replaceKey puts the good key in the place of KEY.
func replaceKey(text, key string) string { return strings.ReplaceAll(text, "KEY", key) }

// newRequest makes the context of a request as it is once it was read from a connection.
func newRequest(t testing.TB, target string, headers ...string) *fasthttp.RequestCtx {
	t.Helper()
	wire := "GET " + target + " HTTP/1.1\r\nHost: verifier\r\n"
	for i := 0; i < len(headers); i += 2 {
		wire += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	ctx := &fasthttp.RequestCtx{}
	conn, _ := net.Pipe() // which has deadlines
	ctx.Init2(conn, nil, true)
	if err := ctx.Request.Read(bufio.NewReaderSize(strings.NewReader(wire+"\r\n"), 64<<10)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// reasonOf is what the answer says, "allowed" where it says nothing.
func reasonOf(ctx *fasthttp.RequestCtx) string {
	if reason := ctx.Response.Header.Peek(gate.HeaderReason); len(reason) > 0 || ctx.Response.StatusCode() != 200 {
		return string(reason)
	}
	return "allowed"
}

// headersOf gives all headers of an answer but the request's ID.
func headersOf(ctx *fasthttp.RequestCtx) map[string]string {
	headers := map[string]string{}
	for name, value := range ctx.Response.Header.All() {
		if string(name) != gate.HeaderRequestID && string(name) != "Content-Length" { // always 0, see the tests on the wire
			headers[string(name)] = string(value)
		}
	}
	return headers
}

// recorder counts what it is told.
type recorder struct {
	mu                  sync.Mutex
	decisions           map[string]int // by dialect/reason
	decided             func()         // called at each decision, if set
	invalidRequirements int
	panics              int
}

func (r *recorder) Decisions(dialect string) func(authn.Reason, time.Duration) {
	var names [authn.ReasonCount]string
	for reason := range names {
		names[reason] = dialect + "/" + authn.Reason(reason).String()
	}
	return func(reason authn.Reason, _ time.Duration) {
		if r.decided != nil {
			r.decided()
		}
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
