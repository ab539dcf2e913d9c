package indexfeed

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/index"
)

// Feeds keep one index in step with several namespaces, each watched by itself, which takes no right beyond them; or
// with the whole cluster by one watch.
type Feeds struct {
	feeds  []*Feed
	synced atomic.Bool
}

// NewFeeds makes the feeds of namespaces, all different, or one of the whole cluster where none is named.
func NewFeeds(x *index.Index, namespaces []string, metrics Metrics, clock clock.PassiveClock, logger *slog.Logger) *Feeds {
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	sum := &sum{parts: make([]part, len(namespaces))}
	feeds := &Feeds{}
	for i, namespace := range namespaces {
		share := &share{Metrics: metrics, sum: sum, of: &sum.parts[i]}
		feeds.feeds = append(feeds.feeds, newFeed(x, namespace, share, clock, logger))
	}
	return feeds
}

// Of is the feed of a namespace, empty for that of the cluster; nil where it is not watched by itself.
func (f *Feeds) Of(namespace string) *Feed {
	for _, feed := range f.feeds {
		if feed.namespace == namespace {
			return feed
		}
	}
	return nil
}

// Synced says whether the index has held the whole content of all that is watched. It is asked for at each request,
// and never becomes false again.
func (f *Feeds) Synced() bool {
	if f.synced.Load() {
		return true
	}
	if len(f.Unsynced()) > 0 {
		return false
	}
	f.synced.Store(true)
	return true
}

// Unsynced are the namespaces whose content was not seen yet; an empty name stands for the cluster.
func (f *Feeds) Unsynced() []string {
	var namespaces []string
	for _, feed := range f.feeds {
		if !feed.Synced() {
			namespaces = append(namespaces, feed.namespace)
		}
	}
	return namespaces
}

// Staleness is that of the feed that has heard nothing for longest: a right that was taken away in one namespace is
// not made up for by news of another.
func (f *Feeds) Staleness() time.Duration {
	worst := time.Duration(0)
	for _, feed := range f.feeds {
		worst = max(worst, feed.Staleness())
	}
	return worst
}

// Run watches all until the context ends.
func (f *Feeds) Run(ctx context.Context, config *rest.Config) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, feed := range f.feeds {
		group.Go(func() error { return feed.Run(ctx, config) })
	}
	return group.Wait()
}

// sum is what several feeds have told, so that it can be told as if they were one.
type sum struct {
	mu    sync.Mutex
	parts []part
}

// part is what one feed has told.
type part struct {
	heard       float64 // seconds since the epoch; 0 for not yet
	undecodable int
}

// share is one feed's part of a sum.
type share struct {
	Metrics

	sum *sum
	of  *part
}

// EventSeen tells the time of the feed that was heard from least recently, as Staleness does.
func (s *share) EventSeen(unixSeconds float64) {
	s.sum.mu.Lock()
	defer s.sum.mu.Unlock()
	s.of.heard = unixSeconds
	oldest := unixSeconds
	for i := range s.sum.parts {
		oldest = min(oldest, s.sum.parts[i].heard)
	}
	s.Metrics.EventSeen(oldest)
}

// Undecodable tells of the ApiKeys of all feeds.
func (s *share) Undecodable(count int) {
	s.sum.mu.Lock()
	defer s.sum.mu.Unlock()
	s.of.undecodable = count
	all := 0
	for i := range s.sum.parts {
		all += s.sum.parts[i].undecodable
	}
	s.Metrics.Undecodable(all)
}

// Propagated tells one after another what feeds tell at once, as the others do.
func (s *share) Propagated(took time.Duration) {
	s.sum.mu.Lock()
	defer s.sum.mu.Unlock()
	s.Metrics.Propagated(took)
}
