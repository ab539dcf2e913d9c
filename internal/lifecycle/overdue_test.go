package lifecycle_test

import (
	"testing"
	"time"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func TestACredentialThatPolicyWantsReplacedIsDeniedOnlyWhereSomethingKeepsItFromThat(t *testing.T) {
	const every = 24 * time.Hour
	aged := func(age time.Duration, state CredentialState, revision int64, hash string) Credential {
		c := credential(revision, state, hash)
		c.IssuedAt, c.PublishedAt = now.Add(-age), time.Time{}
		if state == Current {
			c.PublishedAt = c.IssuedAt
		}
		return c
	}
	rotated := Desired{Rotation: Rotation{Every: every, GracePeriod: time.Hour}, MaxAge: every}
	overdue, fresh := aged(every+Overdue, Current, 1, "a"), aged(every+Overdue-time.Second, Current, 1, "a")
	failing := func(since time.Duration) Observed { // to be published by a process that holds it
		o := seen(ours("a"), overdue, aged(since, Pending, 2, "b"))
		o.Held = map[string]time.Time{"b": now.Add(-since)}
		return o
	}
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Denial
	}{
		"a foreign Secret in its place":          {rotated, seen(Secret{State: SecretForeign}, overdue), DeniedOverdue},
		"an immutable Secret":                    {rotated, seen(Secret{State: SecretOurs, Hash: "a", Immutable: true, Tidy: true}, overdue), DeniedOverdue},
		"a Secret that cannot be written":        {rotated, failing(Overdue), DeniedOverdue},
		"the same, a second before":              {rotated, seen(Secret{State: SecretForeign}, fresh), NotDenied},
		"a rotation that has begun late":         {rotated, seen(ours("a"), overdue), NotDenied},
		"one that has begun less than an hour":   {rotated, failing(Overdue - time.Second), NotDenied},
		"where policy does not ask for rotation": {Desired{Rotation: rotated.Rotation}, seen(Secret{State: SecretForeign}, overdue), NotDenied},
		"with clocks that do not agree": {rotated, func() Observed {
			o := seen(Secret{State: SecretForeign}, overdue)
			o.ClockOffset = time.Minute
			return o
		}(), NotDenied},
		"a revoked key": {Desired{Rotation: rotated.Rotation, MaxAge: every, Revoked: true}, seen(Secret{State: SecretForeign}, overdue), NotDenied},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if plan := Next(c.desired, c.observed, settings, now); plan.Denied != c.want {
				t.Errorf("the plan is %+v, want the denial %d", plan, c.want)
			}
		})
	}
}

func TestThePlannerLooksAgainWhenARotationBecomesOverdue(t *testing.T) {
	current := credential(1, Current, "a")
	current.IssuedAt, current.PublishedAt = now.Add(-24*time.Hour-10*time.Minute), now.Add(-24*time.Hour-10*time.Minute)
	d := Desired{Rotation: Rotation{Every: 24 * time.Hour}, MaxAge: 24 * time.Hour}
	plan := Next(d, seen(Secret{State: SecretForeign}, current), settings, now)
	if want := now.Add(Overdue - 10*time.Minute); plan.Denied != NotDenied || !plan.Wake.Equal(want) {
		t.Errorf("the plan is %+v, want it to look again at %s", plan, want)
	}
}
