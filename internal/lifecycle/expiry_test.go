package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func TestAKeyCountsAsExpiringInTheWindowBeforeItsEnd(t *testing.T) {
	const window = 720 * time.Hour
	current := credential(1, Current, "a")
	cases := map[string]struct {
		expiresAt    time.Time
		observed     Observed
		wantExpiring bool
		wantExpired  bool
		wantWake     time.Time
	}{
		"never":             {time.Time{}, recorded(current), false, false, time.Time{}},
		"before the window": {now.Add(window + time.Second), recorded(current), false, false, now.Add(time.Second)},
		"at its begin":      {now.Add(window), recorded(current), true, false, now.Add(window)},
		"in it":             {now.Add(time.Hour), recorded(current), true, false, now.Add(time.Hour)},
		"at the last":       {now.Add(time.Nanosecond), recorded(current), true, false, now.Add(time.Nanosecond)},
		"at the end":        {now, recorded(current), false, true, time.Time{}},
		"in it, while nothing is issued": {
			now.Add(time.Hour), seen(Secret{State: SecretForeign}), true, false, now.Add(time.Hour),
		},
		"given little more time, but not issued anew yet": {
			now.Add(time.Hour), Observed{RecordedExpired: true, GrantExpiresAt: now, Secret: Secret{State: SecretForeign}, Credentials: []Credential{current}},
			false, false, now.Add(time.Hour),
		},
	}
	s := settings
	s.ExpiringWindow = window
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			plan := Next(Desired{ExpiresAt: c.expiresAt}, c.observed, s, now)
			if plan.Expiring != c.wantExpiring || plan.Expired != c.wantExpired || !plan.Wake.Equal(c.wantWake) {
				t.Errorf("the plan is %+v, want expiring %t, expired %t, and to look again at %s", plan, c.wantExpiring, c.wantExpired, c.wantWake)
			}
		})
	}
}

func TestADuplicateOfAGeneratedKeyIsLeftAsItIs(t *testing.T) {
	current := credential(2, Current, "a")
	previous := until(now.Add(time.Hour)).on(credential(1, Previous, "p"))
	standing := []Credential{current, previous}
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"its Secret is not healed": {
			Desired{}, seen(Secret{State: SecretAbsent}, standing...), Plan{Denied: DeniedDuplicate},
		},
		"no revision is issued": {
			Desired{Revision: 9}, seen(ours("a"), standing...), Plan{Denied: DeniedDuplicate},
		},
		"one that had expired stays known as that, so that it does not come back": {
			Desired{}, Observed{RecordedExpired: true, GrantExpiresAt: now, Secret: ours("a"), Credentials: standing},
			Plan{Denied: DeniedDuplicate, Lapsed: true},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.desired.Rotation, c.observed.Duplicate = withGrace, true
			c.want.Credentials, c.want.Wake = standing, previous.NotAfter.Add(ClockTolerance)
			if diff := cmp.Diff(c.want, Next(c.desired, c.observed, settings, now)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMoreTimeAtTheVeryEndWaitsUntilItIsCertain is about a spec that changes the expiry at about the moment at which
// the granted one comes: verifiers may have refused the key by their own clocks, and nothing comes back.
func TestMoreTimeAtTheVeryEndWaitsUntilItIsCertain(t *testing.T) {
	later := now.Add(time.Hour)
	current, pending := credential(1, Current, "a"), credential(2, Pending, "b")
	standing := []Credential{current, pending}
	granted := func(at time.Time) Observed {
		return Observed{GrantExpiresAt: at, Secret: ours("a"), Credentials: standing, Held: held("b", now.Add(-time.Hour))}
	}
	undecided := Plan{Undecided: true, Credentials: standing, Wake: now.Add(soon)}
	givenUp := []Credential{current, retiredAt(now).on(pending)}
	renewed := Plan{Action: Wait, Lapsed: true, Credentials: givenUp, Wake: now.Add(lands)}
	goesOn := waking(now.Add(lands), Plan{Credentials: givenUp})
	died := granted(now)
	died.RecordedExpired = true
	imported := granted(now)
	imported.Secret = offered("a")
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"long after it came: the key is dead": {
			Desired{ExpiresAt: later}, granted(now.Add(-time.Hour)), renewed,
		},
		"when it came by every clock: the key is dead": {
			Desired{ExpiresAt: later}, granted(now.Add(-ClockTolerance)), renewed,
		},
		"when it may not have come by some clock": {
			Desired{ExpiresAt: later}, granted(now.Add(time.Nanosecond - ClockTolerance)), undecided,
		},
		"when it comes": {
			Desired{ExpiresAt: later}, granted(now), undecided,
		},
		"when it may have come by some clock": {
			Desired{ExpiresAt: later}, granted(now.Add(ClockTolerance)), undecided,
		},
		"when it has come by no clock: the key goes on": {
			Desired{ExpiresAt: later}, granted(now.Add(ClockTolerance + time.Nanosecond)), waking(now.Add(lands), goesOn),
		},
		"to none": {
			Desired{}, granted(now), undecided,
		},
		"to one that is earlier, but has not come": {
			Desired{ExpiresAt: now.Add(time.Second)}, granted(now.Add(2 * time.Second)), undecided,
		},
		"to one that has come: the key is dead": {
			Desired{ExpiresAt: now}, granted(now.Add(time.Second)), Plan{Expired: true, Credentials: givenUp, Wake: now.Add(lands)},
		},
		"not at all: it is waited for": {
			Desired{ExpiresAt: now.Add(time.Second)}, granted(now.Add(time.Second)), waking(now.Add(time.Second), goesOn),
		},
		"though the key was seen to die: it is dead": {
			Desired{ExpiresAt: later}, died, renewed,
		},
		"though the key is revoked: it is dead": {
			Desired{ExpiresAt: later, Revoked: true}, granted(now), Plan{Credentials: standing},
		},
		"while it is rotated: not before that is certain": {
			Desired{ExpiresAt: later, Revision: 2}, granted(now), undecided,
		},
		"of an imported key": {
			Desired{ExpiresAt: later, Source: Source{Kind: FromSecret}}, imported, undecided,
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

// TestMoreTimeWaitsUntilNoWriteOfTheDeadKeyCanLand is about keys that expired while a credential was on its way: it never
// works, but may come to stand in the Secret.
func TestMoreTimeWaitsUntilNoWriteOfTheDeadKeyCanLand(t *testing.T) {
	current, pending := credential(1, Current, "a"), credential(2, Pending, "b")
	landing, landed := retiredAt(now.Add(time.Second-lands)).on(pending), retiredAt(now.Add(-lands)).on(pending)
	ahead := retiredAt(now.Add(time.Hour)).on(pending)
	died := func(secret Secret, standing ...Credential) Observed {
		return Observed{RecordedExpired: true, GrantExpiresAt: now.Add(-time.Hour), Secret: secret, Credentials: standing,
			Held: held("b", now.Add(-time.Hour))}
	}
	waits := func(wake time.Duration, standing ...Credential) Plan {
		return Plan{Action: Wait, Lapsed: true, Wake: now.Add(wake), Credentials: standing}
	}
	renewed := Plan{Action: Mint, Credential: minted(2, Renewed)}
	absent, foreign := Secret{State: SecretAbsent}, Secret{State: SecretForeign}
	cases := map[string]struct {
		observed Observed
		want     Plan
	}{
		"nothing was on its way: it is renewed": {
			died(ours("a"), current), renewed,
		},
		"one was on its way: it is given up, and waited for": {
			died(ours("a"), current, pending), waits(lands, current, retiredAt(now).on(pending)),
		},
		"the first one was, and the Secret has not come yet": {
			died(absent, pending), waits(lands, retiredAt(now).on(pending)),
		},
		"one was, though nobody looked when the key expired": {
			Observed{GrantExpiresAt: now.Add(-time.Hour), Secret: ours("a"), Credentials: []Credential{current, pending}},
			waits(lands, current, retiredAt(now).on(pending)),
		},
		"it may land yet": {
			died(ours("a"), current, landing), waits(time.Second, current, landing),
		},
		"it has landed: it is not taken for one that works": {
			died(ours("b"), current, landing), waits(time.Second, current, landing),
		},
		"it was given up by a clock that was ahead": {
			died(ours("a"), current, ahead), waits(lands, current, retiredAt(now).on(pending)),
		},
		"it cannot land any more: it is renewed": {
			died(ours("a"), current, landed), renewed,
		},
		"it cannot land any more, and has landed: it is renewed": {
			died(ours("b"), current, landed), renewed,
		},
		"it cannot land any more, but that was not looked at": {
			died(Secret{}, current, landed), Plan{Action: Look},
		},
		"it cannot land any more, but the Secret is taken: all stay on record": {
			died(foreign, current, landed), Plan{Blocked: BlockedForeign, Lapsed: true, Credentials: []Credential{current, landed}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			desired := Desired{Rotation: Rotation{Every: 24 * time.Hour, GracePeriod: time.Hour}}
			if diff := cmp.Diff(c.want, Next(desired, c.observed, settings, now)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestACredentialThatWasOnItsWayIsGivenUpWhenItsKeyExpires(t *testing.T) {
	current, pending := credential(1, Current, "a"), credential(2, Pending, "b")
	plan := Next(Desired{ExpiresAt: now}, recorded(current, pending), settings, now)
	want := Plan{Expired: true, Credentials: []Credential{current, retiredAt(now).on(pending)}, Wake: now.Add(lands)}
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
