package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

var (
	now      = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)
	settings = Settings{PublishDelay: 2 * time.Second, Fence: 30 * time.Second}

	// lands is for how long a write of a retired key may still land.
	lands = settings.Fence + 2*ClockTolerance

	withGrace = Rotation{GracePeriod: 24 * time.Hour}
)

func credential(revision int64, state CredentialState, hash string) Credential {
	return Credential{Revision: revision, State: state, Hash: hash, Hint: "ak_" + hash, IssuedAt: now.Add(-time.Hour)}
}

func (c change) on(x Credential) Credential { c(&x); return x }

// minted is what a plan asks to be made.
func minted(revision int64, why Cause) Credential {
	return Credential{Revision: revision, State: Pending, Cause: why, IssuedAt: now}
}

type change func(*Credential)

func until(t time.Time) change                            { return func(c *Credential) { c.NotAfter = t } }
func retiredAt(t time.Time) change                        { return func(c *Credential) { c.RetiredAt = t } }
func issuedAt(t time.Time) change                         { return func(c *Credential) { c.IssuedAt = t } }
func as(s CredentialState) change                         { return func(c *Credential) { c.State = s } }
func revised(n int64) change                              { return func(c *Credential) { c.Revision = n } }
func because(cause Cause) change                          { return func(c *Credential) { c.Cause = cause } }
func published(t time.Time) change                        { return func(c *Credential) { c.PublishedAt = t } }
func ours(hash string) Secret                             { return Secret{State: SecretOurs, Hash: hash, Tidy: true} }
func promoted(c Credential) Credential                    { return published(now).on(as(Current).on(c)) }
func held(hash string, at time.Time) map[string]time.Time { return map[string]time.Time{hash: at} }

func TestNextPlans(t *testing.T) {
	current := credential(1, Current, "a")
	pending := credential(2, Pending, "b")
	previous := until(now.Add(time.Hour)).on(credential(1, Previous, "p"))
	lost := func(n int, age time.Duration) Credential {
		return issuedAt(now.Add(-age)).on(credential(2, Pending, string(rune('w'+n))))
	}

	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"a new ApiKey whose Secret was not looked for: look": {
			want: Plan{Action: Look},
		},
		"a new ApiKey without a Secret: mint": {
			observed: Observed{Secret: Secret{State: SecretAbsent}},
			want:     Plan{Action: Mint, Credential: minted(1, Issued)},
		},
		"a recorded key before the delay is over: wait": {
			observed: Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{pending}, Held: held("b", now.Add(-time.Second))},
			want:     Plan{Action: Wait, Credentials: []Credential{pending}, Wake: now.Add(time.Second)},
		},
		"a recorded key after the delay: publish": {
			observed: Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{pending}, Held: held("b", now.Add(-2*time.Second))},
			want:     Plan{Action: Publish, Credential: pending, Credentials: []Credential{pending}},
		},
		"a recorded key whose plaintext is lost: mint another beside it": {
			observed: Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{pending}},
			want: Plan{Action: Mint, Credential: minted(2, Issued),
				Credentials: []Credential{pending}},
		},
		"three lost keys: the oldest is retired, and minting waits until no write of it can land": {
			observed: Observed{Secret: Secret{State: SecretAbsent},
				Credentials: []Credential{lost(0, time.Minute), lost(1, time.Hour), lost(2, time.Second)}},
			want: Plan{Action: Wait, Wake: now.Add(lands),
				Credentials: []Credential{lost(0, time.Minute), lost(2, time.Second), retiredAt(now).on(lost(1, time.Hour))}},
		},
		"three lost keys of which one is retired: wait until no write of it can land": {
			observed: Observed{Secret: Secret{State: SecretAbsent},
				Credentials: []Credential{lost(0, time.Hour), retiredAt(now.Add(7*time.Second - lands)).on(lost(1, time.Minute)), lost(2, time.Second)}},
			want: Plan{Action: Wait, Wake: now.Add(7 * time.Second),
				Credentials: []Credential{lost(0, time.Hour), retiredAt(now.Add(7*time.Second - lands)).on(lost(1, time.Minute)), lost(2, time.Second)}},
		},
		"three lost keys of which one can land no more: mint in its place, and retire the others": {
			observed: Observed{Secret: Secret{State: SecretAbsent},
				Credentials: []Credential{lost(0, time.Hour), retiredAt(now.Add(-lands)).on(lost(1, time.Minute)), lost(2, time.Second)}},
			want: Plan{Action: Mint, Credential: minted(2, Issued),
				Credentials: []Credential{retiredAt(now).on(lost(0, time.Hour)), retiredAt(now).on(lost(2, time.Second))}},
		},
		"two recorded for one revision: the later to be published gets the next": {
			observed: Observed{Secret: ours("b"), Credentials: []Credential{credential(2, Current, "a"), pending}},
			want: Plan{Action: Wait, Promoted: true, Credential: revised(3).on(promoted(pending)), Wake: now, // the Secret says 2
				Credentials: []Credential{revised(3).on(promoted(pending)),
					until(now.Add(24 * time.Hour)).on(as(Previous).on(credential(2, Current, "a")))}},
		},
		"the Secret holds the recorded key: it becomes current, the old one keeps its grace": {
			observed: Observed{Secret: ours("b"), Credentials: []Credential{current, pending}},
			want: Plan{Promoted: true, Credential: promoted(pending), Wake: now.Add(24*time.Hour + ClockTolerance),
				Credentials: []Credential{promoted(pending), until(now.Add(24 * time.Hour)).on(as(Previous).on(current))}},
		},
		"the Secret holds one of two recorded keys: the other lives on until no write of it can land": {
			observed: Observed{Secret: ours("b"), Credentials: []Credential{pending, lost(0, time.Second)}},
			want: Plan{Promoted: true, Credential: promoted(pending), Wake: now.Add(lands),
				Credentials: []Credential{promoted(pending), retiredAt(now).on(lost(0, time.Second))}},
		},
		"a write that landed late puts a retired key into the Secret: it becomes current for good": {
			observed: Observed{Secret: ours("b"), Credentials: []Credential{current, retiredAt(now.Add(-time.Minute)).on(pending)}},
			want: Plan{Promoted: true, Credential: promoted(pending), Wake: now.Add(24*time.Hour + ClockTolerance),
				Credentials: []Credential{promoted(pending), until(now.Add(24 * time.Hour)).on(as(Previous).on(current))}},
		},
		"a grace period that the status write cuts short is named": {
			observed: Observed{Secret: ours("b"), Credentials: []Credential{current, previous, pending}},
			want: Plan{Promoted: true, Credential: promoted(pending), Wake: now.Add(24*time.Hour + ClockTolerance), Ended: []Credential{previous},
				Credentials: []Credential{promoted(pending), until(now.Add(24 * time.Hour)).on(as(Previous).on(current))}},
		},
		"all as recorded: nothing": {
			observed: Observed{Secret: Secret{State: SecretAsRecorded}, Credentials: []Credential{current}},
			want:     Plan{Credentials: []Credential{current}},
		},
		"all as recorded, but a recorded key is undecided: look": {
			observed: Observed{Secret: Secret{State: SecretAsRecorded}, Credentials: []Credential{current, pending}},
			want:     Plan{Action: Look, Credentials: []Credential{current, pending}},
		},
		"as recorded, but nothing was issued: look": {
			observed: Observed{Secret: Secret{State: SecretAsRecorded}},
			want:     Plan{Action: Look},
		},
		"a recorded key that nobody needs any more is retired": {
			observed: Observed{Secret: ours("a"), Credentials: []Credential{current, pending}},
			want:     Plan{Credentials: []Credential{current, retiredAt(now).on(pending)}, Wake: now.Add(lands)},
		},
		"a retired key is not published, though its plaintext is held": {
			observed: Observed{Secret: Secret{State: SecretAbsent}, Held: held("b", now.Add(-time.Minute)),
				Credentials: []Credential{current, retiredAt(now.Add(-time.Second)).on(pending)}},
			want: Plan{Action: Mint, Credential: minted(2, SecretLost),
				Credentials: []Credential{current, retiredAt(now.Add(-time.Second)).on(pending)}},
		},
		"the Secret is gone: mint": {
			observed: Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{current}},
			want: Plan{Action: Mint, Credential: minted(2, SecretLost),
				Credentials: []Credential{current}},
		},
		"the Secret is gone while a previous one is in its grace: it keeps that as long as nothing is published": {
			observed: Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{credential(2, Current, "a"), previous}},
			want: Plan{Action: Mint, Credential: minted(3, SecretLost),
				Credentials: []Credential{credential(2, Current, "a"), previous}},
		},
		"a publish is due while a previous one is in its grace: that ends first": {
			observed: Observed{Secret: Secret{State: SecretAbsent}, Held: held("b", now.Add(-time.Minute)),
				Credentials: []Credential{current, previous, pending}},
			want: Plan{Action: Wait, Wake: now, Credentials: []Credential{current, pending}, Ended: []Credential{previous}},
		},
		"the same where the Secret holds the previous key again": {
			observed: Observed{Secret: ours("p"), Held: held("b", now.Add(-time.Minute)),
				Credentials: []Credential{current, previous, pending}},
			want: Plan{Action: Wait, Wake: now, Credentials: []Credential{current, pending}, Ended: []Credential{previous}},
		},
		"the Secret holds something else: mint": {
			observed: Observed{Secret: ours("x"), Credentials: []Credential{current}},
			want: Plan{Action: Mint, Credential: minted(2, SecretChanged),
				Credentials: []Credential{current}},
		},
		"the Secret holds the previous key again: mint, but let consumers read a working key meanwhile": {
			observed: Observed{Secret: ours("p"), Credentials: []Credential{credential(2, Current, "a"), previous}},
			want: Plan{Action: Mint, Credential: minted(3, SecretChanged),
				Credentials: []Credential{credential(2, Current, "a"), previous}},
		},
		"the key stands under another data key: rewrite the Secret around it": {
			observed: Observed{Secret: Secret{State: SecretOurs, Misplaced: "a"}, Credentials: []Credential{current}},
			want:     Plan{Action: Tidy, Credential: current, Credentials: []Credential{current}},
		},
		"the Secret lost its owner: rewrite it": {
			observed: Observed{Secret: Secret{State: SecretOurs, Hash: "a"}, Credentials: []Credential{current}},
			want:     Plan{Action: Tidy, Credential: current, Credentials: []Credential{current}},
		},
		"an immutable Secret that holds the current key is left alone": {
			observed: Observed{Secret: Secret{State: SecretOurs, Hash: "a", Immutable: true}, Credentials: []Credential{current}},
			want:     Plan{Credentials: []Credential{current}},
		},
		"an immutable Secret that holds something else blocks, and nothing is minted": {
			observed: Observed{Secret: Secret{State: SecretOurs, Hash: "x", Immutable: true}, Credentials: []Credential{current}},
			want:     Plan{Blocked: BlockedImmutable, Credentials: []Credential{current}},
		},
		"a foreign Secret blocks, and nothing is minted": {
			observed: Observed{Secret: Secret{State: SecretForeign}},
			want:     Plan{Blocked: BlockedForeign},
		},
		"the Secret of an earlier ApiKey blocks, and nothing is minted": {
			observed: Observed{Secret: Secret{State: SecretOfPredecessor}},
			want:     Plan{Blocked: BlockedPredecessor},
		},
		"a grace period that is over leaves the status": {
			observed: Observed{Secret: Secret{State: SecretAsRecorded}, Credentials: []Credential{current, until(now.Add(-ClockTolerance)).on(previous)}},
			want:     Plan{Credentials: []Credential{current}},
		},
		"a grace period that has just ended stays on record for as long as verifiers' clocks may be behind": {
			observed: Observed{Secret: Secret{State: SecretAsRecorded}, Credentials: []Credential{current, until(now).on(previous)}},
			want:     Plan{Credentials: []Credential{current, until(now).on(previous)}, Wake: now.Add(ClockTolerance)},
		},
		"a grace period that goes on is waited for": {
			observed: Observed{Secret: Secret{State: SecretAsRecorded}, Credentials: []Credential{current, previous}},
			want:     Plan{Credentials: []Credential{current, previous}, Wake: now.Add(time.Hour + ClockTolerance)},
		},
		"the expiry is waited for": {
			desired:  Desired{ExpiresAt: now.Add(time.Minute)},
			observed: Observed{Secret: Secret{State: SecretAsRecorded}, Credentials: []Credential{current, previous}},
			want:     Plan{Credentials: []Credential{current, previous}, Wake: now.Add(time.Minute)},
		},
		"an expired key heals nothing": {
			desired:  Desired{ExpiresAt: now},
			observed: Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{current}},
			want:     Plan{Expired: true, Credentials: []Credential{current}},
		},
		"a revoked key heals nothing": {
			desired:  Desired{Revoked: true},
			observed: Observed{Secret: Secret{State: SecretAbsent}, Credentials: []Credential{current}},
			want:     Plan{Credentials: []Credential{current}},
		},
		"a key being deleted gets nothing": {
			desired:  Desired{Deleting: true},
			observed: Observed{Secret: Secret{State: SecretAbsent}},
			want:     Plan{},
		},
		"a clock that fell back does not revive a key that was recorded as expired": {
			desired: Desired{ExpiresAt: now.Add(time.Hour)},
			observed: Observed{RecordedExpired: true, GrantExpiresAt: now.Add(time.Hour),
				Secret: Secret{State: SecretAsRecorded}, Credentials: []Credential{current}},
			want: Plan{Expired: true, Credentials: []Credential{current}},
		},
		"an expired key that is given more time gets a new credential, and the old one ends": {
			desired: Desired{ExpiresAt: now.Add(time.Hour)},
			observed: Observed{RecordedExpired: true, GrantExpiresAt: now.Add(-time.Hour),
				Secret: ours("a"), Credentials: []Credential{current}},
			want: Plan{Action: Mint, Credential: minted(2, Renewed), Wake: now.Add(time.Hour)},
		},
		"an expired key that is given more time, but is blocked, stays as it was recorded": {
			desired: Desired{ExpiresAt: now.Add(time.Hour)},
			observed: Observed{RecordedExpired: true, GrantExpiresAt: now.Add(-time.Hour),
				Secret: Secret{State: SecretForeign}, Credentials: []Credential{until(now.Add(-time.Hour)).on(current)}},
			want: Plan{Blocked: BlockedForeign, Lapsed: true, Wake: now.Add(time.Hour),
				Credentials: []Credential{until(now.Add(-time.Hour)).on(current)}},
		},
		"the same where the expiry passed while nobody looked": {
			observed: Observed{GrantExpiresAt: now.Add(-time.Hour), Secret: ours("a"), Credentials: []Credential{current}},
			want:     Plan{Action: Mint, Credential: minted(2, Renewed)},
		},
		"a key that gets more time before it expires keeps its credential": {
			desired: Desired{ExpiresAt: now.Add(2 * time.Hour)},
			observed: Observed{GrantExpiresAt: now.Add(time.Hour), Secret: ours("a"),
				Credentials: []Credential{because(Issued).on(current)}},
			want: Plan{Credentials: []Credential{because(Issued).on(current)}, Wake: now.Add(2 * time.Hour)},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.desired.Rotation = withGrace
			got := Next(c.desired, c.observed, settings, now)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestANewEndIsRoundedUpToWhatTheStatusStores(t *testing.T) {
	at := now.Add(300 * time.Millisecond)
	plan := Next(Desired{Rotation: withGrace}, Observed{
		Secret:      ours("b"),
		Credentials: []Credential{credential(1, Current, "a"), credential(2, Pending, "b")},
	}, settings, at)

	if got, want := plan.Credentials[1].NotAfter, now.Add(24*time.Hour+time.Second); !got.Equal(want) {
		t.Errorf("the previous credential ends at %s, want %s", got, want)
	}
	if got, want := plan.Credential.PublishedAt, now.Add(time.Second); !got.Equal(want) {
		t.Errorf("the new credential was published at %s, want %s", got, want)
	}
}
