package apikey

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
)

// Collector computes the gauges over all ApiKeys when it is asked for, so that no series outlives its objects. Every replica
// of the manager tells the same, whether it leads or not.
type Collector struct {
	cached client.Reader
	clock  clock.PassiveClock

	states, expiries, omitted, denied, overdue, mostOverdue *prometheus.Desc
}

// NewCollector makes a collector for the ApiKeys of a cache.
func NewCollector(cached client.Reader, clock clock.PassiveClock) *Collector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("apikey_operator_"+name, help, labels, nil)
	}
	return &Collector{
		cached: cached,
		clock:  clock,
		states: describe("apikeys", "ApiKeys by state; Unknown are those that the manager has not looked at.", "state"),
		expiries: describe("apikey_expiry_timestamp_seconds",
			"When ApiKeys end, of the 100 that end next, 20 of a namespace at most. Those that were revoked, are denied or have ended are left out.",
			"namespace", "name"),
		omitted: describe("apikey_expiries_omitted",
			"ApiKeys that end within 14 days and are not told of by name, since 100 are, or 20 of their namespace."),
		denied: describe("apikeys_denied", "ApiKeys in the state Denied by the reason of their condition Accepted.", "reason"),
		overdue: describe("rotations_overdue",
			"ApiKeys whose rotation is due and not done. It takes some seconds, and waits its turn where many are due."),
		mostOverdue: describe("rotation_overdue_seconds", "How long ago the rotation was due that has waited for longest; 0 where none is."),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.states, c.expiries, c.omitted, c.denied, c.overdue, c.mostOverdue} {
		descriptions <- d
	}
}

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
	counted := newCensus(c.clock.Now())
	for i := range list.Items {
		counted.add(&list.Items[i])
	}
	tell := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for state, n := range counted.states {
		tell(c.states, float64(n), state)
	}
	for reason, n := range counted.denied {
		tell(c.denied, float64(n), reason)
	}
	soonest, omitted := counted.soonest()
	for _, e := range soonest {
		tell(c.expiries, float64(e.at.Unix()), e.namespace, e.name)
	}
	tell(c.omitted, float64(omitted))
	tell(c.overdue, float64(counted.overdue))
	tell(c.mostOverdue, counted.mostOverdue.Seconds())
}
