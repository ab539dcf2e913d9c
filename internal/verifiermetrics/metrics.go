// Package verifiermetrics counts what a verifier decides and how it is doing. Everything that is counted
// per request is looked up once, at the start: a decision costs a few atomic additions and no lock.
package verifiermetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// Metrics are the metrics of one verifier.
type Metrics struct {
	decisions           *prometheus.CounterVec
	duration            *prometheus.HistogramVec
	invalidRequirements prometheus.Counter
	malformedRequests   prometheus.Counter
	panics              prometheus.Counter
	lastEvent           prometheus.Gauge
	undecodable         prometheus.Gauge
}

// buckets reach from a decision in a warm cache to one that was held up by the collector or the scheduler.
var buckets = []float64{1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2}

// New makes the metrics and registers them. The gauges about the index are computed when they are asked for.
func New(registerer prometheus.Registerer, x *index.Index) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "apikey_operator_verifier_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "apikey_operator_verifier_" + name, Help: help})
	}
	computed := func(name, help string, value func(index.Stats) float64) prometheus.GaugeFunc {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "apikey_operator_verifier_" + name, Help: help},
			func() float64 { return value(x.Stats()) })
	}
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apikey_operator_verifier_decisions_total",
			Help: "Decisions, by dialect and reason; the reason of an allowed request is allowed.",
		}, []string{"dialect", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "apikey_operator_verifier_decision_duration_seconds",
			Help:    "Time from a request that was read to its answer, before that is written, by dialect.",
			Buckets: buckets,
		}, []string{"dialect"}),
		invalidRequirements: counter("invalid_requirements_total", "Requests refused because what their route demands is written wrongly."),
		malformedRequests:   counter("malformed_requests_total", "Requests that are no HTTP, too large or too slow."),
		panics:              counter("panics_total", "Requests refused because deciding them failed; each is a mistake in this program."),
		lastEvent:           gauge("last_event_timestamp_seconds", "When the API server was last heard from, bookmarks included."),
		undecodable:         gauge("undecodable_apikeys", "ApiKeys that cannot be read and are refused."),
	}
	registerer.MustRegister(m.decisions, m.duration, m.invalidRequirements, m.malformedRequests, m.panics, m.lastEvent, m.undecodable,
		computed("index_credentials", "Credentials in the index.", func(s index.Stats) float64 { return float64(s.Credentials) }),
		computed("index_apikeys", "ApiKeys with a credential in the index.", func(s index.Stats) float64 { return float64(s.APIKeys) }),
		computed("index_bytes", "Memory that look-ups in the index read.", func(s index.Stats) float64 { return float64(s.Bytes) }))
	return m
}

// EventSeen is told when the API server was heard from, in seconds since the epoch.
func (m *Metrics) EventSeen(unixSeconds float64) { m.lastEvent.Set(unixSeconds) }

// Undecodable is told how many ApiKeys cannot be read.
func (m *Metrics) Undecodable(count int) { m.undecodable.Set(float64(count)) }

// InvalidRequirement counts a request to a route whose requirement is written wrongly.
func (m *Metrics) InvalidRequirement() { m.invalidRequirements.Inc() }

// MalformedRequest counts a request that could not be read.
func (m *Metrics) MalformedRequest() { m.malformedRequests.Inc() }

// Panic counts a request that was refused because deciding it failed.
func (m *Metrics) Panic() { m.panics.Inc() }

// Dialect counts the decisions made in one dialect.
type Dialect struct {
	decisions [authn.ReasonCount]prometheus.Counter
	duration  prometheus.Observer
}

// Dialect makes the counters of a dialect, all at zero, so that a first refusal shows as an increase.
func (m *Metrics) Dialect(name string) *Dialect {
	d := &Dialect{duration: m.duration.WithLabelValues(name)}
	for reason := range authn.ReasonCount {
		d.decisions[reason] = m.decisions.WithLabelValues(name, authn.Reason(reason).String())
	}
	return d
}

// Decided counts a decision and the time that it took.
func (d *Dialect) Decided(reason authn.Reason, took time.Duration) {
	d.decisions[reason].Inc()
	d.duration.Observe(took.Seconds())
}
