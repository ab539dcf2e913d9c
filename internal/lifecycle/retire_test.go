package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// TestARetiredKeyIsDroppedByALookAtTheSecretAlone is about keys that were given up, of which a write may have landed
// unseen.
func TestARetiredKeyIsDroppedByALookAtTheSecretAlone(t *testing.T) {
	current := published(now.Add(-time.Hour)).on(credential(2, Current, "a"))
	older := until(now.Add(24 * time.Hour)).on(as(Previous).on(current))
	pending := credential(3, Pending, "b")
	over, running := retiredAt(now.Add(-lands)).on(pending), retiredAt(now.Add(time.Second-lands)).on(pending)
	wake := now.Add(time.Second)
	expired := Desired{ExpiresAt: now.Add(-time.Hour)}
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"while a write of it may land, as recorded: that is waited for": {
			Desired{}, recorded(current, running), Plan{Credentials: []Credential{current, running}, Wake: wake},
		},
		"while a write of it may land, looked at: it stays": {
			Desired{}, seen(ours("a"), current, running), Plan{Credentials: []Credential{current, running}, Wake: wake},
		},
		"when none can land, as recorded: look": {
			Desired{}, recorded(current, over), Plan{Action: Look, Credentials: []Credential{current, over}},
		},
		"when none can land, looked at: it goes": {
			Desired{}, seen(ours("a"), current, over), Plan{Credentials: []Credential{current}},
		},
		"when none can land, and the Secret holds it: it becomes current": {
			Desired{}, seen(ours("b"), current, over),
			Plan{Promoted: true, Credential: promoted(pending), Wake: older.NotAfter.Add(ClockTolerance), Credentials: []Credential{promoted(pending), older}},
		},
		"when none can land, and it stands under another data key: the Secret is rewritten around it": {
			Desired{}, seen(Secret{State: SecretOurs, Misplaced: "b"}, current, over),
			Plan{Action: Tidy, Credential: over, Credentials: []Credential{current, over}},
		},
		"when none can land, and the Secret is lost: it goes, and another is minted": {
			Desired{}, seen(Secret{State: SecretAbsent}, current, over),
			Plan{Action: Mint, Credential: minted(3, SecretLost), Credentials: []Credential{current}},
		},
		"when none can land, and the Secret is immutable: it goes": {
			Desired{}, seen(Secret{State: SecretOurs, Hash: "x", Immutable: true}, current, over),
			Plan{Blocked: BlockedImmutable, Credentials: []Credential{current}},
		},
		"when none can land, and the Secret is foreign: it is dropped": {
			Desired{}, seen(Secret{State: SecretForeign}, current, over),
			Plan{Blocked: BlockedForeign, Credentials: []Credential{current}},
		},
		"when none can land, of a revoked key: nothing is decided": {
			Desired{Revoked: true}, seen(ours("a"), current, over), Plan{Credentials: []Credential{current, over}},
		},
		"when none can land, of an expired key: nothing is decided": {
			expired, seen(ours("a"), current, over), Plan{Expired: true, Credentials: []Credential{current, over}},
		},
		"when none can land, of a duplicate: nothing is decided": {
			Desired{}, Observed{Duplicate: true, Secret: ours("a"), Credentials: []Credential{current, over}},
			Plan{Denied: DeniedDuplicate, Credentials: []Credential{current, over}},
		},
		"one that is retired already is not retired again": {
			Desired{}, seen(ours("a"), current, running, credential(3, Pending, "c")),
			Plan{Wake: wake, Credentials: []Credential{current, running, retiredAt(now).on(credential(3, Pending, "c"))}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.desired.Rotation = withGrace
			if diff := cmp.Diff(c.want, Next(c.desired, c.observed, settings, now)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAtMostTwoKeysMayComeToBeKnown is about keys of processes that died: each may have been published unseen, so
// that with the one which is published next consumers could know three.
func TestAtMostTwoKeysMayComeToBeKnown(t *testing.T) {
	current := published(now.Add(-time.Hour)).on(credential(1, Current, "a"))
	lost := func(hash string) Credential { return credential(2, Pending, hash) }
	retired := func(hash string) Credential { return retiredAt(now).on(lost(hash)) }
	landing := func(hash string) Credential { return retiredAt(now.Add(time.Second - lands)).on(lost(hash)) }
	landed := func(hash string) Credential { return retiredAt(now.Add(-lands)).on(lost(hash)) }
	mine := credential(2, Pending, "m")
	absent, taken := Secret{State: SecretAbsent}, Secret{State: SecretOurs, Hash: "a", Misplaced: "b"}
	raised := Desired{Revision: 2}
	publish := func(standing ...Credential) Plan {
		return Plan{Action: Publish, Credential: mine, Credentials: standing}
	}
	wait := func(wake time.Duration, standing ...Credential) Plan {
		return Plan{Action: Wait, Wake: now.Add(wake), Credentials: standing}
	}
	mint := func(why Cause, standing ...Credential) Plan {
		return Plan{Action: Mint, Credential: minted(2, why), Credentials: standing}
	}
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"minting beside a current one retires what was lost": {
			Desired{}, seen(absent, current, lost("b")), mint(SecretLost, current, retired("b")),
		},
		"minting without a current one leaves one": {
			Desired{}, seen(absent, lost("b")), mint(Issued, lost("b")),
		},
		"minting without a current one retires two": {
			Desired{}, seen(absent, lost("b"), lost("c")), mint(Issued, retired("b"), retired("c")),
		},
		"publishing beside a current one retires what was lost, and waits until none can land": {
			Desired{}, seen(absent, current, lost("b"), mine), wait(lands, current, retired("b"), mine),
		},
		"publishing beside a current one waits as long as one may land": {
			Desired{}, seen(absent, current, landing("b"), mine), wait(time.Second, current, landing("b"), mine),
		},
		"publishing waits for the last of several": {
			Desired{}, seen(absent, current, landing("b"), retired("c"), mine), wait(time.Second, current, landing("b"), retired("c"), mine),
		},
		"publishing waits until what cannot land any more has left the record": {
			Desired{}, seen(absent, current, landed("b"), mine), wait(0, current, mine),
		},
		"publishing goes on when it has": {
			Desired{}, seen(absent, current, mine), publish(current, mine),
		},
		"publishing without a current one leaves one": {
			Desired{}, seen(absent, lost("b"), mine), publish(lost("b"), mine),
		},
		"publishing without a current one retires two, and waits": {
			Desired{}, seen(absent, lost("b"), lost("c"), mine), wait(lands, retired("b"), retired("c"), mine),
		},
		"what the Secret holds is promoted before anything is published": {
			Desired{}, seen(ours("b"), current, landing("b"), mine),
			Plan{Promoted: true, Credential: promoted(lost("b")), Wake: now.Add(lands),
				Credentials: []Credential{promoted(lost("b")), retiredAt(now).on(mine)}},
		},
		"a raised revision waits likewise": {
			raised, seen(ours("a"), current, landing("b"), mine), wait(time.Second, current, landing("b"), mine),
		},
		"what stands under another data key when it cannot land any more is not waited for": {
			raised, seen(taken, current, landed("b"), mine), publish(current, landed("b"), mine),
		},
		"nor does it keep others from being given up": {
			Desired{Revision: 3}, seen(taken, current, landed("b"), lost("c"), lost("d")), wait(lands, current, landed("b"), lost("d"), retired("c")),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.observed.Held = held("m", now.Add(-time.Minute))
			if diff := cmp.Diff(c.want, Next(c.desired, c.observed, settings, now)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}
