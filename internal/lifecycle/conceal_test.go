package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func TestASecretIsRevealedForItsTime(t *testing.T) {
	took := now.Add(-time.Hour)
	current := published(took).on(credential(2, Current, "a"))
	previous := until(now.Add(time.Hour)).on(credential(1, Previous, "p"))
	pending := credential(3, Pending, "b")
	revealed := func(left time.Duration) Desired { return Desired{RevealFor: time.Hour + left, Rotation: withGrace} }
	hour, nearly, longer := revealed(0), revealed(2*ClockTolerance), revealed(2*ClockTolerance+time.Second)
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"before its end it stays, and the end is waited for": {
			longer, recorded(current), Plan{Credentials: []Credential{current}, Wake: now.Add(2*ClockTolerance + time.Second)},
		},
		"well before its end its loss is healed": {
			Desired{RevealFor: time.Hour + 2*ClockTolerance + time.Second}, seen(Secret{State: SecretAbsent}, current),
			Plan{Action: Mint, Credential: minted(3, SecretLost), Credentials: []Credential{current}},
		},
		"right before its end a loss is the work of a manager whose clock is a little faster": {
			Desired{RevealFor: time.Hour + 2*ClockTolerance}, seen(Secret{State: SecretAbsent}, current),
			Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"once it is gone, a clock that now says it is not the time yet is not believed": {
			Desired{RevealFor: 2 * time.Hour}, off(behind, seen(Secret{State: SecretAbsent}, current)),
			Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"before its end a cache knows of no Secret: look": {
			longer, seen(Secret{State: SecretGoneAsRecorded}, current), Plan{Action: Look, Credentials: []Credential{current}},
		},
		"so near to its end that another clock may say so it stays": {
			nearly, recorded(current), Plan{Credentials: []Credential{current}, Wake: now.Add(2 * ClockTolerance)},
		},
		"so near to its end it stays, looked at": {
			nearly, seen(ours("a"), current), Plan{Credentials: []Credential{current}, Wake: now.Add(2 * ClockTolerance)},
		},
		"so near to its end its loss is forgiven": {
			nearly, seen(Secret{State: SecretAbsent}, current), Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"so near to its end a cache that knows of none is believed": {
			nearly, seen(Secret{State: SecretGoneAsRecorded}, current),
			Plan{Concealed: true, Credentials: []Credential{current}, Wake: now.Add(2 * ClockTolerance)},
		},
		"so near to its end the name is free for others": {
			nearly, seen(Secret{State: SecretForeign}, current), Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"so near to its end what was tampered with is healed": {
			nearly, seen(ours("x"), current),
			Plan{Action: Mint, Credential: minted(3, SecretChanged), Credentials: []Credential{current}},
		},
		"so near to its end a key that was on its way to heal it is retired": {
			nearly, Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{current, pending}, Held: held("b", took)},
			Plan{Concealed: true, Credentials: []Credential{current, retiredAt(now).on(pending)}, Wake: now.Add(lands)},
		},
		"at its end: look": {
			hour, recorded(current), Plan{Action: Look, Credentials: []Credential{current}},
		},
		"at its end, looked at: it goes": {
			hour, seen(ours("a"), current), Plan{Action: Conceal, Concealed: true, Credentials: []Credential{current}},
		},
		"at its end a previous one keeps its grace": {
			hour, seen(ours("a"), current, previous),
			Plan{Action: Conceal, Concealed: true, Credentials: []Credential{current, previous}, Wake: previous.NotAfter.Add(ClockTolerance)},
		},
		"at its end it goes whatever it holds": {
			hour, seen(ours("x"), current), Plan{Action: Conceal, Concealed: true, Credentials: []Credential{current}},
		},
		"at its end it goes though it is immutable": {
			hour, seen(Secret{State: SecretOurs, Hash: "a", Immutable: true}, current),
			Plan{Action: Conceal, Concealed: true, Credentials: []Credential{current}},
		},
		"at its end a key that was on its way to heal it is retired": {
			hour, Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{current, pending}, Held: held("b", took)},
			Plan{Concealed: true, Credentials: []Credential{current, retiredAt(now).on(pending)}, Wake: now.Add(lands)},
		},
		"at its end a key that reached the Secret is current, and revealed for its own time": {
			hour, seen(ours("b"), current, pending),
			Plan{Promoted: true, Credential: promoted(pending), Wake: now.Add(time.Hour),
				Credentials: []Credential{promoted(pending), until(now.Add(24 * time.Hour)).on(as(Previous).on(current))}},
		},
		"once it is gone nothing is missing": {
			hour, seen(Secret{State: SecretAbsent}, current), Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"once it is gone a cache that knows of none is believed": {
			hour, seen(Secret{State: SecretGoneAsRecorded}, current), Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"once it is gone the name is free for others": {
			hour, seen(Secret{State: SecretForeign}, current), Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"once it is gone and the name is another's, a key that was on its way is retired": {
			hour, seen(Secret{State: SecretForeign}, current, pending),
			Plan{Concealed: true, Credentials: []Credential{current, retiredAt(now).on(pending)}, Wake: now.Add(lands)},
		},
		"once it is gone a retired key of which no write can land makes a look": {
			hour, seen(Secret{State: SecretGoneAsRecorded}, current, retiredAt(now.Add(-lands)).on(pending)),
			Plan{Action: Look, Credentials: []Credential{current, retiredAt(now.Add(-lands)).on(pending)}},
		},
		"once it is gone a retired key of which no write can land is dropped": {
			hour, seen(Secret{State: SecretAbsent}, current, retiredAt(now.Add(-lands)).on(pending)),
			Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"once it is gone that of a predecessor is no trouble": {
			hour, seen(Secret{State: SecretOfPredecessor}, current), Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"before its end a foreign Secret blocks": {
			longer, seen(Secret{State: SecretForeign}, current), Plan{Blocked: BlockedForeign, Credentials: []Credential{current}},
		},
		"once it is gone a revision writes it anew": {
			Desired{RevealFor: time.Hour, Revision: 3}, seen(Secret{State: SecretAbsent}, current),
			Plan{Action: Mint, Credential: minted(3, RevisionRaised), Credentials: []Credential{current}},
		},
		"once it is gone the key of that revision is published": {
			Desired{RevealFor: time.Hour, Revision: 3},
			Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{current, pending}, Held: held("b", took)},
			Plan{Action: Publish, Credential: pending, Credentials: []Credential{current, pending}},
		},
		"once it is gone and it shall stay for good: a cache is not believed": {
			Desired{}, seen(Secret{State: SecretGoneAsRecorded}, current), Plan{Action: Look, Credentials: []Credential{current}},
		},
		"once it is gone and it shall stay for good: a new one": {
			Desired{}, seen(Secret{State: SecretAbsent}, current),
			Plan{Action: Mint, Credential: minted(3, SecretLost), Credentials: []Credential{current}},
		},
		"one of which nobody recorded when it was written stays": {
			hour, recorded(published(time.Time{}).on(current)), Plan{Credentials: []Credential{published(time.Time{}).on(current)}},
		},
		"a revoked key's stays to its owner": {
			Desired{Revoked: true, RevealFor: time.Hour, Rotation: withGrace}, seen(ours("a"), current), Plan{Credentials: []Credential{current}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Next(c.desired, c.observed, settings, now)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARotationRevealsTheSecretForAsLongAgain(t *testing.T) {
	w := newWorld(t, Desired{ID: "uid", RevealFor: time.Hour, Rotation: Rotation{Every: 24 * time.Hour, GracePeriod: time.Hour}})
	for range 5 {
		plan := w.settle()
		if w.secret == "" || !plan.Wake.Equal(w.current().PublishedAt.Add(time.Hour)) {
			t.Fatalf("after a rotation the Secret holds %q until %s, want it to stay for an hour", w.secret, plan.Wake)
		}
		w.advance(plan.Wake.Sub(w.now))
		plan = w.settle()
		if w.secret != "" || !plan.Concealed {
			t.Fatalf("an hour later the Secret holds %q (%+v), want it gone", w.secret, plan)
		}
		w.advance(plan.NextRotation.Sub(w.now))
	}
	if w.promotions != 5 {
		t.Errorf("%d credentials were published, want 5", w.promotions)
	}
}
