package verifiermetrics

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxExpiringKeys is how many ApiKeys are counted by name at a time.
const maxExpiringKeys = 100

// expiringKeys counts the requests of ApiKeys that end soon. One that has ended is not told of any more, so that those to come
// find a place.
type expiringKeys struct {
	now  func() time.Time
	desc *prometheus.Desc

	counted atomic.Pointer[map[apiKey]*expiringKey] // replaced, never changed
	others  atomic.Uint64

	writing sync.Mutex // held by whoever replaces counted
}

type apiKey struct{ namespace, name string }

type expiringKey struct {
	requests atomic.Uint64
	end      atomic.Int64 // nanoseconds since the Unix epoch
}

func newExpiringKeys(now func() time.Time) *expiringKeys {
	e := &expiringKeys{
		now: now,
		desc: prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, "expiring_key_requests_total"),
			"Allowed requests of ApiKeys that end within 14 days, those with a key in its grace period apart. Beyond 100 ApiKeys "+
				"at a time the labels are empty.", []string{"namespace", "name"}, nil),
	}
	e.counted.Store(&map[apiKey]*expiringKey{})
	return e
}

// used takes no lock and does not allocate, but for the first request of an ApiKey.
func (e *expiringKeys) used(namespace, name string, end int64) {
	counted := *e.counted.Load()
	key, known := counted[apiKey{namespace, name}]
	switch {
	case known:
	case len(counted) >= maxExpiringKeys:
		e.others.Add(1)
		return
	default:
		// The index keeps the memory that the names stand in for as long as anybody refers to it.
		if key = e.add(apiKey{strings.Clone(namespace), strings.Clone(name)}); key == nil {
			e.others.Add(1)
			return
		}
	}
	key.end.Store(end)
	key.requests.Add(1)
}

// add makes room for an ApiKey; nil where there is none.
func (e *expiringKeys) add(k apiKey) *expiringKey {
	e.writing.Lock()
	defer e.writing.Unlock()
	counted := *e.counted.Load()
	if key, known := counted[k]; known {
		return key
	}
	if len(counted) >= maxExpiringKeys {
		return nil
	}
	key := &expiringKey{}
	more := maps.Clone(counted)
	more[k] = key
	e.counted.Store(&more)
	return key
}

// forgetEnded makes room.
func (e *expiringKeys) forgetEnded() map[apiKey]*expiringKey {
	e.writing.Lock()
	defer e.writing.Unlock()
	now := e.now().UnixNano()
	left := maps.Clone(*e.counted.Load())
	maps.DeleteFunc(left, func(_ apiKey, key *expiringKey) bool {
		end := key.end.Load()
		return end != 0 && end <= now // 0: it is being added
	})
	e.counted.Store(&left)
	return left
}

// Describe implements prometheus.Collector.
func (e *expiringKeys) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- e.desc }

// Collect implements prometheus.Collector.
func (e *expiringKeys) Collect(metrics chan<- prometheus.Metric) {
	tell := func(k apiKey, requests uint64) {
		metrics <- prometheus.MustNewConstMetric(e.desc, prometheus.CounterValue, float64(requests), k.namespace, k.name)
	}
	for k, key := range e.forgetEnded() {
		tell(k, key.requests.Load())
	}
	tell(apiKey{}, e.others.Load())
}
