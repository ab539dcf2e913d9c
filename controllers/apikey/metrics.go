package apikey

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// Metrics are what the manager counts.
type Metrics struct {
	issued          *prometheus.CounterVec
	publishFailures prometheus.Counter

	mu          sync.Mutex
	unreadables map[types.NamespacedName]struct{}
}

// NewMetrics makes the manager's counters and registers them.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		issued: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apikey_operator_credentials_published_total",
			Help: "Credentials that became the current one of their ApiKey, by cause.",
		}, []string{"cause"}),
		publishFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apikey_operator_publish_failures_total",
			Help: "Writes of a Secret that the API server refused, changed or did not answer, races apart.",
		}),
		unreadables: map[types.NamespacedName]struct{}{},
	}
	for _, cause := range lifecycle.Causes {
		m.issued.WithLabelValues(string(cause))
	}
	registerer.MustRegister(m.issued, m.publishFailures, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "apikey_operator_undecodable_apikeys",
		Help: "ApiKeys that this version cannot read and leaves alone.",
	}, m.countUnreadables))
	return m
}

// NewClockGauge tells by how much the API server's clock is ahead of ours.
func NewClockGauge(offset func() time.Duration) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "apikey_operator_clock_offset_seconds",
		Help: "By how much the API server's clock is ahead of the manager's; beyond 30 s either way no rotation is started.",
	}, func() float64 { return offset().Seconds() })
}

func (m *Metrics) countUnreadables() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return float64(len(m.unreadables))
}

func (m *Metrics) unreadable(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unreadables[name] = struct{}{}
}

func (m *Metrics) readable(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.unreadables, name)
}

// Collector computes the gauge over all ApiKeys when it is asked for, so that no series outlives its
// objects.
type Collector struct {
	cached client.Reader
	states *prometheus.Desc
}

// NewCollector makes a collector that counts the ApiKeys of a cache.
func NewCollector(cached client.Reader) *Collector {
	return &Collector{
		cached: cached,
		states: prometheus.NewDesc("apikey_operator_apikeys",
			"ApiKeys by state; Unknown are those that the manager has not looked at.", []string{"state"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- c.states }

// scrapeTimeout bounds a scrape that comes before the cache is filled.
const scrapeTimeout = time.Second

// Collect implements prometheus.Collector. Before the cache is filled there is nothing to tell; an error
// would cost the scrape all other metrics too.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	list := apiobject.NewList()
	if err := c.cached.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	for state, n := range countStates(list.Items) {
		metrics <- prometheus.MustNewConstMetric(c.states, prometheus.GaugeValue, float64(n), state)
	}
}

const unknownState = "Unknown"

var knownStates = map[string]int{
	string(v1alpha1.StatePending):   0,
	string(v1alpha1.StateActive):    0,
	string(v1alpha1.StateExpiring):  0,
	string(v1alpha1.StateExpired):   0,
	string(v1alpha1.StateDenied):    0,
	string(v1alpha1.StateSuspended): 0,
	string(v1alpha1.StateRevoked):   0,
	unknownState:                    0,
}

func countStates(objects []unstructured.Unstructured) map[string]int {
	states := maps.Clone(knownStates)
	for i := range objects {
		state, _, _ := unstructured.NestedString(objects[i].Object, "status", "state")
		if _, known := states[state]; !known {
			state = unknownState
		}
		states[state]++
	}
	return states
}
