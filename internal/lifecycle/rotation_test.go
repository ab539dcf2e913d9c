package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// halfDays are the times at noon and at midnight.
type halfDays struct{}

func (halfDays) Next(after time.Time) time.Time {
	return after.Truncate(12 * time.Hour).Add(12 * time.Hour)
}

// once is a schedule of one time.
type once time.Time

func (o once) Next(after time.Time) time.Time {
	if t := time.Time(o); t.After(after) {
		return t
	}
	return time.Time{}
}

func recorded(credentials ...Credential) Observed {
	return Observed{Secret: Secret{State: SecretAsRecorded}, Credentials: credentials}
}

func seen(secret Secret, credentials ...Credential) Observed {
	return Observed{Secret: secret, Credentials: credentials}
}

// dueOf is when a credential is due by a rotation.
func dueOf(t *testing.T, d Desired, c Credential) time.Time {
	t.Helper()
	due := Next(d, recorded(c), settings, c.IssuedAt).NextRotation
	if due.IsZero() {
		t.Fatal("the credential is never due")
	}
	return due
}

func TestACredentialIsReplacedWhenItsTimeHasComeAndNotBefore(t *testing.T) {
	current := credential(3, Current, "a")
	cases := map[string]struct {
		rotation          Rotation
		wantFrom, wantEnd time.Time // the least and the greatest time at which it may be due
	}{
		"by age": {
			Rotation{Every: 2 * time.Hour}, current.IssuedAt.Add(2 * time.Hour), current.IssuedAt.Add(2*time.Hour + 5*time.Minute),
		},
		"by a short age the jitter is a tenth": {
			Rotation{Every: 10 * time.Minute}, current.IssuedAt.Add(10 * time.Minute), current.IssuedAt.Add(11 * time.Minute),
		},
		"by a schedule": {
			Rotation{Schedule: halfDays{}}, now, now.Add(5 * time.Minute),
		},
		"by a schedule's last time there is no jitter": {
			Rotation{Schedule: once(now)}, now, now,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := Desired{ID: "uid", Rotation: c.rotation}
			due := dueOf(t, d, current)
			if due.Before(c.wantFrom) || due.After(c.wantEnd) {
				t.Fatalf("it is due at %s, want between %s and %s", due, c.wantFrom, c.wantEnd)
			}

			early := Next(d, recorded(current), settings, due.Add(-time.Nanosecond))
			if early.Action != Settle || !early.Wake.Equal(due) || !early.NextRotation.Equal(due) {
				t.Errorf("right before, the plan is %+v, want to settle until %s", early, due)
			}
			if plan := Next(d, seen(ours("a"), current), settings, due.Add(-time.Nanosecond)); plan.Action != Settle {
				t.Errorf("right before, a live look plans %+v, want to settle", plan)
			}
			if plan := Next(d, recorded(current), settings, due); plan.Action != Look {
				t.Errorf("when due, the plan is %+v, want a live look", plan)
			}
			want := Credential{Revision: 4, State: Pending, Cause: Rotated, IssuedAt: due}
			if plan := Next(d, seen(ours("a"), current), settings, due); plan.Action != Mint || plan.Credential != want {
				t.Errorf("when due, a live look plans %+v, want to mint %+v", plan, want)
			}
		})
	}
}

func TestWithoutARotationNothingIsEverDue(t *testing.T) {
	for name, rotation := range map[string]Rotation{"none": {}, "a schedule that is over": {Schedule: once(now.Add(-2 * time.Hour))}} {
		t.Run(name, func(t *testing.T) {
			plan := Next(Desired{Rotation: rotation}, recorded(credential(1, Current, "a")), settings, now.AddDate(50, 0, 0))
			if plan.Action != Settle || !plan.NextRotation.IsZero() || !plan.Wake.IsZero() {
				t.Errorf("the plan is %+v, want to rest for good", plan)
			}
		})
	}
}

func TestTimesThatWereMissedCauseOneRotation(t *testing.T) {
	for name, rotation := range map[string]Rotation{
		"by age":        {Every: time.Hour, GracePeriod: time.Minute},
		"by a schedule": {Schedule: halfDays{}, GracePeriod: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Desired{ID: "uid", Rotation: rotation})
			w.settle()
			w.advance(100 * 24 * time.Hour)
			w.restart()
			plan := w.settle()
			if w.promotions != 2 || !plan.NextRotation.After(w.now) {
				t.Errorf("%d credentials were published and the next is due at %s (now %s), want 2 and a later time", w.promotions, plan.NextRotation, w.now)
			}
		})
	}
}

// TestAPublishSatisfiesWhatFellDueWhileItWasTried is about a Secret that could not be written for days: right after
// it could, another rotation would end what consumers had until then.
func TestAPublishSatisfiesWhatFellDueWhileItWasTried(t *testing.T) {
	for name, rotation := range map[string]Rotation{
		"by age":        {Every: time.Hour, GracePeriod: time.Hour},
		"by a schedule": {Schedule: halfDays{}, GracePeriod: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Desired{ID: "uid", Rotation: rotation})
			w.settle()
			w.desired.Revision = 2
			w.step()
			w.advance(72 * time.Hour)
			plan := w.settle()
			if w.promotions != 2 || len(w.credentials) != 2 || !plan.NextRotation.After(w.now) {
				t.Errorf("%d credentials were published, and on record are %+v; want 2, the older in its grace", w.promotions, w.credentials)
			}
		})
	}
}

func TestRevisionsAskForARotation(t *testing.T) {
	current := credential(3, Current, "a")
	pending := credential(4, Pending, "b")
	hourly := Rotation{Every: time.Hour, GracePeriod: time.Minute}
	heldLong := held("b", now.Add(-time.Minute))
	mint := func(revision int64, why Cause, standing ...Credential) Plan {
		return Plan{Action: Mint, Credential: minted(revision, why), Credentials: standing}
	}
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"a revision that the current one has": {
			Desired{Revision: 3}, recorded(current), Plan{Credentials: []Credential{current}},
		},
		"a revision below": {
			Desired{Revision: 2, MinRevision: 1}, recorded(current), Plan{Credentials: []Credential{current}},
		},
		"a revision above: look": {
			Desired{Revision: 4}, recorded(current), Plan{Action: Look, Credentials: []Credential{current}},
		},
		"a revision above, looked at": {
			Desired{Revision: 4}, seen(ours("a"), current), mint(4, RevisionRaised, current),
		},
		"a revision far above": {
			Desired{Revision: 40}, seen(ours("a"), current), mint(40, RevisionRaised, current),
		},
		"a least revision that the current one has": {
			Desired{MinRevision: 3}, recorded(current), Plan{Credentials: []Credential{current}},
		},
		"a least revision above: look": {
			Desired{MinRevision: 4}, recorded(current), Plan{Action: Look, Credentials: []Credential{current}},
		},
		"a least revision far above": {
			Desired{MinRevision: 9}, seen(ours("a"), current), mint(9, RevisionRaised, current),
		},
		"both, the least one higher": {
			Desired{Revision: 5, MinRevision: 7}, seen(ours("a"), current), mint(7, RevisionRaised, current),
		},
		"both, the other higher": {
			Desired{Revision: 7, MinRevision: 5}, seen(ours("a"), current), mint(7, RevisionRaised, current),
		},
		"a revision for the first credential": {
			Desired{Revision: 5}, seen(Secret{State: SecretAbsent}), mint(5, Issued),
		},
		"a least revision for the first credential": {
			Desired{MinRevision: 6, Revision: 5}, seen(Secret{State: SecretAbsent}), mint(6, Issued),
		},
		"a revision while the Secret is gone: one credential for both": {
			Desired{Revision: 5}, seen(Secret{State: SecretAbsent}, current), mint(5, RevisionRaised, current),
		},
		"a recorded key that is on its way goes on": {
			Desired{Revision: 4}, Observed{Secret: ours("a"), Credentials: []Credential{current, pending}, Held: heldLong},
			Plan{Action: Publish, Credential: pending, Credentials: []Credential{current, pending}},
		},
		"a recorded key at the least revision goes on": {
			Desired{MinRevision: 4}, Observed{Secret: ours("a"), Credentials: []Credential{current, pending}, Held: heldLong},
			Plan{Action: Publish, Credential: pending, Credentials: []Credential{current, pending}},
		},
		"a recorded key below the least revision is not published": {
			Desired{MinRevision: 5}, Observed{Secret: ours("a"), Credentials: []Credential{current, pending}, Held: heldLong},
			mint(5, RevisionRaised, current, retiredAt(now).on(pending)),
		},
		"a revision that was raised further while a key was on its way: not settled yet": {
			Desired{Revision: 9}, seen(ours("b"), current, pending),
			Plan{Action: Wait, Promoted: true, Credential: promoted(pending), Credentials: []Credential{promoted(pending)}, Wake: now},
		},
		"the same of a least revision": {
			Desired{MinRevision: 9}, seen(ours("b"), current, pending),
			Plan{Action: Wait, Promoted: true, Credential: promoted(pending), Credentials: []Credential{promoted(pending)}, Wake: now},
		},
		"a key that has reached a Secret which is not as wanted: not settled yet": {
			Desired{}, seen(Secret{State: SecretOurs, Hash: "b"}, current, pending),
			Plan{Action: Wait, Promoted: true, Credential: promoted(pending), Credentials: []Credential{promoted(pending)}, Wake: now},
		},
		"a due time and a revision at once: one credential": {
			Desired{Revision: 4, Rotation: Rotation{Every: 10 * time.Minute}}, seen(ours("a"), current),
			Plan{Action: Mint, Credential: minted(4, RevisionRaised), Credentials: []Credential{current},
				NextRotation: dueOf(t, Desired{Rotation: Rotation{Every: 10 * time.Minute}}, current)},
		},
		"a revision takes effect without jitter": {
			Desired{ID: "uid", Revision: 4, Rotation: hourly}, seen(ours("a"), issuedAt(now).on(current)),
			Plan{Action: Mint, Credential: minted(4, RevisionRaised), Credentials: []Credential{issuedAt(now).on(current)},
				NextRotation: dueOf(t, Desired{ID: "uid", Rotation: hourly}, issuedAt(now).on(current)),
				Wake:         dueOf(t, Desired{ID: "uid", Rotation: hourly}, issuedAt(now).on(current))},
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

func TestARotationThatIsDueMeetsTheSecretAsItIs(t *testing.T) {
	current, previous := published(now.Add(-time.Hour)).on(credential(2, Current, "a")), until(now.Add(time.Hour)).on(credential(1, Previous, "p"))
	pending := credential(3, Pending, "b")
	cases := map[string]struct {
		secret      Secret
		reveal      time.Duration
		wantAction  Action
		wantBlocked Block
		wantCause   Cause
		wantHidden  bool
	}{
		"as recorded: look":                       {secret: Secret{State: SecretAsRecorded}, wantAction: Look},
		"gone as recorded: look":                  {secret: Secret{State: SecretGoneAsRecorded}, reveal: time.Minute, wantAction: Look},
		"holds the current one":                   {secret: ours("a"), wantAction: Mint, wantCause: Rotated},
		"is lost":                                 {secret: Secret{State: SecretAbsent}, wantAction: Mint, wantCause: Rotated},
		"was tampered with":                       {secret: ours("x"), wantAction: Mint, wantCause: Rotated},
		"lost its owner":                          {secret: Secret{State: SecretOurs, Hash: "a"}, wantAction: Mint, wantCause: Rotated},
		"holds the previous one":                  {secret: ours("p"), wantAction: Mint, wantCause: Rotated},
		"lost its data key":                       {secret: Secret{State: SecretOurs, Misplaced: "a"}, wantAction: Mint, wantCause: Rotated},
		"was removed when due":                    {secret: Secret{State: SecretAbsent}, reveal: time.Minute, wantAction: Mint, wantCause: Rotated},
		"is immutable":                            {secret: Secret{State: SecretOurs, Hash: "a", Immutable: true}, wantBlocked: BlockedImmutable},
		"is immutable and another":                {secret: Secret{State: SecretOurs, Hash: "x", Immutable: true}, wantBlocked: BlockedImmutable},
		"is somebody else's":                      {secret: Secret{State: SecretForeign}, wantBlocked: BlockedForeign},
		"is a predecessor's":                      {secret: Secret{State: SecretOfPredecessor}, wantBlocked: BlockedPredecessor},
		"was removed, and somebody else made one": {secret: Secret{State: SecretForeign}, reveal: time.Minute, wantBlocked: BlockedForeign},
		"holds the next one":                      {secret: ours("b"), wantAction: Settle},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := Desired{Rotation: Rotation{Every: 10 * time.Minute, GracePeriod: 2 * time.Hour}, RevealFor: c.reveal}
			plan := Next(d, seen(c.secret, current, previous, pending), settings, now)
			if plan.Action != c.wantAction || plan.Blocked != c.wantBlocked || plan.Concealed != c.wantHidden {
				t.Errorf("the plan is %+v, want action %d, block %d, concealed %t", plan, c.wantAction, c.wantBlocked, c.wantHidden)
			}
			if c.wantAction == Mint && (plan.Credential.Cause != c.wantCause || plan.Credential.Revision != 3) {
				t.Errorf("the plan mints %+v, want revision 3, since %s", plan.Credential, c.wantCause)
			}
			if c.wantBlocked != NotBlocked && !cmp.Equal(plan.Credentials, []Credential{current, previous, pending}) {
				t.Errorf("a blocked rotation records %+v, want what stood", plan.Credentials)
			}
		})
	}
}

func TestARenewedKeyGoesOnCountingWhenThePlaintextIsLost(t *testing.T) {
	dead := credential(5, Current, "a")
	renewed := Next(Desired{}, Observed{RecordedExpired: true, Secret: ours("a"), Credentials: []Credential{dead}}, settings, now)
	if renewed.Action != Mint || renewed.Credential.Revision != 6 {
		t.Fatalf("the plan is %+v, want to mint revision 6", renewed)
	}
	renewed.Credential.Hash = "b"
	again := Next(Desired{}, seen(ours("a"), append(renewed.Credentials, renewed.Credential)...), settings, now)
	if again.Action != Mint || again.Credential.Revision != 6 {
		t.Errorf("after a crash the plan is %+v, want to mint revision 6 again", again)
	}
}
