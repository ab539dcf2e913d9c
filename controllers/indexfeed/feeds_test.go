package indexfeed_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/controllers/indexfeed"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// federation is a bench with the feeds of two namespaces, phoenix being the one of object.
type federation struct {
	*timed

	feeds *indexfeed.Feeds
	heard float64
}

func newFederation(t *testing.T) *federation {
	t.Helper()
	f := &federation{timed: &timed{
		bench: &bench{t: t, index: index.New()}, clock: clocktesting.NewFakePassiveClock(noon),
	}}
	f.feeds = indexfeed.NewFeeds(f.index, []string{"phoenix", "griffin"}, f, f.clock, slog.New(slog.NewTextHandler(&f.log, nil)))
	return f
}

func (f *federation) EventSeen(at float64) { f.heard = at }

func (f *federation) replace(namespace string, objects ...any) {
	f.t.Helper()
	if err := f.feeds.Of(namespace).Replace(objects, "1"); err != nil {
		f.t.Fatal(err)
	}
}

func (f *federation) bookmark(namespace string) {
	f.t.Helper()
	if err := f.feeds.Of(namespace).Bookmark("2"); err != nil {
		f.t.Fatal(err)
	}
}

// in moves an object of another namespace.
func in(namespace string, o *unstructured.Unstructured) *unstructured.Unstructured {
	o.SetNamespace(namespace)
	return o
}

func (f *federation) expectStaleness(want time.Duration) {
	f.t.Helper()
	if got := f.feeds.Staleness(); got != want {
		f.t.Errorf("the staleness is %s, want %s", got, want)
	}
}

func TestFeedsAreSyncedWhenTheContentOfEveryNamespaceWasSeen(t *testing.T) {
	f := newFederation(t)
	expect := func(want bool, missing ...string) {
		t.Helper()
		if got := f.feeds.Synced(); got != want {
			t.Errorf("synced: %t, want %t", got, want)
		}
		if got := f.feeds.Unsynced(); !slices.Equal(got, missing) {
			t.Errorf("not seen yet: %q, want %q", got, missing)
		}
	}
	expect(false, "phoenix", "griffin")
	f.replace("griffin", in("griffin", object(t, "g", `{}`, `{grant: {}}`)))
	expect(false, "phoenix")
	f.expectServed("g", true)
	f.replace("phoenix")
	expect(true)
	f.replace("griffin")
	expect(true)
}

func TestTheContentOfANamespaceTouchesNoOther(t *testing.T) {
	f := newFederation(t)
	f.replace("phoenix", object(t, "stays", `{}`, `{grant: {}}`), object(t, "goes", `{}`, `{grant: {}}`))
	f.replace("griffin", in("griffin", object(t, "g", `{}`, `{grant: {}}`)))
	f.expectServed("stays", true)
	f.replace("phoenix", object(t, "stays", `{}`, `{grant: {}}`))
	f.expectServed("stays", true)
	f.expectServed("goes", false)
	f.expectServed("g", true)
	f.replace("griffin")
	f.expectServed("g", false)
	f.expectServed("stays", true)
}

func TestStalenessIsThatOfTheNamespaceThatWasNotHeardOfForLongest(t *testing.T) {
	f := newFederation(t)
	f.after(time.Minute)
	f.bookmark("phoenix")
	f.expectStaleness(time.Minute) // nothing was heard of griffin yet
	if f.heard != 0 {
		t.Errorf("the last event is told to have been at %f, with nothing heard of one namespace", f.heard)
	}
	f.bookmark("griffin")
	f.expectStaleness(0)
	heardOfGriffin := float64(f.clock.Now().Unix())
	for range 3 {
		f.after(time.Minute)
		f.bookmark("phoenix")
	}
	f.expectStaleness(3 * time.Minute)
	if f.heard != heardOfGriffin {
		t.Errorf("the last event is told to have been at %f, want %f", f.heard, heardOfGriffin)
	}
}

func TestApiKeysThatCannotBeReadAreCountedOverAllNamespaces(t *testing.T) {
	f := newFederation(t)
	const unreadable = `{tenant: 7}`
	expect := func(want int) {
		t.Helper()
		if f.broken != want {
			t.Errorf("%d ApiKeys are counted as undecodable, want %d", f.broken, want)
		}
	}
	f.replace("phoenix", object(t, "a", unreadable, `{}`), object(t, "b", unreadable, `{}`))
	f.replace("griffin", in("griffin", object(t, "a", unreadable, `{}`)))
	expect(3)
	if err := f.feeds.Of("griffin").Delete(in("griffin", object(t, "a", unreadable, `{}`))); err != nil {
		t.Fatal(err)
	}
	expect(2)
	f.replace("phoenix", object(t, "a", `{}`, `{}`))
	expect(0)
}

func TestNamespacesAreFedAllAtOnce(t *testing.T) {
	f := newFederation(t)
	objects := map[string]*unstructured.Unstructured{
		"phoenix": object(t, "p", `{}`, `{grant: {}}`), "griffin": in("griffin", object(t, "g", `{}`, `{grant: {}}`)),
	}
	ended := make(chan error)
	for namespace, o := range objects {
		go func() {
			var err error
			for i := 0; i < 200 && err == nil; i++ {
				feed := f.feeds.Of(namespace)
				for _, step := range []func() error{
					func() error { return feed.Replace([]any{o}, "1") },
					func() error { return feed.Update(o) },
					func() error { return feed.Delete(o) },
					func() error { return feed.Bookmark("2") },
					func() error { return feed.Add(o) },
				} {
					if err = step(); err != nil {
						break
					}
				}
			}
			ended <- err
		}()
	}
	for range objects {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	f.expectServed("p", true)
	f.expectServed("g", true)
}
