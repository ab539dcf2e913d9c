package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

const (
	behind = 48 * time.Hour  // the API server's clock is ahead: ours may be slow
	ahead  = -48 * time.Hour // the API server's clock is behind: ours may be fast
	soon   = 30 * time.Second
)

func off(offset time.Duration, o Observed) Observed {
	o.ClockOffset = offset
	return o
}

func TestWhatOnlyOneClockSaysIsDueWaitsUntilTheyAgree(t *testing.T) {
	current := published(now.Add(-time.Hour)).on(credential(2, Current, "a"))
	due := func(at time.Time) Desired { return Desired{Rotation: Rotation{Schedule: once(at)}} }
	expiring := func(at time.Time) Desired { return Desired{ExpiresAt: at, Rotation: withGrace} }
	held := Plan{Credentials: []Credential{current}, ClockHeld: true, Wake: now.Add(soon)}
	undecided := held
	undecided.Undecided = true
	rotationHeld := func(at time.Time) Plan { p := held; p.NextRotation = at; return p }
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"a rotation that is due by our clock alone": {
			due(now), off(ahead, recorded(current)), rotationHeld(now),
		},
		"a rotation that is due by the API server's clock alone": {
			due(now.Add(time.Hour)), off(behind, recorded(current)), rotationHeld(now.Add(time.Hour)),
		},
		"a rotation that is due by both": {
			Desired{Rotation: Rotation{Schedule: once(now.Add(-time.Minute))}}, off(31*time.Second, recorded(current)), rotationHeld(now.Add(-time.Minute)),
		},
		"a rotation that is due by neither: look again soon, a clock may be put right": {
			due(now.Add(72 * time.Hour)), off(behind, recorded(current)),
			Plan{Credentials: []Credential{current}, NextRotation: now.Add(72 * time.Hour), Wake: now.Add(30 * time.Second)},
		},
		"a rotation that is due, when the Secret is looked at": {
			due(now), off(ahead, seen(ours("a"), current)), rotationHeld(now),
		},
		"an expiry by our clock alone": {
			expiring(now), off(ahead, recorded(current)), undecided,
		},
		"an expiry by the API server's clock alone": {
			expiring(now.Add(time.Hour)), off(behind, recorded(current)), undecided,
		},
		"an expiry by both": {
			expiring(now.Add(-72 * time.Hour)), off(ahead, recorded(current)), Plan{Expired: true, Credentials: []Credential{current}},
		},
		"an expiry by neither: the same": {
			expiring(now.Add(72 * time.Hour)), off(behind, recorded(current)), Plan{Credentials: []Credential{current}, Wake: now.Add(30 * time.Second)},
		},
		"an expiry that is recorded": {
			expiring(now.Add(time.Hour)), off(ahead, Observed{RecordedExpired: true, GrantExpiresAt: now.Add(time.Hour), Credentials: []Credential{current}}),
			Plan{Expired: true, Credentials: []Credential{current}},
		},
		"a renewal of what expired by our clock alone": {
			Desired{}, off(ahead, Observed{GrantExpiresAt: now, Secret: ours("a"), Credentials: []Credential{current}}), undecided,
		},
		"a renewal of what expired by the API server's clock alone": {
			Desired{}, off(behind, Observed{GrantExpiresAt: now.Add(time.Hour), Secret: ours("a"), Credentials: []Credential{current}}), undecided,
		},
		"a renewal of what is recorded as expired": {
			Desired{}, off(ahead, Observed{RecordedExpired: true, GrantExpiresAt: now, Secret: ours("a"), Credentials: []Credential{current}}),
			Plan{Action: Mint, Credential: minted(3, Renewed)},
		},
		"a revision does not wait": {
			Desired{Revision: 3}, off(ahead, seen(ours("a"), current)),
			Plan{Action: Mint, Credential: minted(3, RevisionRaised), Credentials: []Credential{current}},
		},
		"the loss of the Secret does not wait": {
			Desired{}, off(behind, seen(Secret{State: SecretAbsent}, current)),
			Plan{Action: Mint, Credential: minted(3, SecretLost), Credentials: []Credential{current}},
		},
		"the loss of a Secret that was revealed for its time by our clock alone is forgiven": {
			Desired{RevealFor: time.Minute}, off(ahead, seen(Secret{State: SecretAbsent}, current)),
			Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"the loss of a Secret that was revealed for its time by the API server's clock alone is forgiven": {
			Desired{RevealFor: 24 * time.Hour}, off(behind, seen(Secret{State: SecretAbsent}, current)),
			Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"an imported hash does not wait": {
			Desired{Source: hashed("b")}, off(ahead, seen(Secret{}, current)), tookOver(taken(3, "b", SourceChanged)),
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

// TestWhatIsDisputedIsLookedAtAgainSoonAndNotAtOnce is about ends that our clock says are over and the API server's
// does not: they stay, and a time that has passed is nothing to wait for.
func TestWhatIsDisputedIsLookedAtAgainSoonAndNotAtOnce(t *testing.T) {
	current := published(now.Add(-time.Hour)).on(credential(2, Current, "a"))
	previous := until(now.Add(-time.Hour)).on(credential(1, Previous, "p"))
	retired := retiredAt(now.Add(-2 * time.Minute)).on(credential(3, Pending, "b"))
	lost := func(hash string) Credential { return credential(3, Pending, hash) }
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"the end of a grace period": {
			Desired{Rotation: withGrace}, recorded(current, previous), Plan{Credentials: []Credential{current, previous}},
		},
		"the end of a retired key": {
			Desired{}, recorded(current, retired), Plan{Credentials: []Credential{current, retired}},
		},
		"the end of a grace period, of a revoked key": {
			Desired{Revoked: true, Rotation: withGrace}, recorded(current, previous), Plan{Credentials: []Credential{current, previous}},
		},
		"the end of a grace period, of a dead key": {
			Desired{ExpiresAt: now.AddDate(-1, 0, 0), Rotation: withGrace}, recorded(current, previous),
			Plan{Expired: true, Credentials: []Credential{current, previous}},
		},
		"the end of a grace period, of an imported key": {
			Desired{Source: Source{Kind: FromSecret}, Rotation: withGrace}, recorded(current, previous), Plan{Credentials: []Credential{current, previous}},
		},
		"the end of a grace period while a key waits for its publish delay": {
			Desired{Rotation: withGrace}, Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{current, previous, lost("c")},
				Held: held("c", now.Add(time.Hour))},
			Plan{Action: Wait, Credentials: []Credential{current, previous, lost("c")}},
		},
		"the end of one of three lost keys": {
			Desired{}, seen(Secret{State: SecretAbsent}, current, lost("c"), lost("d"), retired),
			Plan{Action: Wait, ClockHeld: true, Credentials: []Credential{current, lost("c"), lost("d"), retired}},
		},
		"the end of a retired key that a publish waits for": {
			Desired{}, Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{current, retired, lost("c")},
				Held: held("c", now.Add(-time.Hour))},
			Plan{Action: Wait, ClockHeld: true, Credentials: []Credential{current, retired, lost("c")}},
		},
		"the end of a retired key, when the Secret is looked at": {
			Desired{}, seen(ours("a"), current, retired), Plan{Credentials: []Credential{current, retired}},
		},
		"the end of what a Secret is revealed for": {
			Desired{RevealFor: time.Minute}, recorded(current), Plan{Credentials: []Credential{current}},
		},
		"the end of what a Secret is revealed for, when it is looked at": {
			Desired{RevealFor: time.Minute}, seen(ours("a"), current), Plan{Credentials: []Credential{current}},
		},
		"the end of what a Secret was revealed for that is gone already": {
			Desired{RevealFor: time.Minute}, seen(Secret{State: SecretGoneAsRecorded}, current),
			Plan{Concealed: true, Credentials: []Credential{current}},
		},
		"the time from which a key counts as expiring": {
			Desired{ExpiresAt: now.Add(time.Minute)}, recorded(current), Plan{Credentials: []Credential{current}},
		},
	}
	s := settings
	s.ExpiringWindow = time.Hour
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.want.Wake = now.Add(soon)
			if diff := cmp.Diff(c.want, Next(c.desired, off(ahead, c.observed), s, now)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNothingIsCutShortByAWrongClock is about a revision that is raised while our clock is far behind or ahead. The
// verifiers' clocks may be right: a credential that is replaced works for its whole grace by theirs.
func TestNothingIsCutShortByAWrongClock(t *testing.T) {
	for name, offset := range map[string]time.Duration{"slow": behind, "fast": ahead} {
		t.Run("our clock is "+name, func(t *testing.T) {
			right := now.Add(offset)
			current, pending := credential(2, Current, "a"), credential(3, Pending, "b")
			d := Desired{Rotation: withGrace}
			plan := Next(d, off(offset, seen(ours("b"), current, pending)), settings, now)
			checkEnd := func(when, hash string, c []Credential, least time.Time) {
				t.Helper()
				for _, c := range c {
					if c.Hash == hash {
						if c.NotAfter.Before(least) {
							t.Errorf("%s, %s ends at %s, want it accepted until %s", when, hash, c.NotAfter, least)
						}
						return
					}
				}
				t.Errorf("%s, %s is not on record", when, hash)
			}
			checkEnd("when replaced", "a", plan.Credentials, right.Add(24*time.Hour))

			later := Next(d, off(offset, recorded(plan.Credentials...)), settings, now.Add(time.Minute))
			checkEnd("a minute later", "a", later.Credentials, right.Add(24*time.Hour))

			mended := Next(d, recorded(plan.Credentials...), settings, right.Add(2*time.Minute))
			checkEnd("when the clock is right again", "a", mended.Credentials, right.Add(24*time.Hour))
			for _, c := range mended.Credentials {
				if c.State == Previous && c.NotAfter.After(right.Add(24*time.Hour+3*time.Minute)) {
					t.Errorf("when the clock is right again, it ends at %s, want that brought back to %s", c.NotAfter, right.Add(24*time.Hour))
				}
			}
		})
	}
}

// TestAGraceIsNotCutShortWhileOurClockIsSlow is about a credential that was replaced while all clocks were right.
func TestAGraceIsNotCutShortWhileOurClockIsSlow(t *testing.T) {
	took := now.Add(behind)
	current := published(took).on(credential(2, Current, "a"))
	previous := until(took.Add(24 * time.Hour)).on(credential(1, Previous, "p"))
	plan := Next(Desired{Rotation: withGrace}, off(behind, recorded(current, previous)), settings, now.Add(time.Minute))
	if diff := cmp.Diff([]Credential{current, previous}, plan.Credentials); diff != "" {
		t.Errorf("the record changes (-want +got):\n%s", diff)
	}
}

// TestNoRetiredKeyIsDroppedByAWrongClock is about a key that is given up while our clock is far behind or ahead: a
// write of it may land until the fence ends by whichever clock is right.
func TestNoRetiredKeyIsDroppedByAWrongClock(t *testing.T) {
	for name, offset := range map[string]time.Duration{"slow": behind, "fast": ahead} {
		t.Run("our clock is "+name, func(t *testing.T) {
			right := now.Add(offset)
			credentials := []Credential{credential(2, Current, "a"), credential(3, Pending, "b")}
			look := func(when string, offset time.Duration, at time.Time, want int) {
				t.Helper()
				credentials = Next(Desired{}, off(offset, seen(ours("a"), credentials...)), settings, at).Credentials
				if len(credentials) != want || want > 1 && (credentials[1].RetiredAt.IsZero() || !credentials[1].NotAfter.IsZero()) {
					t.Errorf("%s stand %+v, want %d, the second retired and accepted for as long as it stands", when, credentials, want)
				}
			}
			look("when it is given up", offset, now, 2)
			look("when no write can land by our clock", offset, now.Add(lands), 2)
			look("when the clock is right again", 0, right.Add(settings.Fence), 2)
			look("when no write can land", 0, right.Add(settings.Fence+lands), 1)
		})
	}
}
