// Package verifiermetrics holds what a verifier tells Prometheus. All names begin with
// apikey_operator_verifier_, and all labels are bounded by lists in the code.
package verifiermetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

const (
	namespace = "apikey_operator"
	subsystem = "verifier"
)

// durationBuckets are in seconds, from what a look-up in memory takes to what a busy machine makes of it.
var durationBuckets = []float64{1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 1e-1}

// propagationBuckets are in seconds. Records hold whole ones, so that what took no time at all may seem to have taken one.
var propagationBuckets = []float64{1, 2, 3, 5, 10, 30, 60, 300, 1800}

// Metrics is what is counted while serving. Its methods may be called from any number of goroutines.
type Metrics struct {
	decisions           *prometheus.CounterVec
	duration            prometheus.Histogram
	invalidRequirements prometheus.Counter
	panics              prometheus.Counter
	lastEvent           prometheus.Gauge
	undecodable         prometheus.Gauge
	propagation         prometheus.Histogram
	expiring            *expiringKeys
}

// New registers all metrics of a verifier. The size of the index is asked of stats at each scrape; now is the clock that
// keys end by. Like prometheus.MustRegister it panics where one is registered already.
func New(registerer prometheus.Registerer, stats func() index.Stats, now func() time.Time) *Metrics {
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts(
			options("decisions_total", "Decisions made, by the dialect of the proxy and the reason; allowed is the reason of those that passed.")),
			[]string{"dialect", "reason"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "decision_duration_seconds",
			Help:    "Time from a request that has arrived to an answer that is ready to be sent.",
			Buckets: durationBuckets,
		}),
		invalidRequirements: prometheus.NewCounter(prometheus.CounterOpts(
			options("invalid_requirements_total", "Requests refused because what their route demands is written wrongly; the log tells each once."))),
		panics: prometheus.NewCounter(prometheus.CounterOpts(
			options("panics_total", "Requests refused because answering them failed; each is a bug."))),
		lastEvent: prometheus.NewGauge(prometheus.GaugeOpts(
			options("last_event_timestamp_seconds", "When the API server was last heard from, bookmarks included, so that it moves in a quiet cluster too."))),
		undecodable: prometheus.NewGauge(prometheus.GaugeOpts(
			options("undecodable_apikeys", "ApiKeys that are refused because they cannot be read; the log names each once."))),
		propagation: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "propagation_seconds",
			Help: "Time from the record of a new credential, which holds whole seconds, until this verifier accepts it. " +
				"The key is published --publish-delay (2 s) after the record.",
			Buckets: propagationBuckets,
		}),
		expiring: newExpiringKeys(now),
	}
	registerer.MustRegister(m.decisions, m.duration, m.invalidRequirements, m.panics, m.lastEvent, m.undecodable, m.propagation, m.expiring)
	registerer.MustRegister(sizes(stats)...)
	return m
}

func options(name, help string) prometheus.Opts {
	return prometheus.Opts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}
}

// sizes are the gauges that are computed when they are asked for.
func sizes(stats func() index.Stats) []prometheus.Collector {
	gauge := func(name, help string, value func(index.Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts(options(name, help)), func() float64 { return value(stats()) })
	}
	return []prometheus.Collector{
		gauge("index_credentials", "Credentials in the index.",
			func(s index.Stats) float64 { return float64(s.Credentials) }),
		gauge("index_apikeys", "ApiKeys in the index that have a credential.",
			func(s index.Stats) float64 { return float64(s.APIKeys) }),
		gauge("index_bytes", "Memory that look-ups in the index read.",
			func(s index.Stats) float64 { return float64(s.Bytes) }),
	}
}

// Decisions returns what is told of each decision in a dialect, and how long it took; less than nothing where
// nothing was measured. All its counters
// exist from the start, at zero, and are resolved once.
func (m *Metrics) Decisions(dialect string) func(reason authn.Reason, took time.Duration) {
	var counters [authn.ReasonCount]prometheus.Counter
	for r := range counters {
		counters[r] = m.decisions.WithLabelValues(dialect, authn.Reason(r).String())
	}
	return func(reason authn.Reason, took time.Duration) {
		counters[reason].Inc()
		if took >= 0 { // a refusal that nothing was decided for would make decisions look quicker
			m.duration.Observe(took.Seconds())
		}
	}
}

// InvalidRequirement is told of each request to a route whose demands cannot be understood.
func (m *Metrics) InvalidRequirement() { m.invalidRequirements.Inc() }

// Panicked is told of each request that was refused because answering it failed.
func (m *Metrics) Panicked() { m.panics.Inc() }

// EventSeen is told the time of each event from the API server, in seconds since the Unix epoch.
func (m *Metrics) EventSeen(unixSeconds float64) { m.lastEvent.Set(unixSeconds) }

// Undecodable is told how many ApiKeys cannot be read.
func (m *Metrics) Undecodable(count int) { m.undecodable.Set(float64(count)) }

// Propagated is told how long a credential took from its record until it was accepted here. Less than nothing, by clocks that
// differ, counts as nothing.
func (m *Metrics) Propagated(took time.Duration) { m.propagation.Observe(max(0, took.Seconds())) }

// ExpiringKeyUsed is told of each allowed request of an ApiKey that ends soon, and when that is, in nanoseconds since the Unix
// epoch.
func (m *Metrics) ExpiringKeyUsed(namespace, name string, end int64) {
	m.expiring.used(namespace, name, end)
}
