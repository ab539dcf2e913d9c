package sim

import (
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/indexfeed"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/test/sim/apimodel"
)

// staleness is how old the events are at most that a verifier has.
const staleness = publishDelay

// verifiers are the freshest one, the one that lags the most, and all between.
type verifiers struct {
	world   *world
	fresh   *verifier
	stalest *verifier
	// stalestKey is the ApiKey as the stalest one knows it; nil for none.
	stalestKey *v1alpha1.ApiKey
	log        []heard // events that the stalest has not got yet, oldest first
}

// heard is an event, what the feeds keep of it, and when it happened.
type heard struct {
	event apimodel.Event
	entry any
	at    time.Time
}

func newVerifiers(w *world) *verifiers {
	return &verifiers{world: w, fresh: newVerifier(w), stalest: newVerifier(w)}
}

// hear gives the events to the verifiers that have them by now.
func (v *verifiers) hear() {
	for _, e := range v.world.store.Events(apimodel.ApiKeys, v.fresh.version) {
		entry, err := v.fresh.feed.Transformer()(e.Object()) // decoded once, as a reflector does it
		v.world.must(err)
		h := heard{e, entry, v.world.now()}
		v.fresh.apply(h)
		v.log = append(v.log, h)
	}
	due := v.world.now().Add(-staleness)
	for len(v.log) > 0 && !v.log[0].at.After(due) {
		v.stalest.apply(v.log[0])
		v.stalestKey = nil
		if e := v.log[0].event; e.Type != watch.Deleted {
			var err error
			v.stalestKey, err = e.ApiKey()
			v.world.must(err)
		}
		v.log = v.log[1:]
	}
}

// allAccept says whether every verifier accepts a key, whichever of the last events it has.
func (v *verifiers) allAccept(key string) bool {
	if !v.fresh.accepts(key) || !v.stalest.accepts(key) {
		return false
	}
	if len(v.log) < 2 {
		return true
	}
	between := newVerifier(v.world) // the ApiKey is one, so that its last event tells all
	for _, h := range v.log[:len(v.log)-1] {
		between.apply(h)
		if !between.accepts(key) {
			return false
		}
	}
	return true
}

// verifier is the real feed, index and decision.
type verifier struct {
	world   *world
	version int64
	feed    *indexfeed.Feed
	decider *authn.Decider
}

var nothingDemanded = func() *authn.Requirement {
	r, err := authn.ParseRequirement("")
	if err != nil {
		panic(err) // it demands nothing
	}
	return r
}()

func newVerifier(w *world) *verifier {
	x := index.New()
	return &verifier{
		world:   w,
		feed:    indexfeed.New(x, silent{}, w.clock, slog.New(slog.DiscardHandler)),
		decider: authn.NewDecider(x),
	}
}

func (v *verifier) apply(h heard) {
	var err error
	switch h.event.Type {
	case watch.Deleted:
		err = v.feed.Delete(h.entry)
	default:
		err = v.feed.Update(h.entry)
	}
	v.world.must(err)
	v.version = h.event.Version
}

func (v *verifier) accepts(key string) bool {
	decision := v.decider.Decide(&authn.Request{
		Ready:       true,
		Requirement: nothingDemanded,
		Credential:  authn.NewCredential([]byte(key)),
		Now:         v.world.now(),
	})
	return decision.Reason == authn.Allowed
}

type silent struct{}

func (silent) EventSeen(float64)        {}
func (silent) Undecodable(int)          {}
func (silent) Propagated(time.Duration) {}
