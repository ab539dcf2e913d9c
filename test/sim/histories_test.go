package sim

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"pgregory.net/rapid"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/test/sim/apimodel"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	debug.SetGCPercent(400) // a history leaves much behind and little alive
	os.Exit(m.Run())
}

// progress is told whenever so many histories were played.
const progress = 500

// TestNoHistoryBreaksAnInvariant plays as many histories as -rapid.checks says. Its closing line counts them.
func TestNoHistoryBreaksAnInvariant(t *testing.T) {
	var histories atomic.Int64
	t.Cleanup(func() {
		broken := 0
		if t.Failed() {
			broken = 1
		}
		fmt.Printf("histories: %d, broken: %d\n", histories.Load(), broken)
	})
	rapid.Check(t, func(t *rapid.T) {
		if n := histories.Add(1); n%progress == 0 {
			fmt.Printf("played %d\n", progress)
		}
		play(t)
	})
}

// steps are what can happen; what brings a history forward more often than what disturbs it.
var steps = []func(*world){
	(*world).settle, (*world).settle, (*world).settle,
	(*world).pass, (*world).pass, (*world).pass, (*world).pass,
	(*world).wait, (*world).wait,
	(*world).edit, (*world).edit, (*world).edit,
	(*world).loseSecret,
	(*world).tamper,
	(*world).squat,
	(*world).collect,
	(*world).recreate,
	(*world).restart,
	(*world).setClock,
	(*world).lag,
	(*world).expire, (*world).expire,
	(*world).refuse,
	(*world).admit, (*world).admit,
}

// play is one history.
func play(t *rapid.T) {
	w := newWorld(t)
	w.faults = w.draw("faults", 5)
	length := 3 + w.draw("steps", 10)
	if w.draw("a long one", 4) == 3 {
		length += w.draw("more steps", 25)
	}
	for range length {
		steps[w.draw("step", len(steps))](w)
	}
	w.finish()
}

// pass is one pass of any manager, whether or not something woke it.
func (w *world) pass() {
	m := w.managers[w.draw("manager", 2)]
	if w.draw("caches are current", 3) != 0 {
		m.catchUp()
	}
	if result, err := m.reconcile(); err == nil && result.RequeueAfter > 0 && result.RequeueAfter <= fence {
		w.advance(result.RequeueAfter)
	}
}

// settle lets one manager work while faults happen.
func (w *world) settle() { w.managers[w.draw("manager", 2)].settle(fence + time.Second) }

func (w *world) wait() {
	w.advance([]time.Duration{
		time.Second, 2 * time.Second, 11 * time.Second, 41 * time.Second, 5 * time.Minute, time.Hour, 25 * time.Hour, 49 * time.Hour, 800 * time.Hour,
	}[w.draw("how long", 9)])
}

func (w *world) restart() { w.managers[w.draw("manager", 2)].restart() }

// setClock lets a manager's clock be off, a little or much, or right again; its process starts anew.
func (w *world) setClock() {
	m := w.managers[w.draw("manager", 2)]
	m.skew = []time.Duration{0, 20 * time.Second, -20 * time.Second, time.Hour, -time.Hour}[w.draw("skew", 5)]
	m.restart()
	w.observe()
}

func (w *world) lag() {
	m := w.managers[w.draw("manager", 2)]
	switch w.draw("kind", 3) {
	case 0:
		m.lag(apimodel.ApiKeys)
	case 1:
		m.lag(apimodel.Secrets)
	case 2:
		m.process.hearSome()
	}
}

// finish lets everything land and one manager do what is left, with the ApiKey admitted in the end, and holds
// that all is well then, that as many credentials were published as there was reason for, and that a restart finds nothing
// to do.
func (w *world) finish() {
	w.faults = 0
	w.landAll()
	for _, m := range w.managers {
		m.skew = 0
		m.restart()
	}
	w.collect()
	w.comeToRest()
	if !w.admits() {
		w.expectQuiet()
		w.admit()
		w.comeToRest()
	}
	w.ledger.reckon()
	w.expectQuiet()
}

// lifecycleSlack covers what stays on record for a little longer than it need.
const lifecycleSlack = 2*lifecycle.ClockTolerance + 10*time.Second

// comeToRest lets the first manager do all that is left, also what only time brings.
func (w *world) comeToRest() {
	w.rest()
	w.advance(fence + lifecycleSlack)
	w.rest()
}

// rest lets the first manager work until nothing is left to do.
func (w *world) rest() {
	if !w.managers[0].settle(fence + lifecycleSlack) {
		w.ledger.broken("4, restart is quiet", "the manager does not come to rest: %s", w.describe())
	}
}

func (w *world) describe() string {
	if key := w.apiKey(); key != nil {
		return describe(key)
	}
	return "there is no ApiKey"
}

// expectQuiet holds that a new process with nothing to do makes no call.
func (w *world) expectQuiet() {
	m := w.managers[0]
	m.restart()
	if _, err := m.reconcile(); err != nil {
		w.ledger.broken("4, restart is quiet", "a new process fails: %v", err)
	}
	p := m.process
	if p.writes > 0 || p.calls > 0 && !w.unrecorded() {
		w.ledger.broken("4, restart is quiet", "a new process with nothing to do made %d calls, %d of them writes; the status is %s", p.calls, p.writes, w.describe())
	}
}

// unrecorded says whether there is a Secret that is not on record, since it is not as it shall be, so that only a look
// at it tells that nothing is to be done.
func (w *world) unrecorded() bool {
	key := w.apiKey()
	return w.stalled() || key != nil && key.Status.SecretRef == nil && w.secret() != nil
}

// stalled says whether the ApiKey is in a state that only a look at the Secret tells.
func (w *world) stalled() bool {
	key := w.apiKey()
	if key == nil {
		return false
	}
	for _, c := range key.Status.Conditions {
		if c.Type == v1alpha1.ConditionStalled {
			return true
		}
	}
	return false
}
