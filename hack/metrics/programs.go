package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/apikey"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/webhookcert"
	"github.com/apikey-operator/apikey-operator/internal/admission"
	"github.com/apikey-operator/apikey-operator/internal/authgrpc"
	"github.com/apikey-operator/apikey-operator/internal/authhttp"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/decisionlog"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

// section is what a program serves under one condition.
type section struct {
	title   string
	metrics []metric
}

func programs() ([]section, error) {
	var sections []section
	for _, s := range []struct {
		title    string
		register func(*registry) error
	}{
		{"Verifier", verifier},
		{"Verifier, counting requests in memory (`--rate-limit-store=memory`, the default)", countingInMemory},
		{"Verifier, counting requests in Redis (`--rate-limit-store=redis`)", countingInRedis},
		{"Verifier, serving TLS (`--tls-cert-file`)", servingTLS},
		{"Manager", manager},
		{"Manager, serving the admission webhook (the default)", servingWebhook},
	} {
		r := newRegistry()
		if err := s.register(r); err != nil {
			return nil, err
		}
		metrics, err := r.metrics()
		if err != nil {
			return nil, err
		}
		sections = append(sections, section{title: s.title, metrics: metrics})
	}
	return sections, nil
}

// verifier has all dialects at work, since each has series of its own.
func verifier(r *registry) error {
	quiet, x := slog.New(slog.DiscardHandler), index.New()
	metrics := verifiermetrics.New(r, x.Stats, time.Now)
	metrics.ExpiringKeyUsed("any", "any", time.Now().Add(time.Hour).UnixNano())
	log, err := decisionlog.New(decisionlog.DefaultSettings(), io.Discard, time.Now(), quiet)
	if err != nil {
		return err
	}
	verifiermetrics.RegisterDecisionLog(r, log)
	verifiermetrics.RegisterReady(r, func() bool { return true })
	never := func() time.Duration { return 0 }
	verifiermetrics.RegisterFeed(r, never, never)
	g, err := gate.New(gate.DefaultSettings(), gate.Config{
		Decider: authn.NewDecider(x), Ready: func() bool { return true }, Now: time.Now,
		Limiter: ratelimit.NewMemory(time.Now()), Metrics: metrics, Logger: quiet,
	})
	if err != nil {
		return err
	}
	if _, err := authhttp.New(authhttp.DefaultSettings(), g, quiet); err != nil {
		return err
	}
	_, err = authgrpc.New(authgrpc.DefaultSettings(), authgrpc.Config{Gate: g})
	return err
}

func countingInMemory(r *registry) error {
	verifiermetrics.RegisterRateLimitSubjects(r, func() int { return 0 })
	return nil
}

func countingInRedis(r *registry) error {
	verifiermetrics.NewRateLimitStore(r, slog.New(slog.DiscardHandler))
	return nil
}

func servingTLS(r *registry) error {
	verifiermetrics.NewTLS(r)
	return nil
}

func manager(r *registry) error {
	apikey.NewMetrics(r)
	r.MustRegister(
		apikey.NewClockGauge(func() time.Duration { return 0 }),
		apikey.NewCollector(oneApiKey{}, clock.RealClock{}),
	)
	return nil
}

func servingWebhook(r *registry) error {
	admission.NewMetrics(r)
	r.MustRegister(webhookcert.NewExpiryCollector(func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Leaf: &x509.Certificate{}}, nil
	}))
	return nil
}

// oneApiKey is a cache with an ApiKey that ends some day.
type oneApiKey struct{ client.Reader }

// List implements client.Reader.
func (oneApiKey) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	key := apiobject.New()
	key.SetNamespace("any")
	key.SetName("any")
	list, ok := into.(*unstructured.UnstructuredList)
	if !ok {
		return nil
	}
	list.Items = append(list.Items, *key)
	return unstructured.SetNestedField(list.Items[0].Object, "2999-01-01T00:00:00Z", "spec", "expiresAt")
}
