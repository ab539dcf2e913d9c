// Package serve holds the servers that are measured, each the main function of a process of its own.
package serve

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/apikey-operator/apikey-operator/internal/authgrpc"
	"github.com/apikey-operator/apikey-operator/internal/authhttp"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/decisionlog"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
	"github.com/apikey-operator/apikey-operator/test/perf/corpus"
)

// Verifier serves as `apikey-operator verifier` does by its default flags, with the same parts wired in the same way, but
// for where the index comes from: the shipped program fills it from an API server alone, and a million ApiKeys in etcd
// would tell nothing about how quickly they are looked up.
func Verifier(n int, limit index.RateLimit) error {
	x, err := corpus.Index(n, limit)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // what only filling the index took
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := verifiermetrics.New(registry, x.Stats, time.Now)
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	synced := func() bool { return true }
	decisions, err := decisionlog.New(decisionlog.DefaultSettings(), os.Stdout, time.Now(), logger)
	if err != nil {
		return fmt.Errorf("make the decision log: %w", err)
	}
	verifiermetrics.RegisterDecisionLog(registry, decisions)
	limiter := ratelimit.NewMemory(time.Now())
	verifiermetrics.RegisterRateLimitSubjects(registry, limiter.Subjects)
	g, err := gate.New(gate.DefaultSettings(), gate.Config{
		Decider: authn.NewDecider(x),
		Ready:   synced,
		Now:     time.Now,
		Limiter: limiter,
		Metrics: metrics,
		Log:     decisions,
		Logger:  logger,
	})
	if err != nil {
		return fmt.Errorf("make the gate: %w", err)
	}
	server, err := authhttp.New(authhttp.DefaultSettings(), g, logger)
	if err != nil {
		return fmt.Errorf("make the verifier: %w", err)
	}
	envoys, err := authgrpc.New(authgrpc.DefaultSettings(), authgrpc.Config{Gate: g})
	if err != nil {
		return fmt.Errorf("make the verifier for gRPC: %w", err)
	}
	return serve(registry, server.Serve, envoys.Serve)
}

// serve runs servers on ports of their own, and one more that tells about this process.
func serve(registry *prometheus.Registry, servers ...func(net.Listener) error) error {
	var addresses Addresses
	failed := make(chan error)
	start := func(run func(net.Listener) error) (string, error) {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return "", fmt.Errorf("listen: %w", err)
		}
		go func() { failed <- run(ln) }()
		return ln.Addr().String(), nil
	}
	for _, run := range servers {
		address, err := start(run)
		if err != nil {
			return err
		}
		addresses.Servers = append(addresses.Servers, address)
	}
	var err error
	if addresses.About, err = start(func(ln net.Listener) error { return tell(ln, registry) }); err != nil {
		return err
	}
	if err := announce(addresses); err != nil {
		return err
	}
	return <-failed
}
