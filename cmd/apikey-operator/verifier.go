package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/controllers/indexfeed"
	"github.com/apikey-operator/apikey-operator/internal/authhttp"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

type verifierFlags struct {
	commonFlags
	bindAddress    string
	metricsAddress string
	drainDelay     time.Duration
	gate           gate.Settings
	connections    authhttp.Settings
}

// maxDrainDelay keeps a drain within what an orchestrator waits for.
const maxDrainDelay = 5 * time.Minute

// stopTimeout is how long requests in flight may take after the drain: as long as they may take at all.
func (f *verifierFlags) stopTimeout() time.Duration {
	return f.connections.ReadTimeout + f.connections.WriteTimeout + time.Second
}

func newVerifierCommand() *cobra.Command {
	f := &verifierFlags{gate: gate.DefaultSettings(), connections: authhttp.DefaultSettings()}
	command := &cobra.Command{
		Use:   "verifier",
		Short: "Answers ingress proxies: may this request pass, and who is it?",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return runVerifier(c.Context(), f) },
	}
	f.registerFlags(command)
	return command
}

func (f *verifierFlags) registerFlags(command *cobra.Command) {
	flags := command.Flags()
	f.register(flags)
	flags.StringVar(&f.bindAddress, "bind-address", ":9090", "address that proxies ask")
	flags.StringVar(&f.metricsAddress, "metrics-bind-address", ":8080", "address that serves /metrics, /healthz and /readyz over HTTP")
	flags.DurationVar(&f.drainDelay, "drain-delay", 5*time.Second,
		"how long to go on answering after a termination signal while not ready, so that proxies can turn elsewhere; 0s to 5m")
	f.registerGate(flags)
	f.registerConnections(flags)
}

func (f *verifierFlags) registerGate(flags *pflag.FlagSet) {
	s := &f.gate
	flags.StringVar(&s.CredentialHeader, "credential-header", s.CredentialHeader, "header that holds the key")
	flags.BoolVar(&s.Authorization, "credential-authorization", s.Authorization,
		"also take the key from Authorization: Bearer KEY, ApiKey KEY, or the bare key")
	flags.StringVar(&s.QueryParameter, "credential-query", s.QueryParameter,
		"also take the key from this query parameter of the original URL, such as api_key; empty for not at all, since URLs are logged")
	flags.StringVar(&s.Cookie, "credential-cookie", s.Cookie, "also take the key from this cookie, such as api_key; empty for not at all")
	flags.StringVar(&s.Realm, "realm", s.Realm, "realm in WWW-Authenticate")
	flags.StringSliceVar(&s.TrustedProxies, "trusted-proxies", s.TrustedProxies,
		"networks and addresses of further proxies whose word counts in X-Forwarded-For, such as 10.0.0.0/8,2001:db8::/32: "+
			"the client's address is the right-most one that is in none of them; not used by /auth/nginx")
}

func (f *verifierFlags) registerConnections(flags *pflag.FlagSet) {
	s := &f.connections
	flags.IntVar(&s.MaxHeaderBytes, "max-header-bytes", s.MaxHeaderBytes,
		"longest request line and headers together; must hold what the proxy passes on of its clients' headers")
	flags.IntVar(&s.MaxBodyBytes, "max-body-bytes", s.MaxBodyBytes, "longest request body; none is needed")
	flags.IntVar(&s.MaxConnections, "max-connections", s.MaxConnections,
		"how many connections are served at once, others wait; each takes about max-header-bytes of memory, and up to three times that after long headers")
	flags.DurationVar(&s.ReadTimeout, "read-timeout", s.ReadTimeout, "how long a request may take to arrive")
	flags.DurationVar(&s.WriteTimeout, "write-timeout", s.WriteTimeout, "how long an answer may take to be taken")
	flags.DurationVar(&s.IdleTimeout, "idle-timeout", s.IdleTimeout,
		"how long a connection is kept without a request; longer than the proxy keeps it, so that the proxy closes first")
}

func (f *verifierFlags) validate() error {
	if f.drainDelay < 0 || f.drainDelay > maxDrainDelay {
		return usagef("--drain-delay: %s is out of range: give 0s to %s", f.drainDelay, maxDrainDelay)
	}
	addresses := map[string]string{"bind-address": f.bindAddress, "metrics-bind-address": f.metricsAddress}
	if err := checkAddresses(addresses); err != nil {
		return err
	}
	for _, settings := range []interface{ Validate() error }{f.gate, f.connections} {
		if err := settings.Validate(); err != nil {
			return usageError{err}
		}
	}
	return nil
}

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
	probes, err := listen(ctx, "metrics-bind-address", f.metricsAddress)
	if err != nil {
		return err
	}
	v, err := newVerifier(f, logger)
	if err != nil {
		return err
	}
	logger.Info("starting the verifier", "version", version, "address", proxies.Addr().String())
	return v.run(ctx, config, proxies, probes)
}

// verifier is the wiring of one verifier process.
type verifier struct {
	logger     *slog.Logger
	drainDelay time.Duration
	stopTime   time.Duration
	registry   *prometheus.Registry
	feed       *indexfeed.Feed
	server     *authhttp.Server
	draining   atomic.Bool
}

func newVerifier(f *verifierFlags, logger *slog.Logger) (*verifier, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	x := index.New()
	metrics := verifiermetrics.New(registry, x.Stats)
	feed := indexfeed.New(x, metrics, clock.RealClock{}, logger)
	g, err := gate.New(f.gate, gate.Config{
		Decider: authn.NewDecider(x),
		Ready:   feed.Synced,
		Now:     time.Now,
		Limiter: ratelimit.NewMemory(time.Now()),
		Metrics: metrics,
		Logger:  logger,
	})
	if err != nil {
		return nil, err
	}
	server, err := authhttp.New(f.connections, g, logger)
	if err != nil {
		return nil, err
	}
	return &verifier{logger: logger, drainDelay: f.drainDelay, stopTime: f.stopTimeout(), registry: registry, feed: feed, server: server}, nil
}

// run serves until ctx ends, and then drains: not ready, but answering, for the drain delay; then no new
// connections, and what is in flight is answered.
func (v *verifier) run(ctx context.Context, config *rest.Config, proxies, probes net.Listener) error {
	work, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	defer fail(nil)
	health := newHealthServer(probes, v.registry, v.ready)
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
	start(func() error { return v.server.Serve(proxies) })
	start(func() error { return v.feed.Run(work, config) })

	select {
	case <-ctx.Done():
		v.drain(work)
	case <-work.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.stopTime)
	defer cancel()
	err := errors.Join(v.server.Shutdown(stopping), health.stop(stopping))
	if errors.Is(err, context.DeadlineExceeded) {
		v.logger.Warn("some connections were cut off, since they took longer than a request may", "waited", v.stopTime.String())
		err = nil
	}
	fail(nil)
	return errors.Join(err, group.Wait())
}

func (v *verifier) drain(work context.Context) {
	v.draining.Store(true)
	v.server.Drain()
	v.logger.Info("draining", "delay", v.drainDelay.String())
	timer := time.NewTimer(v.drainDelay)
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
	case !v.feed.Synced():
		return fmt.Errorf("not synced: the ApiKeys of the cluster were not all seen yet")
	}
	return nil
}
