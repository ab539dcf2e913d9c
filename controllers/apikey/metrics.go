package apikey

import (
	"context"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// Metrics are what the manager counts.
type Metrics struct {
	issued          *prometheus.CounterVec
	publishFailures prometheus.Counter
}

// NewMetrics makes the manager's counters and registers them.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		issued: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apikey_operator_credentials_published_total",
			Help: "Credentials published in a Secret, by cause.",
		}, []string{"cause"}),
		publishFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apikey_operator_publish_failures_total",
			Help: "Writes of a Secret that the API server refused or did not answer, races apart.",
		}),
	}
	for _, cause := range []lifecycle.Cause{lifecycle.Issued, lifecycle.SecretLost, lifecycle.SecretChanged, lifecycle.Renewed} {
		m.issued.WithLabelValues(string(cause))
	}
	registerer.MustRegister(m.issued, m.publishFailures)
	return m
}

// Collector computes the gauges over all ApiKeys when they are asked for, so that no series outlives
// its objects.
type Collector struct {
	cached client.Reader
	states *prometheus.Desc
	broken *prometheus.Desc
}

// NewCollector makes a collector that counts the ApiKeys of a cache.
func NewCollector(cached client.Reader) *Collector {
	return &Collector{
		cached: cached,
		states: prometheus.NewDesc("apikey_operator_apikeys",
			"ApiKeys by state; Unknown are those that the manager has not looked at.", []string{"state"}, nil),
		broken: prometheus.NewDesc("apikey_operator_undecodable_apikeys",
			"ApiKeys that this version cannot read and leaves alone.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- c.states
	descriptions <- c.broken
}

// scrapeTimeout bounds a scrape that comes before the cache is filled.
const scrapeTimeout = 5 * time.Second

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	list := apiobject.NewList()
	if err := c.cached.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		metrics <- prometheus.NewInvalidMetric(c.states, err)
		return
	}
	states, broken := countStates(list.Items)
	for state, n := range states {
		metrics <- prometheus.MustNewConstMetric(c.states, prometheus.GaugeValue, float64(n), state)
	}
	metrics <- prometheus.MustNewConstMetric(c.broken, prometheus.GaugeValue, float64(broken))
}

const unknownState = "Unknown"

var knownStates = map[string]int{
	string(v1alpha1.StatePending):   0,
	string(v1alpha1.StateActive):    0,
	string(v1alpha1.StateExpired):   0,
	string(v1alpha1.StateSuspended): 0,
	string(v1alpha1.StateRevoked):   0,
	unknownState:                    0,
}

func countStates(objects []unstructured.Unstructured) (states map[string]int, broken int) {
	states = maps.Clone(knownStates)
	for i := range objects {
		key, err := apiobject.Decode(&objects[i])
		if err != nil {
			broken++
			continue
		}
		state := string(key.Status.State)
		if _, known := states[state]; !known {
			state = unknownState
		}
		states[state]++
	}
	return states, broken
}
