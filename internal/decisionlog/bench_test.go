package decisionlog_test

import (
	"io"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/decisionlog"
)

// BenchmarkSuppressed is what a flood of refusals pays for the log.
func BenchmarkSuppressed(b *testing.B) {
	l := newLog(b, decisionlog.DefaultSettings(), io.Discard)
	decision := &described{Dialect: "nginx", URL: []byte("/customers?page=2"), Host: []byte("api.example"), Method: []byte("GET")}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Write(authn.UnknownKey, noon, decision)
		}
	})
}

// BenchmarkAllowed is what an allowed request pays where refusals alone are logged.
func BenchmarkAllowed(b *testing.B) {
	l := newLog(b, decisionlog.DefaultSettings(), io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		l.Write(authn.Allowed, noon, described{})
	}
}
