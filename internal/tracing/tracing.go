// Package tracing tells an OpenTelemetry collector of decisions: a span for each, below the one of the proxy that asked.
// A span holds what was decided for whom, never a key, a URL or anything else that a client chose but for the IDs of its
// trace and its tracestate.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/apikey-operator/apikey-operator/internal/gate"
)

const (
	scope       = "github.com/apikey-operator/apikey-operator/internal/tracing"
	serviceName = "apikey-operator-verifier" // but for OTEL_SERVICE_NAME
	spanName    = "verify"
)

// The attributes of a span.
const (
	dialectKey   = attribute.Key("apikey_operator.dialect")
	reasonKey    = attribute.Key("apikey_operator.reason")
	namespaceKey = attribute.Key("apikey_operator.namespace")
	nameKey      = attribute.Key("apikey_operator.name")
)

// Tracer makes spans and sends them on behind the decisions' back: in batches, from a queue of bounded length, and what
// does not fit is lost. It may be used by any number of goroutines.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

var _ gate.Tracer = (*Tracer)(nil)

// New makes a Tracer, whether its collector can be reached or not; logger is told when that changes. The settings must
// name an endpoint. Shutdown ends it.
func New(ctx context.Context, settings Settings, version string, logger *slog.Logger) (*Tracer, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(settings.Endpoint)}
	if settings.Insecure {
		options = append(options, otlptracegrpc.WithInsecure())
	}
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("send traces to %s: %w", settings.Endpoint, err)
	}
	process, err := describe(ctx, version)
	if err != nil {
		return nil, errors.Join(err, exporter.Shutdown(ctx))
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&watched{SpanExporter: exporter, logger: logger}),
		sdktrace.WithResource(process),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(settings.SampleRatio))),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer(scope, trace.WithInstrumentationVersion(version))}, nil
}

// describe says which process this is. What stands in OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME counts more.
func describe(ctx context.Context, version string) (*resource.Resource, error) {
	r, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName(serviceName), semconv.ServiceVersion(version)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe this process to the collector of traces: %w", err)
	}
	return r, nil
}

// Shutdown sends what is left. Where ctx ends before that, it returns an error and the rest is lost.
func (t *Tracer) Shutdown(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// Start implements gate.Tracer. Headers that are not as W3C says begin a trace of their own.
func (t *Tracer) Start(traceParent, traceState []byte, dialect string) gate.Span {
	ctx := context.Background()
	if len(traceParent) > 0 {
		ctx = propagation.TraceContext{}.Extract(ctx, headers{traceParent, traceState})
	}
	_, started := t.tracer.Start(ctx, spanName, trace.WithSpanKind(trace.SpanKindServer))
	if started.IsRecording() {
		started.SetAttributes(dialectKey.String(dialect))
	}
	return span{started}
}

// headers are the two of https://www.w3.org/TR/trace-context/.
type headers struct{ parent, state []byte }

// Get implements propagation.TextMapCarrier.
func (h headers) Get(name string) string {
	switch name {
	case "traceparent":
		return string(h.parent)
	case "tracestate":
		return string(h.state)
	}
	return ""
}

// Set implements propagation.TextMapCarrier; nothing is passed on.
func (headers) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (headers) Keys() []string { return []string{"traceparent", "tracestate"} }

type span struct{ trace.Span }

// TraceID implements gate.Span.
func (s span) TraceID() string {
	if !s.IsRecording() {
		return ""
	}
	return s.SpanContext().TraceID().String()
}

// End implements gate.Span.
func (s span) End(reason, namespace, name string) {
	if s.IsRecording() {
		s.SetAttributes(reasonKey.String(reason))
		if name != "" {
			s.SetAttributes(namespaceKey.String(namespace), nameKey.String(name))
		}
	}
	s.Span.End()
}
