package sim

import (
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/apikey-operator/apikey-operator/controllers/apikey"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/test/sim/apimodel"
)

// metrics are shared by all managers of all histories: making them costs more than a history.
var metrics = apikey.NewMetrics(prometheus.NewRegistry())

// manager is a manager's Deployment: processes come and go, caches fill again.
type manager struct {
	world *world
	// skew of its clock. It changes only with the process: what counts durations within one goes by the monotonic
	// clock, which does not jump.
	skew  time.Duration
	clock *skewedClock

	process *process
}

// skewedClock is the true time and a deviation.
type skewedClock struct {
	*clocktesting.FakePassiveClock
	manager *manager
}

// Now implements clock.PassiveClock.
func (c *skewedClock) Now() time.Time { return c.FakePassiveClock.Now().Add(c.manager.skew) }

// Since implements clock.PassiveClock.
func (c *skewedClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (w *world) newManager(int) *manager {
	m := &manager{world: w}
	m.clock = &skewedClock{FakePassiveClock: w.clock, manager: m}
	m.restart()
	return m
}

// process is one run of a manager: it holds plaintexts until it dies.
type process struct {
	manager    *manager
	cache      *apimodel.Cache
	reconciler *apikey.Reconciler
	calls      int
	writes     int
	dead       bool
	faultless  bool
	heard      int  // the last ruling of policy that it knows
	admitted   bool // what it made of the ApiKey when it looked last
}

// restart begins a new process, whose caches are filled first.
func (m *manager) restart() {
	w := m.world
	p := &process{manager: m, cache: w.store.NewCache(apimodel.ClientOptions{ShareReads: true})}
	for name, values := range apikey.Indexes {
		p.cache.IndexApiKeys(name, values)
	}
	p.cache.CatchUp(apimodel.ApiKeys)
	p.cache.CatchUp(apimodel.Secrets)
	p.hear()
	calls := processClient{Client: w.store.Client(apimodel.ClientOptions{ShareReads: true}), process: p}
	p.reconciler = apikey.New(apikey.Options{
		Cached:      p.cache,
		Live:        calls,
		Writer:      calls,
		Clock:       m.clock,
		Random:      rand.NewChaCha8([32]byte(w.seed())),
		Events:      &events.FakeRecorder{},
		Metrics:     metrics,
		Settings:    lifecycle.Settings{PublishDelay: publishDelay, Fence: fence, ExpiringWindow: expiringWindow},
		WriteWindow: writeWindow,
		ClockOffset: func() time.Duration { return -m.skew },
		Judge:       hearsay{p},
	})
	m.process = p
}

// seed is another one each time, and the same in the same history.
func (w *world) seed() []byte {
	w.seeds++
	seed := make([]byte, 32)
	for i := range 8 {
		seed[i] = byte(w.seeds >> (8 * i))
	}
	return seed
}

// reconcile is one pass of the manager's process, whose end may be that of the process.
func (m *manager) reconcile() (ctrl.Result, error) {
	result, err := m.process.reconciler.Reconcile(ctx, ctrl.Request{NamespacedName: keyName})
	if m.process.dead {
		m.restart()
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	m.world.observe()
	return result, err
}

// catchUp lets the caches hear of everything.
func (m *manager) catchUp() {
	m.process.cache.CatchUp(apimodel.ApiKeys)
	m.process.cache.CatchUp(apimodel.Secrets)
	m.process.hear()
}

// lag lets one kind's cache hear of some of what it has not heard of.
func (m *manager) lag(kind apimodel.Kind) {
	pending := m.process.cache.Pending(kind)
	if len(pending) == 0 {
		return
	}
	n := m.world.draw("events heard", min(len(pending), 63))
	m.process.cache.Advance(kind, pending[n].Version)
}

// settle lets the manager work until there is nothing left to do within patience, and says whether it got there.
func (m *manager) settle(patience time.Duration) bool {
	const enough = 80
	for range enough {
		m.catchUp()
		result, err := m.reconcile()
		switch {
		case err != nil:
			m.world.advance(time.Second) // the work queue's back-off
		case result.RequeueAfter > 0 && result.RequeueAfter <= patience:
			m.world.advance(result.RequeueAfter)
		default:
			if m.woken() {
				continue
			}
			m.world.ledger.settled()
			return true
		}
	}
	return false
}

// woken says whether there is something that the process has not heard of, of its own writes for one.
func (m *manager) woken() bool {
	p := m.process
	return len(p.cache.Pending(apimodel.ApiKeys))+len(p.cache.Pending(apimodel.Secrets))+p.unheard() > 0
}
