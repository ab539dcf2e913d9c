package verifiermetrics

import (
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// RegisterRateLimitSubjects registers how many ApiKeys are counted in memory, which is asked at each scrape.
func RegisterRateLimitSubjects(registerer prometheus.Registerer, subjects func() int) {
	registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts(
		options("rate_limit_subjects", "ApiKeys whose requests are counted in memory; without a shared store.")),
		func() float64 { return float64(subjects()) }))
}

// RateLimitStore tells how a shared store of counts is doing.
type RateLimitStore struct {
	answered [len(ratelimit.Sources)]prometheus.Counter
	failures prometheus.Counter
	logger   *slog.Logger
	out      atomic.Bool // whether the log was told that the store is out
}

var _ ratelimit.Observer = (*RateLimitStore)(nil)

// NewRateLimitStore registers the metrics of a shared store. It tells logger when the store is out, and when it is back.
func NewRateLimitStore(registerer prometheus.Registerer, logger *slog.Logger) *RateLimitStore {
	answers := prometheus.NewCounterVec(prometheus.CounterOpts(options("rate_limit_answers_total",
		"Requests that were counted, by who counted them: the shared store, or a failure policy in its stead.")), []string{"by"})
	s := &RateLimitStore{
		failures: prometheus.NewCounter(prometheus.CounterOpts(options("rate_limit_store_failures_total",
			"Failed attempts to count in the shared store: one a second while it is out; the log says why."))),
		logger: logger,
	}
	registerer.MustRegister(answers, s.failures)
	for _, source := range ratelimit.Sources {
		s.answered[source] = answers.WithLabelValues(source.String())
	}
	return s
}

// Answered implements ratelimit.Observer.
func (s *RateLimitStore) Answered(by ratelimit.Source) {
	s.answered[by].Inc()
	if by == ratelimit.FromShared && s.out.Load() && s.out.CompareAndSwap(true, false) {
		s.logger.Info("requests are counted in the shared store again")
	}
}

// Failed implements ratelimit.Observer.
func (s *RateLimitStore) Failed(err error) {
	s.failures.Inc()
	if s.out.CompareAndSwap(false, true) {
		s.logger.Warn("requests cannot be counted in the shared store, so the failure policy decides until they can", "error", err.Error())
	}
}
