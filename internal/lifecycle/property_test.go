package lifecycle_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// edits are what may happen to an ApiKey and its Secret from outside, one by one.
var edits = map[string]func(*world, *rapid.T){
	"time goes by": func(w *world, t *rapid.T) {
		w.advance(time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "by")))
	},
	"a long time goes by": func(w *world, t *rapid.T) {
		w.advance(time.Duration(rapid.IntRange(1, 300).Draw(t, "hours")) * time.Hour)
	},
	"the time comes that was planned for": func(w *world, t *rapid.T) {
		before := rapid.SampledFrom([]time.Duration{0, time.Nanosecond, time.Second}).Draw(t, "before")
		if wake := w.plan(true).Wake.Add(-before); wake.After(w.now) {
			w.now = wake
		}
	},
	"the Secret is lost":         func(w *world, _ *rapid.T) { w.remove() },
	"the Secret is tampered":     func(w *world, _ *rapid.T) { w.tamper("other") },
	"the Secret is rolled back":  func(w *world, t *rapid.T) { w.tamper(w.knownHash(t)) },
	"the Secret is immutable":    func(w *world, _ *rapid.T) { w.immutable = w.secret != "" },
	"the Secret can be replaced": func(w *world, _ *rapid.T) { w.immutable = false },
	"the Secret is foreign":      func(w *world, _ *rapid.T) { w.remove(); w.foreign = true },
	"the foreign Secret goes":    func(w *world, _ *rapid.T) { w.foreign = false },
	"another has the same key":   func(w *world, _ *rapid.T) { w.duplicate = true },
	"no other has the same key":  func(w *world, _ *rapid.T) { w.duplicate = false },
	"the clocks disagree": func(w *world, t *rapid.T) {
		w.measure(time.Duration(rapid.SampledFrom([]int{-200_000, -3600, -31, 31, 3600, 200_000}).Draw(t, "offset")) * time.Second)
	},
	"the clocks agree":         func(w *world, _ *rapid.T) { w.measure(0) },
	"the manager is restarted": func(w *world, _ *rapid.T) { w.restart() },
	"the manager dies while it publishes": func(w *world, t *rapid.T) {
		for range rapid.IntRange(0, 5).Draw(t, "steps") {
			if plan := w.plan(true); plan.Action == Publish {
				break
			}
			if wake := w.step().Wake; wake.After(w.now) && wake.Before(w.now.Add(2*lands)) {
				w.now = wake
			}
		}
		w.restart()
	},
	"a late write lands": func(w *world, t *rapid.T) {
		if hashes := slices.Sorted(maps.Keys(w.late)); len(hashes) > 0 {
			w.land(rapid.SampledFrom(hashes).Draw(t, "hash"))
		}
	},
	"a moment goes by": func(w *world, t *rapid.T) {
		w.advance(time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds")) * time.Second)
	},
	"the manager makes a step": func(w *world, _ *rapid.T) { w.step() },
	"the revision is raised": func(w *world, t *rapid.T) {
		w.desired.Revision = max(w.desired.Revision, w.lastRevision) + rapid.Int64Range(1, 3).Draw(t, "by")
	},
	"the least revision is raised": func(w *world, t *rapid.T) {
		w.desired.MinRevision = max(w.desired.MinRevision, w.lastRevision) + rapid.Int64Range(0, 3).Draw(t, "by")
	},
	"the rotation changes": func(w *world, t *rapid.T) {
		w.desired.Rotation.Every, w.desired.Rotation.Schedule = 0, nil
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			w.desired.Rotation.Every = time.Duration(rapid.IntRange(10, 3000).Draw(t, "minutes")) * time.Minute
		case 1:
			w.desired.Rotation.Schedule = halfDays{}
		}
	},
	"the grace period changes": func(w *world, t *rapid.T) {
		w.desired.Rotation.GracePeriod = time.Duration(rapid.SampledFrom([]int{0, 1, 60, 3600, 86400}).Draw(t, "seconds")) * time.Second
	},
	"the Secret is to be revealed": func(w *world, t *rapid.T) {
		w.desired.RevealFor = time.Duration(rapid.IntRange(0, 5).Draw(t, "hours")) * time.Hour
	},
	"the expiry changes": func(w *world, t *rapid.T) {
		w.desired.ExpiresAt = w.now.Add(time.Duration(rapid.IntRange(-1, 500).Draw(t, "hours")) * time.Hour).Truncate(time.Second)
	},
	"the expiry is removed": func(w *world, _ *rapid.T) { w.desired.ExpiresAt = time.Time{} },
}

// tamper puts a value into our own Secret, where that can be.
func (w *world) tamper(hash string) {
	if w.secret != "" && !w.immutable {
		w.secret = hash
	}
}

// knownHash is that of a credential on record which stood in the Secret before: nobody has any other.
func (w *world) knownHash(t *rapid.T) string {
	hashes := []string{"other"}
	for _, c := range w.credentials {
		if w.known[c.Hash] {
			hashes = append(hashes, c.Hash)
		}
	}
	return rapid.SampledFrom(hashes).Draw(t, "hash")
}

// calm undoes what keeps a key from being issued, so that what is settled then is a key that works.
func (w *world) calm() {
	w.foreign, w.immutable, w.duplicate = false, false, false
	w.desired.ExpiresAt = time.Time{}
	w.measure(0)
}

// measure finds another difference of the clocks.
func (w *world) measure(offset time.Duration) { w.offset = offset }

// TestWhateverHappensAKeySettles holds over random lives of one ApiKey what the world checks at each status write,
// that every state settles into one that is a fixed point, and that nothing is due right after a rotation.
func TestWhateverHappensAKeySettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, Desired{ID: rapid.StringN(0, 8, -1).Draw(t, "uid"), Rotation: withGrace})
		w.now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "fraction")))
		actions := map[string]func(*rapid.T){"": func(*rapid.T) {}}
		for name, edit := range edits {
			actions[name] = func(t *rapid.T) { edit(w, t) }
		}
		actions["all settles"] = func(*rapid.T) { w.settle() }
		t.Repeat(actions)

		w.calm()
		w.settle()
		w.settleAgain()
	})
}

// settleAgain is that what has settled is a key that works, and that no further pass writes or issues anything
// until the plan's own time to look again.
func (w *world) settleAgain() {
	w.t.Helper()
	plan := w.settle()
	current, issued := FindCurrent(w.credentials)
	if !issued || current.Revision < max(w.desired.Revision, w.desired.MinRevision) || !plan.NextRotation.IsZero() && !plan.NextRotation.After(w.now) {
		w.t.Fatalf("settled at %s, but not as the spec asks: %+v", w.now, plan)
	}
	promotions, writes := w.promotions, w.writes
	w.restart()
	for range 3 {
		if !plan.Wake.IsZero() {
			w.advance(plan.Wake.Sub(w.now) / 2)
		} else {
			w.advance(time.Hour)
		}
		w.settle()
	}
	if w.promotions != promotions || w.writes != writes {
		w.t.Fatalf("settled, but before %s comes another issue (%d) or write (%d)", plan.Wake, w.promotions-promotions, w.writes-writes)
	}
}

// TestEveryDueTimeGetsOneRotation drives keys forward by the plans' own times alone, with restarts and losses of
// plaintext between any two steps, and counts.
func TestEveryDueTimeGetsOneRotation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rotation := Rotation{GracePeriod: time.Duration(rapid.IntRange(0, 600).Draw(t, "grace")) * time.Second}
		if rapid.Bool().Draw(t, "by age") {
			rotation.Every = time.Duration(rapid.IntRange(10, 600).Draw(t, "minutes")) * time.Minute
		} else {
			rotation.Schedule = halfDays{}
		}
		w := newWorld(t, Desired{ID: rapid.StringN(0, 8, -1).Draw(t, "uid"), Rotation: rotation})
		plan := w.settle()
		for n := range 20 {
			due := plan.NextRotation
			for w.now.Before(due) {
				w.now = earlier(w.plan(true).Wake, due)
				if w.now.Before(due) {
					w.settle()
				}
			}
			if w.promotions != n+1 {
				t.Fatalf("before the due time %s there were %d credentials, want %d", due, w.promotions, n+1)
			}
			for range rapid.IntRange(0, 4).Draw(t, "steps before a restart") {
				w.step()
			}
			w.restart()
			if plan = w.settle(); w.promotions != n+2 || !plan.NextRotation.After(w.now) {
				t.Fatalf("after the due time %s there were %d credentials, want %d, and the next is due at %s", due, w.promotions, n+2, plan.NextRotation)
			}
		}
	})
}
