package lifecycle_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// tester is what a world reports to: a test or a property.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is an ApiKey and its Secret without a cluster: whatever a plan asks for is done at once and without fault,
// and what must always hold is checked after each status write.
type world struct {
	t       tester
	desired Desired
	now     time.Time // by the manager's clock
	offset  time.Duration

	// the status
	credentials []Credential
	wasExpired  bool
	granted     time.Time
	recorded    *string // what the Secret held when the status recorded it

	// the Secret
	secret                        string // empty: there is none
	wrote                         string // what we put there last, if its key has not died since
	foreign, immutable, duplicate bool

	held  map[string]time.Time
	late  map[string]lateWrite // by hash, of processes that died while they published
	known map[string]bool      // hashes that we put into the Secret, where consumers may have read them

	// what came to pass
	made, promotions, writes int
	lastRevision             int64
	gone                     map[string]bool      // hashes that left the status, or whose key died
	ends                     map[string]time.Time // of credentials that have one
}

// lateWrite is a write of the Secret that is under way, though whoever sent it is gone.
type lateWrite struct {
	over  string    // the value that it replaces; empty: it creates the Secret
	lands time.Time // at the latest
}

func newWorld(t tester, d Desired) *world {
	return &world{t: t, desired: d, now: now, held: map[string]time.Time{}, late: map[string]lateWrite{}, known: map[string]bool{},
		gone: map[string]bool{}, ends: map[string]time.Time{}}
}

func (w *world) advance(d time.Duration) { w.now = w.now.Add(d) }

// remove takes the Secret away, and with it that it cannot be changed.
func (w *world) remove() { w.secret, w.immutable = "", false }

// restart loses what the process held. What it was about to publish may still land.
func (w *world) restart() {
	if plan := w.plan(true); plan.Action == Publish {
		w.late[plan.Credential.Hash] = lateWrite{over: w.secret, lands: w.now.Add(settings.Fence)}
	}
	w.held = map[string]time.Time{}
}

// land lets a late write reach the API server, which refuses what was decided on another Secret.
func (w *world) land(hash string) {
	w.t.Helper()
	write := w.late[hash]
	delete(w.late, hash)
	if w.now.After(write.lands) || w.foreign || w.immutable || w.secret != write.over {
		return
	}
	w.secret = hash
	if _, stands := w.find(hash); !stands {
		w.t.Fatalf("a write of %s lands late, and verifiers refuse that: %+v", hash, w.credentials)
	}
	w.wrote, w.known[hash] = hash, true
	w.checkAccepted()
}

func (w *world) current() Credential {
	current, _ := FindCurrent(w.credentials)
	return current
}

func (w *world) look(live bool) Observed {
	o := Observed{Credentials: slices.Clone(w.credentials), RecordedExpired: w.wasExpired, GrantExpiresAt: w.granted,
		Duplicate: w.duplicate, Held: w.held, ClockOffset: w.offset}
	switch {
	case !live && w.recorded != nil && *w.recorded == w.secret && !w.foreign:
		o.Secret.State = SecretAsRecorded
		if w.secret == "" {
			o.Secret.State = SecretGoneAsRecorded
		}
	case !live:
		o.Secret.State = SecretUnread
	case w.foreign:
		o.Secret.State = SecretForeign
	case w.secret == "":
		o.Secret.State = SecretAbsent
	default:
		o.Secret = Secret{State: SecretOurs, Hash: w.secret, Tidy: true, Immutable: w.immutable}
	}
	return o
}

func (w *world) plan(live bool) Plan {
	return Next(w.desired, w.look(live), settings, w.now)
}

// step does what one pass of a reconciler does.
func (w *world) step() Plan {
	w.t.Helper()
	plan, live := w.plan(false), false
	if plan.Action == Look {
		plan, live = w.plan(true), true
	}
	switch plan.Action {
	case Look:
		w.t.Fatalf("after a live look the plan is to look: %+v", plan)
	case Mint:
		w.made++
		c := plan.Credential
		c.Hash, c.Hint = fmt.Sprintf("key-%d", w.made), "…"
		w.record(Plan{Credentials: append(plan.Credentials, c), Action: Wait}, live)
		w.held[c.Hash] = w.now
		plan.Wake = w.now
		return plan
	case Publish, Tidy:
		w.mayPublish(plan.Credential)
		w.secret, w.wrote = plan.Credential.Hash, plan.Credential.Hash
		w.known[w.wrote] = true
		w.checkAccepted()
		plan, live = w.plan(true), true
	case Conceal:
		w.remove()
		plan, live = w.plan(true), true
	case Settle, Wait:
	}
	w.record(plan, live)
	return plan
}

// isRenewal tells the first credential on record of a key that had died.
func isRenewal(c Credential) bool { return c.State == Pending && c.Cause == Renewed }

// mayPublish checks that a key is accepted before anybody can read it, and that there is room for it.
func (w *world) mayPublish(c Credential) {
	w.t.Helper()
	known := slices.ContainsFunc(w.credentials, func(s Credential) bool { return s.Hash == c.Hash && s.RetiredAt.IsZero() && s.NotAfter.IsZero() })
	if !known || c.Revision < w.desired.MinRevision || w.desired.Revoked {
		w.t.Fatalf("published is %+v, which verifiers refuse", c)
	}
	accepted := slices.ContainsFunc(w.credentials, func(s Credential) bool { return s.State == Previous && s.NotAfter.After(w.now) })
	if recorded, minted := w.held[c.Hash]; minted && w.now.Sub(recorded) < settings.PublishDelay || minted && accepted {
		w.t.Fatalf("published is %+v too early, beside %+v", c, w.credentials)
	}
	if w.foreign || w.immutable {
		w.t.Fatalf("a Secret is written that is not to be touched")
	}
}

// record writes the status, as the controller would.
func (w *world) record(plan Plan, live bool) {
	w.t.Helper()
	before := w.credentials
	if plan.Action != Settle {
		w.writes++
	} else if !cmp.Equal(before, plan.Credentials) {
		w.writes++
	}
	w.credentials = slices.Clone(plan.Credentials)
	w.wasExpired = plan.Expired || plan.Lapsed
	if !plan.Lapsed && plan.Denied == NotDenied && !plan.Undecided {
		w.granted = w.desired.ExpiresAt
	}
	if w.wasExpired || plan.Action == Wait && slices.ContainsFunc(plan.Credentials, isRenewal) {
		w.wrote = ""
	}
	current, issued := FindCurrent(plan.Credentials)
	if live && (issued && current.Hash == w.secret || w.secret == "") && !w.foreign {
		held := w.secret
		w.recorded = &held
	} else if live {
		w.recorded = nil
	}
	w.check(before, plan)
}

// check is what must hold of every status.
func (w *world) check(before []Credential, plan Plan) {
	w.t.Helper()
	for _, c := range w.credentials {
		if w.gone[c.Hash] {
			w.t.Fatalf("an ended credential comes back: %+v", c)
		}
		if end, ok := w.ends[c.Hash]; ok && c.State == Previous && (c.NotAfter.IsZero() || c.NotAfter.After(end)) {
			w.t.Fatalf("a credential that ended at %s is given more time: %+v", end, c)
		}
		if c.State == Previous {
			w.ends[c.Hash] = c.NotAfter
		}
	}
	w.checkAccepted()
	if c, stands := w.find(w.secret); w.secret != "" && w.secret == w.wrote && (!stands || !c.NotAfter.IsZero() || c.State == Previous) {
		w.t.Fatalf("the Secret holds a key of ours that ends or is over: %+v", w.credentials)
	}
	if plan.Promoted {
		w.promotions++
		if plan.Credential.Revision <= w.lastRevision {
			w.t.Fatalf("revision %d follows revision %d", plan.Credential.Revision, w.lastRevision)
		}
		w.lastRevision = plan.Credential.Revision
		w.checkGrace(before)
	}
	for _, c := range before {
		if _, stays := w.find(c.Hash); !stays {
			w.gone[c.Hash] = true
		}
	}
}

// checkAccepted is that consumers know at most two credentials which verifiers accept, one of them current.
func (w *world) checkAccepted() {
	w.t.Helper()
	published, currents := 0, 0
	for _, c := range w.credentials {
		if c.State == Current {
			currents++
		}
		if (c.State != Pending || w.known[c.Hash]) && (c.NotAfter.IsZero() || c.NotAfter.After(w.now)) {
			published++
		}
	}
	if published > 2 || currents > 1 {
		w.t.Fatalf("accepted are %d published credentials, %d of them current: %+v", published, currents, w.credentials)
	}
}

// checkGrace is that the credential which was replaced just now keeps its whole grace.
func (w *world) checkGrace(before []Credential) {
	w.t.Helper()
	replaced, ok := FindCurrent(before)
	if !ok || w.desired.Rotation.GracePeriod == 0 {
		return
	}
	c, stands := w.find(replaced.Hash)
	if end := w.now.Add(w.desired.Rotation.GracePeriod); !stands || c.NotAfter.Before(end) {
		w.t.Fatalf("what was replaced is %+v, want it accepted until %s", c, end)
	}
}

func (w *world) find(hash string) (Credential, bool) {
	i := slices.IndexFunc(w.credentials, func(c Credential) bool { return c.Hash == hash })
	if i < 0 {
		return Credential{}, false
	}
	return w.credentials[i], true
}

// settle goes on until nothing is left to do, waiting where a plan says so. What waits for the clocks to agree does
// so for long enough, and then they do.
func (w *world) settle() Plan {
	w.t.Helper()
	var plan Plan
	for range 30 {
		plan = w.step()
		if !w.goesOn(plan) {
			w.checkSettled(plan)
			return plan
		}
		if plan.Wake.After(w.now) {
			w.now = plan.Wake
		}
	}
	if plan.ClockHeld {
		w.measure(0)
		return w.settle()
	}
	w.t.Fatalf("nothing settles: %+v", w.plan(true))
	return Plan{}
}

// goesOn says whether a plan is a step of several, or is to be known better in a moment.
func (w *world) goesOn(plan Plan) bool {
	return plan.Action == Wait || plan.Action == Mint || plan.Undecided && !plan.ClockHeld
}

// checkSettled is that a settled plan is a fixed point, and tells a later time to look again.
func (w *world) checkSettled(plan Plan) {
	w.t.Helper()
	if !plan.Wake.IsZero() && !plan.Wake.After(w.now) {
		w.t.Fatalf("settled at %s, but to look again at %s: %+v", w.now, plan.Wake, plan)
	}
	for _, live := range []bool{true, false} {
		again := w.plan(live)
		if again.Action == Look && !live && (w.recorded == nil || plan.Blocked != NotBlocked || plan.Concealed) {
			continue // something is not as it shall be, so it is looked at each time
		}
		if again.Action != Settle || !cmp.Equal(again.Credentials, plan.Credentials) {
			w.t.Fatalf("settled (%+v), but planned again (live: %t) comes %+v", plan, live, again)
		}
	}
	blocked := plan.Blocked != NotBlocked || plan.Denied != NotDenied || plan.Expired || plan.ClockHeld || w.desired.Revoked
	if current, issued := FindCurrent(plan.Credentials); !blocked && (!issued || current.Hash != w.secret && !plan.Concealed) {
		w.t.Fatalf("settled, but the Secret holds %q: %+v", w.secret, plan)
	}
}
