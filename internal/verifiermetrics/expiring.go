package verifiermetrics

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxExpiringKeys is how many ApiKeys are counted by name at a time, and maxNamespaceKeys how many of them are of one
// namespace: whoever may ask for keys in one could otherwise use a hundred that end soon, and no alert would tell that another's
// ends. The manager tells of as many.
const (
	maxExpiringKeys  = 100
	maxNamespaceKeys = 20
)

// expiringKeys counts the requests of ApiKeys that end soon. One that has ended is not told of any more, so that those to come
// find a place.
type expiringKeys struct {
	now  func() time.Time
	desc *prometheus.Desc

	counted atomic.Pointer[countedKeys] // replaced, never changed
	others  atomic.Uint64

	writing sync.Mutex // held by whoever replaces counted
}

type apiKey struct{ namespace, name string }

// countedKeys are the ApiKeys that are counted by name.
type countedKeys struct {
	keys        map[apiKey]*expiringKey
	ofNamespace map[string]int // how many of them
}

func newCountedKeys(keys map[apiKey]*expiringKey) *countedKeys {
	c := &countedKeys{keys: keys, ofNamespace: map[string]int{}}
	for k := range keys {
		c.ofNamespace[k.namespace]++
	}
	return c
}

// isFull says whether there is no place for another one of a namespace.
func (c *countedKeys) isFull(namespace string) bool {
	return len(c.keys) >= maxExpiringKeys || c.ofNamespace[namespace] >= maxNamespaceKeys
}

type expiringKey struct {
	requests atomic.Uint64
	end      atomic.Int64 // nanoseconds since the Unix epoch
}

func newExpiringKeys(now func() time.Time) *expiringKeys {
	e := &expiringKeys{
		now: now,
		desc: prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, "expiring_key_requests_total"),
			"Allowed requests of ApiKeys that end within 14 days, those with a key in its grace period apart. Beyond 100 ApiKeys "+
				"at a time, or 20 of a namespace, the labels are empty.", []string{"namespace", "name"}, nil),
	}
	e.counted.Store(newCountedKeys(nil))
	return e
}

// used takes no lock and does not allocate, but for the first request of an ApiKey.
func (e *expiringKeys) used(namespace, name string, end int64) {
	counted := e.counted.Load()
	key, known := counted.keys[apiKey{namespace, name}]
	switch {
	case known:
	case counted.isFull(namespace):
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
	counted := e.counted.Load()
	if key, known := counted.keys[k]; known {
		return key
	}
	if counted.isFull(k.namespace) {
		return nil
	}
	key := &expiringKey{}
	more := map[apiKey]*expiringKey{k: key}
	maps.Copy(more, counted.keys)
	e.counted.Store(newCountedKeys(more))
	return key
}

// forgetEnded makes room.
func (e *expiringKeys) forgetEnded() map[apiKey]*expiringKey {
	e.writing.Lock()
	defer e.writing.Unlock()
	now := e.now().UnixNano()
	left := maps.Clone(e.counted.Load().keys)
	maps.DeleteFunc(left, func(_ apiKey, key *expiringKey) bool {
		end := key.end.Load()
		return end != 0 && end <= now // 0: it is being added
	})
	e.counted.Store(newCountedKeys(left))
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
