package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/controllers/indexfeed"
	"github.com/apikey-operator/apikey-operator/internal/authgrpc"
	"github.com/apikey-operator/apikey-operator/internal/authhttp"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/decisionlog"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/serverclock"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

func runVerifier(ctx context.Context, f *verifierFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	logger := f.newLogger()
	config, err := f.restConfig()
	if err != nil {
		return err
	}
	proxies, err := listen(ctx, "bind-address", f.bindAddress)
	if err != nil {
		return err
	}
	envoys, err := f.grpc.listen(ctx)
	if err != nil {
		return err
	}
	probes, err := listen(ctx, "metrics-bind-address", f.metricsAddress)
	if err != nil {
		return err
	}
	v, err := newVerifier(ctx, f, logger)
	if err != nil {
		return err
	}
	logger.Info("starting the verifier", "version", version, "address", proxies.Addr().String(), "watching", whereabouts(f.namespaces))
	return v.run(ctx, config, listeners{proxies: proxies, envoys: envoys, probes: probes})
}

// verifier is the wiring of one verifier process.
type verifier struct {
	flags     *verifierFlags
	logger    *slog.Logger
	registry  *prometheus.Registry
	feeds     *indexfeed.Feeds
	offset    serverclock.Offset
	server    *authhttp.Server
	grpc      *authgrpc.Server // nil where nobody is to ask over gRPC
	decisions *decisionlog.Log
	limits    io.Closer
	tls       *proxyTLS
	tracer    *decisionTracer
	draining  atomic.Bool
}

// listeners are what a verifier listens on. There is none for gRPC, envoys, where nobody is to ask over it.
type listeners struct{ proxies, envoys, probes net.Listener }

func newVerifier(ctx context.Context, f *verifierFlags, logger *slog.Logger) (*verifier, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	x := index.New()
	metrics := verifiermetrics.New(registry, x.Stats, time.Now)
	feeds := indexfeed.NewFeeds(x, f.namespaces, metrics, clock.RealClock{}, logger)
	decisions, err := decisionlog.New(f.decisionLog, os.Stdout, time.Now(), logger)
	if err != nil {
		return nil, err
	}
	verifiermetrics.RegisterDecisionLog(registry, decisions)
	limiter, limits, err := f.rateLimits.newStore(registry, logger)
	if err != nil {
		return nil, err
	}
	tracer, err := newDecisionTracer(ctx, f.tracing, logger)
	if err != nil {
		return nil, err
	}
	g, err := gate.New(f.gate, gate.Config{
		Decider: authn.NewDecider(x),
		Ready:   feeds.Synced,
		Now:     time.Now,
		Limiter: limiter,
		Metrics: metrics,
		Log:     decisions,
		Tracer:  tracer.forGate(),
		Logger:  logger,
	})
	if err != nil {
		return nil, err
	}
	proxyTLS, err := newProxyTLS(f.tls, registry, logger)
	if err != nil {
		return nil, err
	}
	server, err := authhttp.New(f.connections, g, logger)
	if err != nil {
		return nil, err
	}
	v := &verifier{
		flags: f, logger: logger, registry: registry, feeds: feeds, server: server, decisions: decisions,
		limits: limits, tls: proxyTLS, tracer: tracer,
	}
	verifiermetrics.RegisterFeed(registry, feeds.Staleness, v.offset.Get)
	verifiermetrics.RegisterReady(registry, func() bool { return v.ready() == nil })
	v.grpc, err = f.grpc.newServer(g, f.connections, proxyTLS, func() bool { return v.ready() == nil })
	return v, err
}

// run serves until ctx ends, and then drains: not ready, but answering, for the drain delay; then no new
// connections, and what is in flight is answered.
func (v *verifier) run(ctx context.Context, config *rest.Config, on listeners) error {
	work, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	defer fail(nil)
	health := newHealthServer(on.probes, v.registry, v.ready)
	var group errgroup.Group
	start := func(run func() error) {
		group.Go(func() error {
			err := run()
			if err != nil {
				fail(err)
			}
			return err
		})
	}
	start(health.run)
	start(func() error { return v.server.Serve(v.tls.listen(on.proxies)) })
	if v.grpc != nil {
		start(func() error { return v.grpc.Serve(on.envoys) })
	}
	start(func() error { v.tls.run(work); return nil })
	start(func() error { return v.feeds.Run(work, observed(config, &v.offset)) })

	select {
	case <-ctx.Done():
		v.drain(work)
	case <-work.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.flags.stopTimeout())
	defer cancel()
	err := errors.Join(v.shutdown(stopping), health.stop(stopping))
	if errors.Is(err, context.DeadlineExceeded) {
		v.logger.Warn("some connections were cut off, since they took longer than a request may", "waited", v.flags.stopTimeout().String())
		err = nil
	}
	fail(nil)
	err = errors.Join(err, group.Wait(), v.limits.Close())
	v.flush(ctx)
	return err
}

// flushTimeout is how long the ends of the decision log and of the traces may take to leave.
const flushTimeout = 3 * time.Second

// flush has a time of its own: what is left to be written tells most where connections had to be cut off.
func (v *verifier) flush(ctx context.Context) {
	flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := v.decisions.Close(flushing); err != nil {
		v.logger.Warn("the end of the decision log is lost", "error", err.Error())
	}
	v.tracer.stop(flushing)
}

// shutdown stops both front ends at once, so that one does not take the time of the other.
func (v *verifier) shutdown(stopping context.Context) error {
	if v.grpc == nil {
		return v.server.Shutdown(stopping)
	}
	var group errgroup.Group
	group.Go(func() error { return v.grpc.Shutdown(stopping) })
	err := v.server.Shutdown(stopping)
	return errors.Join(err, group.Wait())
}

func (v *verifier) drain(work context.Context) {
	v.draining.Store(true)
	v.server.Drain()
	if v.grpc != nil {
		v.grpc.Drain()
	}
	v.logger.Info("draining", "delay", v.flags.drainDelay.String())
	timer := time.NewTimer(v.flags.drainDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-work.Done():
	}
}

// ready says why no question should be sent here.
func (v *verifier) ready() error {
	switch {
	case v.draining.Load():
		return fmt.Errorf("draining: the process was told to stop")
	case !v.feeds.Synced():
		return fmt.Errorf("not synced: the ApiKeys of %s were not all seen yet", whereabouts(v.feeds.Unsynced()))
	}
	return checkStaleness(v.feeds.Staleness(), v.flags.maxStaleness)
}
