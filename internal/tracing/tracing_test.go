package tracing_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/apikey-operator/apikey-operator/internal/tracing"
)

// receiver is a collector that keeps what it is sent.
type receiver struct {
	collector.UnimplementedTraceServiceServer

	address string
	mu      sync.Mutex
	sent    []*traces.ResourceSpans
}

// Export implements collector.TraceServiceServer.
func (r *receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, request.GetResourceSpans()...)
	return &collector.ExportTraceServiceResponse{}, nil
}

func startReceiver(t *testing.T, options ...grpc.ServerOption) *receiver {
	t.Helper()
	ln := listen(t)
	r := &receiver{address: ln.Addr().String()}
	server := grpc.NewServer(options...)
	collector.RegisterTraceServiceServer(server, r)
	t.Cleanup(server.Stop)
	go func() { _ = server.Serve(ln) }()
	return r
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// spans are all that were sent.
func (r *receiver) spans() (spans []*traces.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, sent := range r.sent {
		for _, scope := range sent.GetScopeSpans() {
			spans = append(spans, scope.GetSpans()...)
		}
	}
	return spans
}

// process are the attributes of the process that sent the first.
func (r *receiver) process() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return attributes(r.sent[0].GetResource().GetAttributes())
}

func attributes(list []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range list {
		all[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return all
}

func newTracer(t *testing.T, settings tracing.Settings, log io.Writer) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.New(t.Context(), settings, "v1.2.3", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

func shutdown(t *testing.T, tracer *tracing.Tracer) {
	t.Helper()
	if err := tracer.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
	sampled = "00-" + traceID + "-" + spanID + "-01"
	ignored = "00-" + traceID + "-" + spanID + "-00"
)

func TestADecisionIsASpanBelowTheProxys(t *testing.T) {
	r := startReceiver(t)
	tracer := newTracer(t, tracing.Settings{Endpoint: r.address, Insecure: true}, io.Discard)
	known := tracer.Start([]byte(sampled), []byte("vendor=1"), "envoy")
	if got := known.TraceID(); got != traceID {
		t.Errorf("the trace is %q, want %q", got, traceID)
	}
	known.End("permission_denied", "phoenix", "monitor")
	tracer.Start([]byte(sampled), nil, "nginx").End("unknown_key", "", "")
	shutdown(t, tracer)

	spans := r.spans()
	if len(spans) != 2 {
		t.Fatalf("%d spans were sent, want 2", len(spans))
	}
	s := spans[0]
	if hex.EncodeToString(s.GetTraceId()) != traceID || hex.EncodeToString(s.GetParentSpanId()) != spanID || s.GetTraceState() != "vendor=1" {
		t.Errorf("the span stands elsewhere than below the proxy's: %v", s)
	}
	if s.GetName() != "verify" || s.GetKind() != traces.Span_SPAN_KIND_SERVER || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() {
		t.Errorf("the span is %v", s)
	}
	want := []map[string]string{
		{
			"apikey_operator.dialect": "envoy", "apikey_operator.reason": "permission_denied",
			"apikey_operator.namespace": "phoenix", "apikey_operator.name": "monitor",
		},
		{"apikey_operator.dialect": "nginx", "apikey_operator.reason": "unknown_key"},
	}
	got := []map[string]string{attributes(s.GetAttributes()), attributes(spans[1].GetAttributes())}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the attributes (-want +got):\n%s", diff)
	}
	process := r.process()
	if process["service.name"] != "apikey-operator-verifier" || process["service.version"] != "v1.2.3" || process["host.name"] == "" {
		t.Errorf("the process is %v", process)
	}
}

func TestTheProxyDecidesWhatIsTracedAndElseTheRatio(t *testing.T) {
	cases := map[string]struct {
		ratio       float64
		parent      string
		wantSent    int
		wantTraceID string // "any" for one of its own
	}{
		"the proxy traces":                       {0, sampled, 1, traceID},
		"the proxy does not":                     {1, ignored, 0, ""},
		"no proxy traces, all are wanted":        {1, "", 1, "any"},
		"no proxy traces, none is wanted":        {0, "", 0, ""},
		"a header that is none, all are wanted":  {1, "00-" + traceID, 1, "any"},
		"a header that is none, none is wanted":  {0, strings.Repeat("x", 5000), 0, ""},
		"a trace of zeros, none is wanted":       {0, "00-" + strings.Repeat("0", 32) + "-" + spanID + "-01", 0, ""},
		"a later version of the header's format": {0, "cc-" + traceID + "-" + spanID + "-01-what-comes", 1, traceID},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := startReceiver(t)
			tracer := newTracer(t, tracing.Settings{Endpoint: r.address, Insecure: true, SampleRatio: c.ratio}, io.Discard)
			span := tracer.Start([]byte(c.parent), []byte("not=a, state\x00"), "nginx")
			got := span.TraceID()
			if c.wantTraceID == "any" && (len(got) != 32 || got == traceID) || c.wantTraceID != "any" && got != c.wantTraceID {
				t.Errorf("the trace is %q, want %q", got, c.wantTraceID)
			}
			span.End("allowed", "phoenix", "monitor")
			shutdown(t, tracer)
			if sent := len(r.spans()); sent != c.wantSent {
				t.Errorf("%d spans were sent, want %d", sent, c.wantSent)
			}
		})
	}
}

func TestTheVariablesOfOpenTelemetryAreHonoured(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	r := startReceiver(t, grpc.Creds(credentials.NewServerTLSFromCert(&server.TLS.Certificates[0])))
	ca := filepath.Join(t.TempDir(), "ca.crt")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", ca)
	t.Setenv("OTEL_SERVICE_NAME", "verifier-of-phoenix")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	tracer := newTracer(t, tracing.Settings{Endpoint: r.address}, io.Discard)
	tracer.Start([]byte(sampled), nil, "nginx").End("allowed", "", "")
	shutdown(t, tracer)
	if len(r.spans()) != 1 {
		t.Fatalf("%d spans were sent over TLS, want 1", len(r.spans()))
	}
	process := r.process()
	if process["service.name"] != "verifier-of-phoenix" || process["deployment.environment.name"] != "test" {
		t.Errorf("the process is %v", process)
	}
}

func TestACollectorThatIsAwayCostsSpansAndNothingElse(t *testing.T) {
	gone := listen(t)
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"nobody listens":         gone.Addr().String(),
		"somebody never answers": listen(t).Addr().String(), // connections wait to be accepted for ever
	}
	for name, address := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")                // milliseconds
			t.Setenv("OTEL_BSP_EXPORT_TIMEOUT", "20")                // milliseconds
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1000000") // so that it is not this which ends it
			var log syncBuffer
			tracer := newTracer(t, tracing.Settings{Endpoint: address, Insecure: true, SampleRatio: 1}, &log)
			// More than wait in the queue; were one of them to wait for an attempt to send, they would take minutes.
			const decisions, most = 10_000, 30 * time.Second
			started := time.Now()
			for range decisions {
				tracer.Start(nil, nil, "nginx").End("allowed", "phoenix", "monitor")
			}
			if took := time.Since(started); took > most {
				t.Errorf("%d decisions took %s, want less than %s", decisions, took, most)
			}
			ending, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			started = time.Now()
			_ = tracer.Shutdown(ending)
			if took := time.Since(started); took > most {
				t.Errorf("the end took %s, though it was given 200 ms", took)
			}
			if told := strings.Count(log.String(), "cannot be sent"); told != 1 {
				t.Errorf("%d lines say that traces cannot be sent, want one: %s", told, log.String())
			}
		})
	}
}

func TestACollectorThatComesBackIsToldOf(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1") // milliseconds
	r := startReceiver(t)
	r.mu.Lock() // the collector holds every request, until its time is up
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "50")
	var log syncBuffer
	tracer := newTracer(t, tracing.Settings{Endpoint: r.address, Insecure: true, SampleRatio: 1}, &log)
	await := func(words string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), words); time.Sleep(5 * time.Millisecond) {
			tracer.Start(nil, nil, "nginx").End("allowed", "", "")
			if time.Now().After(deadline) {
				t.Fatalf("the log does not say %q: %s", words, log.String())
			}
		}
	}
	await("cannot be sent")
	r.mu.Unlock()
	await("can be sent again")
	shutdown(t, tracer)
	if len(r.spans()) == 0 {
		t.Error("nothing was sent")
	}
}

// syncBuffer may be read while it is written to.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	cases := map[string]struct {
		settings tracing.Settings
		want     string // empty: they make sense
	}{
		"nothing":                {tracing.DefaultSettings(), ""},
		"a collector":            {tracing.Settings{Endpoint: "collector.observability:4317"}, ""},
		"an IPv6 address":        {tracing.Settings{Endpoint: "[::1]:4317"}, ""},
		"a URL":                  {tracing.Settings{Endpoint: "http://collector:4317"}, "--tracing-endpoint"},
		"no port":                {tracing.Settings{Endpoint: "collector"}, "--tracing-endpoint"},
		"no host":                {tracing.Settings{Endpoint: ":4317"}, "--tracing-endpoint"},
		"port 0":                 {tracing.Settings{Endpoint: "collector:0"}, "--tracing-endpoint"},
		"insecure to nowhere":    {tracing.Settings{Insecure: true}, "--tracing-insecure"},
		"more than all":          {tracing.Settings{SampleRatio: 1.1}, "--tracing-sample-ratio"},
		"less than none":         {tracing.Settings{SampleRatio: -0.1}, "--tracing-sample-ratio"},
		"a ratio that is no one": {tracing.Settings{SampleRatio: math.NaN()}, "--tracing-sample-ratio"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.settings.Validate()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("err = %v, want %q", err, c.want)
			}
		})
	}
}
