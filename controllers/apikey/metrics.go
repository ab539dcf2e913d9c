package apikey

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

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
			Help: "Credentials that became the current one of their ApiKey, by cause. SecretLost and SecretChanged tell of somebody else's hand; Restored stands still outside a restore.",
		}, []string{"cause"}),
		publishFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apikey_operator_publish_failures_total",
			Help: "Writes of a Secret that the API server refused, changed or did not answer, races apart; kubectl describe apikey says why.",
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
