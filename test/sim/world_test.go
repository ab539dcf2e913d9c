package sim

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/test/sim/apimodel"
)

// The durations of the world, those of cmd/apikey-operator.
const (
	publishDelay   = 2 * time.Second
	leaseDuration  = 20 * time.Second
	fence          = 2 * leaseDuration
	writeWindow    = 8 * time.Second
	takeover       = 8 * time.Second // how long a leader is paused at least before another one can work
	expiringWindow = 720 * time.Hour
)

// keyName is the ApiKey that the history is about.
var keyName = types.NamespacedName{Namespace: "phoenix", Name: "probe"}

var ctx = context.Background()

// world is one history: an API server, two managers, verifiers, and those who edit and meddle.
type world struct {
	*rapid.T

	clock  *clocktesting.FakePassiveClock // the true time: the API server's and the verifiers'
	store  *apimodel.Store
	client apimodel.Client // of those who edit and meddle

	managers [2]*manager
	late     []lateWrite // given up by their senders, and not landed yet
	faults   int         // how many more may happen
	nested   bool        // another manager works while one is paused
	seeds    uint64      // drawn so far, for keys
	rulings  []bool      // whether policy admits the ApiKey, oldest first

	verifiers *verifiers
	ledger    *ledger
}

// lateWrite lands by itself at the latest when its time is over.
type lateWrite struct {
	deadline time.Time
	land     func()
}

func newWorld(t *rapid.T) *world {
	w := &world{T: t, clock: clocktesting.NewFakePassiveClock(time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)), rulings: []bool{true}}
	w.store = apimodel.New(apimodel.Options{Clock: w.clock})
	w.client = w.store.Client(apimodel.ClientOptions{})
	w.verifiers = newVerifiers(w)
	w.ledger = newLedger(w)
	w.createApiKey()
	for i := range w.managers {
		w.managers[i] = w.newManager(i)
	}
	return w
}

// ranges are the generators of draw, which need not be made each time.
var ranges = func() (all [64]*rapid.Generator[int]) {
	for n := 1; n < len(all); n++ {
		all[n] = rapid.IntRange(0, n-1)
	}
	return all
}()

// draw chooses one of n, at most 63; 0 is the simplest.
func (w *world) draw(what string, n int) int { return ranges[n].Draw(w.T, what) }

func (w *world) now() time.Time { return w.clock.Now() }

func (w *world) must(err error) {
	if err != nil {
		w.Fatalf("the world itself failed: %v", err)
	}
}

func (w *world) createApiKey() {
	key := &v1alpha1.ApiKey{ObjectMeta: metav1.ObjectMeta{Namespace: keyName.Namespace, Name: keyName.Name}}
	key.Spec.Permissions = []v1alpha1.Permission{"read"}
	w.must(w.client.Create(ctx, key))
	w.observe()
}

// apiKey is the ApiKey as it is; nil for none.
func (w *world) apiKey() *v1alpha1.ApiKey {
	key := &v1alpha1.ApiKey{}
	err := w.client.Get(ctx, keyName, key)
	if apierrors.IsNotFound(err) {
		return nil
	}
	w.must(err)
	return key
}

// secret is the Secret as it is; nil for none.
func (w *world) secret() *corev1.Secret {
	secret := &corev1.Secret{}
	err := w.client.Get(ctx, keyName, secret)
	if apierrors.IsNotFound(err) {
		return nil
	}
	w.must(err)
	return secret
}

// advance lets time pass, and land what must have landed by then.
func (w *world) advance(d time.Duration) {
	end := w.now().Add(d)
	for len(w.late) > 0 && !w.late[0].deadline.After(end) {
		first := w.late[0]
		w.late = w.late[1:]
		if first.deadline.After(w.now()) {
			w.clock.SetTime(first.deadline)
		}
		first.land()
	}
	w.clock.SetTime(end)
	w.observe()
}

// landAll lets every write land that is under way.
func (w *world) landAll() {
	for len(w.late) > 0 {
		first := w.late[0]
		w.late = w.late[1:]
		first.land()
	}
}

// observe checks all invariants on the world as it is.
func (w *world) observe() {
	w.verifiers.hear()
	w.ledger.check()
}
