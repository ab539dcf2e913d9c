package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func TestAKeyIsRestoredOnlyWhereTheStatusWasLost(t *testing.T) {
	issued := now.Add(-240 * time.Hour)
	found := Adoptable{Hash: "a", Hint: "ak_a", Revision: 3, IssuedAt: issued}
	restored := Credential{Revision: 3, State: Current, Hash: "a", Hint: "ak_a", Cause: Restored, IssuedAt: issued, PublishedAt: now}
	adopted := func(c Credential) Plan {
		return Plan{Action: Wait, Promoted: true, Credential: c, Credentials: []Credential{c}, Wake: now}
	}
	undated, future := found, found
	undated.IssuedAt, future.IssuedAt = time.Time{}, now.Add(time.Hour)
	current, pending := credential(1, Current, "b"), credential(1, Pending, "b")
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"it is taken over": {
			Desired{}, Observed{Secret: ours("a"), Adoptable: found}, adopted(restored),
		},
		"from the Secret of an ApiKey that had another UID": {
			Desired{}, Observed{Secret: Secret{State: SecretOfPredecessor}, Adoptable: found}, adopted(restored),
		},
		"at the least revision": {
			Desired{MinRevision: 3}, Observed{Secret: ours("a"), Adoptable: found}, adopted(restored),
		},
		"not below the least revision": {
			Desired{MinRevision: 4}, Observed{Secret: ours("a"), Adoptable: found}, Plan{Action: Mint, Credential: minted(4, Issued)},
		},
		"of an unknown age: as of now": {
			Desired{}, Observed{Secret: ours("a"), Adoptable: undated}, adopted(issuedAt(now).on(restored)),
		},
		"from the future: as of now": {
			Desired{}, Observed{Secret: ours("a"), Adoptable: future}, adopted(issuedAt(now).on(restored)),
		},
		"not beside a current credential": {
			Desired{Rotation: withGrace}, Observed{Secret: ours("a"), Adoptable: found, Credentials: []Credential{current}},
			Plan{Action: Mint, Credential: minted(2, SecretChanged), Credentials: []Credential{current}},
		},
		"not beside a recorded one": {
			Desired{}, Observed{Secret: ours("a"), Adoptable: found, Credentials: []Credential{pending}},
			Plan{Action: Mint, Credential: minted(1, Issued), Credentials: []Credential{pending}},
		},
		"not where nothing fits": {
			Desired{}, Observed{Secret: ours("a")}, Plan{Action: Mint, Credential: minted(1, Issued)},
		},
		"not a revoked one": {Desired{Revoked: true}, Observed{Secret: ours("a"), Adoptable: found}, Plan{}},
		"not an expired one": {
			Desired{ExpiresAt: now}, Observed{Secret: ours("a"), Adoptable: found}, Plan{Expired: true},
		},
		"not while being deleted": {Desired{Deleting: true}, Observed{Secret: ours("a"), Adoptable: found}, Plan{}},
		"not one that another ApiKey has": {
			Desired{}, Observed{Secret: ours("a"), Adoptable: found, Duplicate: true}, Plan{Denied: DeniedDuplicate},
		},
		"not for an import": {
			Desired{Source: hashed("h")}, Observed{Adoptable: found}, tookOver(taken(1, "h", Imported)),
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

func TestARestoredKeyIsRotatedWithGraceWhereTheSpecAsksForIt(t *testing.T) {
	restored := Credential{Revision: 3, State: Current, Hash: "a", Cause: Restored, IssuedAt: now.Add(-time.Hour), PublishedAt: now}
	for name, d := range map[string]Desired{
		"by its age":      {Rotation: Rotation{Every: 30 * time.Minute}},
		"by its revision": {Revision: 4},
	} {
		t.Run(name, func(t *testing.T) {
			plan := Next(d, seen(ours("a"), restored), settings, now)
			if plan.Action != Mint || plan.Credential.Revision != 4 || !cmp.Equal(plan.Credentials, []Credential{restored}) {
				t.Errorf("the plan is %+v, want to mint revision 4 beside the restored one", plan)
			}
		})
	}
}

func TestAKeyThatExpiredIsNotRestoredWhenItIsGivenMoreTime(t *testing.T) {
	plan := Next(Desired{ExpiresAt: now.Add(time.Hour)}, Observed{
		RecordedExpired: true, GrantExpiresAt: now.Add(-time.Hour),
		Secret:    Secret{State: SecretOurs, Hash: "a"},
		Adoptable: Adoptable{Hash: "a", Hint: "ak_a", Revision: 1},
	}, settings, now)
	if plan.Action != Mint || plan.Credential.Cause != Renewed {
		t.Errorf("the plan is %+v, want a new credential", plan)
	}
}
