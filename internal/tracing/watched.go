package tracing

import (
	"context"
	"log/slog"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// watched is an exporter that says when it begins and ends to fail. Without it, package otel writes to standard error
// as often as it fails. It is called by one goroutine at a time.
type watched struct {
	sdktrace.SpanExporter
	logger *slog.Logger
	fails  bool
}

// ExportSpans implements sdktrace.SpanExporter.
func (w *watched) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := w.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !w.fails:
		w.logger.Warn("traces cannot be sent, so they are lost until they can; decisions do not depend on it", "error", err.Error())
	case err == nil && w.fails:
		w.logger.Info("traces can be sent again")
	}
	w.fails = err != nil
	return nil
}
