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
	url, host, method := []byte("/customers?page=2"), []byte("api.example"), []byte("GET")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Write(&decisionlog.Entry{Time: noon, Reason: authn.UnknownKey, Dialect: "nginx", URL: url, Host: host, Method: method})
		}
	})
}

// BenchmarkAllowed is what an allowed request pays where refusals alone are logged.
func BenchmarkAllowed(b *testing.B) {
	l := newLog(b, decisionlog.DefaultSettings(), io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		l.Write(&decisionlog.Entry{Time: noon, Reason: authn.Allowed})
	}
}
