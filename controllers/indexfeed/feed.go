// Package indexfeed keeps a verifier's index in step with the ApiKeys of the cluster. It stands where
// an informer has its object store, and keeps no objects: each is turned into what a decision needs as
// it arrives. Objects are decoded one by one, so that a bad one costs only its own key.
package indexfeed

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// Metrics is where the feed says how it is doing.
type Metrics interface {
	// EventSeen is told the time of each event, bookmarks included, in seconds since the epoch.
	EventSeen(unixSeconds float64)
	// Undecodable is told how many ApiKeys cannot be served because they cannot be read.
	Undecodable(count int)
	// Propagated is told how long a new credential took from its record, which holds whole seconds, until it is served; an hour
	// at most. By clocks that differ that may be less than nothing.
	Propagated(took time.Duration)
}

// Feed writes watch events of a namespace, or of the whole cluster, into an index. Its methods are those of a
// reflector's store; the reflector calls them one after another.
type Feed struct {
	index     *index.Index
	namespace string // empty for all
	metrics   Metrics
	clock     clock.PassiveClock
	logger    *slog.Logger
	start     time.Time

	synced atomic.Bool
	heard  atomic.Int64                      // when the API server was last heard from; nanoseconds after start
	broken map[types.NamespacedName]struct{} // named in the log already
}

var (
	_ cache.TransformingStore      = (*Feed)(nil)
	_ cache.ReflectorBookmarkStore = (*Feed)(nil)
)

// New makes a feed of all namespaces for an index, which no other feed may write into: see NewFeeds for more than one.
func New(x *index.Index, metrics Metrics, clock clock.PassiveClock, logger *slog.Logger) *Feed {
	return newFeed(x, metav1.NamespaceAll, metrics, clock, logger)
}

func newFeed(x *index.Index, namespace string, metrics Metrics, clock clock.PassiveClock, logger *slog.Logger) *Feed {
	return &Feed{
		index:     x,
		namespace: namespace,
		metrics:   metrics,
		clock:     clock,
		logger:    logger,
		start:     clock.Now(),
		broken:    map[types.NamespacedName]struct{}{},
	}
}

// Synced says whether the index has held the whole content of what is watched once. It never becomes false
// again: a lost API server does not stop verification.
func (f *Feed) Synced() bool { return f.synced.Load() }

// Staleness is how long ago the API server was last heard from, by an event or a bookmark: a quiet cluster sends the
// latter once a minute or so. Before the first it is how long the feed has waited. It goes by the monotonic part of the
// clock, where there is one, so that setting the clock makes nothing stale.
func (f *Feed) Staleness() time.Duration {
	return max(0, f.clock.Since(f.start)-time.Duration(f.heard.Load()))
}

// entry is an ApiKey on its way into the index. The metadata is there because a reflector collects
// entries by name before the first sync.
type entry struct {
	metav1.ObjectMeta
	record index.Record
	gone   bool // being deleted, which counts as deleted
	err    error
}

// Transformer makes the reflector keep entries, not objects, while it collects the initial state.
func (f *Feed) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return toEntry(object), nil }
}

func toEntry(object any) *entry {
	switch o := object.(type) {
	case *entry:
		return o
	case *unstructured.Unstructured:
		e := &entry{ObjectMeta: metav1.ObjectMeta{Namespace: o.GetNamespace(), Name: o.GetName()}}
		e.read(o)
		return e
	default:
		return &entry{err: fmt.Errorf("the watch sent a %T", object)}
	}
}

func (e *entry) read(object *unstructured.Unstructured) {
	key, err := apiobject.Decode(object)
	if err != nil {
		e.err = err
		return
	}
	e.gone = key.DeletionTimestamp != nil
	e.record, e.err = recordOf(key)
}

func (e *entry) name() types.NamespacedName {
	return types.NamespacedName{Namespace: e.Namespace, Name: e.Name}
}

// Add implements cache.ReflectorStore.
func (f *Feed) Add(object any) error {
	f.set(toEntry(object))
	return nil
}

// Update implements cache.ReflectorStore.
func (f *Feed) Update(object any) error {
	f.set(toEntry(object))
	return nil
}

// Delete implements cache.ReflectorStore.
func (f *Feed) Delete(object any) error {
	f.seen()
	e := toEntry(object)
	f.index.Delete(e.Namespace, e.Name)
	f.mend(e.name())
	return nil
}

// Replace takes the whole content of what is watched, at the start and after a watch was lost for long.
func (f *Feed) Replace(objects []any, _ string) error {
	f.seen()
	broken := map[types.NamespacedName]struct{}{}
	records := make([]index.Record, 0, len(objects))
	var issued []time.Time
	for _, object := range objects {
		e := toEntry(object)
		switch {
		case e.err != nil:
			f.nameOnce(e)
			broken[e.name()] = struct{}{}
		case !e.gone:
			records = append(records, e.record)
			issued = append(issued, f.unseen(e)...)
		}
	}
	if err := f.replace(records); err != nil {
		// All others are in; failing here would only keep them from being served.
		f.logger.Error("some ApiKeys cannot be served, so their keys are refused", "error", err.Error())
	}
	f.tellPropagation(issued)
	f.broken = broken
	f.metrics.Undecodable(len(broken))
	f.synced.Store(true)
	return nil
}

func (f *Feed) replace(records []index.Record) error {
	if f.namespace == metav1.NamespaceAll {
		return f.index.Replace(records)
	}
	return f.index.ReplaceNamespace(f.namespace, records)
}

// Resync implements cache.ReflectorStore; there is nothing to send again.
func (f *Feed) Resync() error { return nil }

// Bookmark implements cache.ReflectorBookmarkStore: a quiet cluster is heard from all the same.
func (f *Feed) Bookmark(string) error {
	f.seen()
	return nil
}

func (f *Feed) set(e *entry) {
	f.seen()
	if e.err == nil && !e.gone {
		issued := f.unseen(e)
		if e.err = f.index.Set(e.record); e.err == nil {
			f.tellPropagation(issued)
		}
	} else {
		f.index.Delete(e.Namespace, e.Name)
	}
	if e.err != nil {
		f.nameOnce(e)
	} else {
		f.mend(e.name())
	}
}

// unseen is when those credentials of an ApiKey were recorded that are not in the index yet. There are none before the first
// sync, when all are, nor of an ApiKey that could not be read before: theirs are old.
func (f *Feed) unseen(e *entry) []time.Time {
	if _, broken := f.broken[e.name()]; broken || !f.Synced() {
		return nil
	}
	var issued []time.Time
	for i := range e.record.Credentials {
		c := &e.record.Credentials[i]
		if _, seen := f.index.Find(c.Hash); !seen {
			issued = append(issued, c.IssuedAt)
		}
	}
	return issued
}

// longestPropagation is how old a record can be that counts as new. What is older comes from a backup: how long ago it was
// recorded says nothing of how long it took. A verifier that was away for so long is told of by its staleness.
const longestPropagation = time.Hour

func (f *Feed) tellPropagation(issued []time.Time) {
	for _, at := range issued {
		if took := f.clock.Now().Sub(at); took <= longestPropagation {
			f.metrics.Propagated(took)
		}
	}
}

func (f *Feed) seen() {
	f.heard.Store(int64(f.clock.Since(f.start)))
	f.metrics.EventSeen(float64(f.clock.Now().UnixMilli()) / 1000)
}

// nameOnce logs an ApiKey that cannot be served when it becomes so, not at each of its events.
func (f *Feed) nameOnce(e *entry) {
	_, named := f.broken[e.name()]
	f.broken[e.name()] = struct{}{}
	f.metrics.Undecodable(len(f.broken))
	if !named {
		f.logger.Warn("this ApiKey cannot be read, so its key is refused until it is corrected",
			"namespace", e.Namespace, "name", e.Name, "error", e.err.Error())
	}
}

func (f *Feed) mend(name types.NamespacedName) {
	delete(f.broken, name)
	f.metrics.Undecodable(len(f.broken))
}
