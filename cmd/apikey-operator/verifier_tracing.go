package main

import (
	"context"
	"log/slog"

	"github.com/spf13/pflag"

	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/tracing"
)

func registerTracing(flags *pflag.FlagSet, s *tracing.Settings) {
	flags.StringVar(&s.Endpoint, "tracing-endpoint", s.Endpoint,
		"HOST:PORT of an OpenTelemetry collector that takes OTLP over gRPC; empty for no traces. The variables OTEL_* say more: headers, certificates, attributes")
	flags.BoolVar(&s.Insecure, "tracing-insecure", s.Insecure, "send traces without TLS")
	flags.Float64Var(&s.SampleRatio, "tracing-sample-ratio", s.SampleRatio,
		"which part, 0 to 1, of the requests that come without a traceparent is traced; for the others that header tells")
}

// decisionTracer traces decisions. Nil traces nothing.
type decisionTracer struct {
	*tracing.Tracer
	logger *slog.Logger
}

// newDecisionTracer returns nil where nothing is to be traced.
func newDecisionTracer(ctx context.Context, settings tracing.Settings, logger *slog.Logger) (*decisionTracer, error) {
	if !settings.Enabled() {
		return nil, nil
	}
	tracer, err := tracing.New(ctx, settings, version, logger)
	return &decisionTracer{tracer, logger}, err
}

// forGate is a nil interface where nothing is traced, so that a decision is spared the calls.
func (t *decisionTracer) forGate() gate.Tracer {
	if t == nil {
		return nil
	}
	return t.Tracer
}

// stop sends what is left, until ctx ends.
func (t *decisionTracer) stop(ctx context.Context) {
	if t == nil {
		return
	}
	if err := t.Shutdown(ctx); err != nil {
		t.logger.Warn("the last traces are lost", "error", err.Error())
	}
}
