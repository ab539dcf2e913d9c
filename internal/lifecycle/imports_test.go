package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func hashed(hash string) Source { return Source{Kind: FromHash, Hash: hash, Hint: "ak_" + hash} }

func offered(hash string) Secret {
	return Secret{State: SecretOffered, Hash: hash, Hint: "ak_" + hash}
}

func unfit(why Denial) Secret { return Secret{State: SecretOffered, Unfit: why} }

func hinted(hint string) change { return func(c *Credential) { c.Hint = hint } }

// taken is a credential that was imported now.
func taken(revision int64, hash string, why Cause) Credential {
	return Credential{Revision: revision, State: Current, Hash: hash, Hint: "ak_" + hash, Cause: why, IssuedAt: now, PublishedAt: now}
}

func tookOver(credentials ...Credential) Plan {
	return Plan{Promoted: true, Credential: credentials[0], Credentials: credentials}
}

// waking is a plan that looks again at a time.
func waking(t time.Time, p Plan) Plan { p.Wake = t; return p }

func TestAHashIsImported(t *testing.T) {
	current := credential(2, Current, "a")
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"for the first time": {
			Desired{Source: hashed("a")}, Observed{}, tookOver(taken(1, "a", Imported)),
		},
		"for the first time, with a revision": {
			Desired{Source: hashed("a"), Revision: 4, MinRevision: 3}, Observed{}, tookOver(taken(4, "a", Imported)),
		},
		"and is the same": {
			Desired{Source: hashed("a")}, seen(Secret{}, current), Plan{Credentials: []Credential{current}},
		},
		"and is the same, with another hint": {
			Desired{Source: Source{Kind: FromHash, Hash: "a", Hint: "other"}}, seen(Secret{}, current),
			Plan{Credentials: []Credential{hinted("other").on(current)}},
		},
		"and another replaces it, which ends it at once": {
			Desired{Source: hashed("b"), Rotation: withGrace}, seen(Secret{}, current), tookOver(taken(3, "b", SourceChanged)),
		},
		"and another replaces it, at the revision that is asked for": {
			Desired{Source: hashed("b"), MinRevision: 9}, seen(Secret{}, current), tookOver(taken(9, "b", SourceChanged)),
		},
		"and is never rotated by time": {
			Desired{Source: hashed("a"), Rotation: Rotation{Every: 10 * time.Minute}}, seen(Secret{}, current), Plan{Credentials: []Credential{current}},
		},
		"and a revision alone makes no other key of it": {
			Desired{Source: hashed("a"), Revision: 3, MinRevision: 3}, seen(Secret{}, current), Plan{Credentials: []Credential{current}},
		},
		"that another ApiKey has: the claim stands": {
			Desired{Source: hashed("a")}, Observed{Duplicate: true},
			Plan{Promoted: true, Credential: taken(1, "a", Imported), Credentials: []Credential{taken(1, "a", Imported)}, Denied: DeniedDuplicate},
		},
		"that another ApiKey has: the claim stays": {
			Desired{Source: hashed("a")}, Observed{Duplicate: true, Credentials: []Credential{current}},
			Plan{Credentials: []Credential{current}, Denied: DeniedDuplicate},
		},
		"that expired and got more time: it stays dead": {
			Desired{Source: hashed("a")}, Observed{RecordedExpired: true, Credentials: []Credential{current}},
			Plan{Blocked: BlockedSourceDead, Lapsed: true, Credentials: []Credential{current}},
		},
		"that expired unseen and got more time: it stays dead": {
			Desired{Source: hashed("a")}, Observed{GrantExpiresAt: now.Add(-ClockTolerance), Credentials: []Credential{current}},
			Plan{Blocked: BlockedSourceDead, Lapsed: true, Credentials: []Credential{current}},
		},
		"that expired just now and got more time: not before that is certain": {
			Desired{Source: hashed("a")}, Observed{GrantExpiresAt: now, Credentials: []Credential{current}},
			waking(now.Add(soon), Plan{Undecided: true, Credentials: []Credential{current}}),
		},
		"that expired just now and got more time and another hash: not before that is certain": {
			Desired{Source: hashed("b")}, Observed{GrantExpiresAt: now, Credentials: []Credential{current}},
			waking(now.Add(soon), Plan{Undecided: true, Credentials: []Credential{current}}),
		},
		"that expired and got more time and another hash: that lives": {
			Desired{Source: hashed("b"), Rotation: withGrace}, Observed{RecordedExpired: true, Credentials: []Credential{current}},
			tookOver(taken(3, "b", SourceChanged)),
		},
		"and revoked": {
			Desired{Source: hashed("b"), Revoked: true}, seen(Secret{}, current), Plan{Credentials: []Credential{current}},
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

func TestAReferencedSecretIsFollowed(t *testing.T) {
	current := published(now.Add(-time.Hour)).on(credential(2, Current, "a"))
	previous := until(now.Add(time.Hour)).on(credential(1, Previous, "p"))
	older := until(now.Add(24 * time.Hour)).on(as(Previous).on(current))
	olderGone := older.NotAfter.Add(ClockTolerance)
	d := Desired{Source: Source{Kind: FromSecret}, Rotation: withGrace}
	noGrace := Desired{Source: Source{Kind: FromSecret}}
	cases := map[string]struct {
		desired  Desired
		observed Observed
		want     Plan
	}{
		"not looked at: look": {d, Observed{}, Plan{Action: Look}},
		"as recorded":         {d, recorded(current), Plan{Credentials: []Credential{current}}},
		"as recorded, but nothing was taken: look": {
			d, recorded(), Plan{Action: Look},
		},
		"offered for the first time": {
			d, seen(offered("a")), tookOver(taken(1, "a", Imported)),
		},
		"the same": {
			d, seen(offered("a"), current, previous),
			waking(previous.NotAfter.Add(ClockTolerance), Plan{Credentials: []Credential{current, previous}}),
		},
		"changed: a rotation with grace": {
			d, seen(offered("b"), current), waking(olderGone, tookOver(taken(3, "b", SourceChanged), older)),
		},
		"changed without grace": {
			noGrace, seen(offered("b"), current), tookOver(taken(3, "b", SourceChanged)),
		},
		"changed while a previous one is in its grace: that ends": {
			d, seen(offered("b"), current, previous), Plan{Promoted: true, Credential: taken(3, "b", SourceChanged), Wake: olderGone,
				Credentials: []Credential{taken(3, "b", SourceChanged), older}, Ended: []Credential{previous}},
		},
		"rolled back to the previous value": {
			d, seen(offered("p"), current, previous),
			waking(olderGone, tookOver(taken(3, "p", SourceChanged), older)),
		},
		"weak: the old value keeps its grace": {
			d, seen(unfit(DeniedWeak), current), Plan{Denied: DeniedWeak, Credentials: []Credential{older}, Wake: olderGone},
		},
		"malformed: the old value keeps its grace": {
			d, seen(unfit(DeniedMalformed), current), Plan{Denied: DeniedMalformed, Credentials: []Credential{older}, Wake: olderGone},
		},
		"weak from the first": {d, seen(unfit(DeniedWeak)), Plan{Denied: DeniedWeak}},
		"weak without grace":  {noGrace, seen(unfit(DeniedWeak), current), Plan{Denied: DeniedWeak}},
		"weak for longer": {
			d, seen(unfit(DeniedWeak), older), Plan{Denied: DeniedWeak, Credentials: []Credential{older}, Wake: olderGone},
		},
		"weak while the grace period is lowered": {
			Desired{Source: d.Source, Rotation: Rotation{GracePeriod: time.Hour}}, seen(unfit(DeniedWeak), older),
			Plan{Denied: DeniedWeak, Credentials: []Credential{until(now.Add(time.Hour)).on(older)}, Wake: now.Add(time.Hour + ClockTolerance)},
		},
		"weak, then mended with another value: the old one keeps its grace": {
			d, seen(offered("b"), older), waking(olderGone, tookOver(taken(3, "b", SourceChanged), older)),
		},
		"weak while two were accepted, then mended: the newer of them keeps its grace": {
			d, seen(offered("b"), older, previous), Plan{Promoted: true, Credential: taken(3, "b", SourceChanged), Wake: olderGone,
				Credentials: []Credential{taken(3, "b", SourceChanged), older}, Ended: []Credential{previous}},
		},
		"weak, then the old value again": {
			d, seen(offered("a"), older), tookOver(taken(3, "a", SourceChanged)),
		},
		"absent from the first": {d, seen(Secret{State: SecretAbsent}), Plan{Blocked: BlockedSourceAbsent}},
		"absent: what was taken goes on": {
			d, seen(Secret{State: SecretAbsent}, current), Plan{Blocked: BlockedSourceAbsent, Credentials: []Credential{current}},
		},
		"not offered from the first": {d, seen(Secret{State: SecretNotOffered}), Plan{Blocked: BlockedSourceNotOffered}},
		"not offered any more: what was taken goes on": {
			d, seen(Secret{State: SecretNotOffered}, current, previous),
			Plan{Blocked: BlockedSourceNotOffered, Credentials: []Credential{current, previous}, Wake: previous.NotAfter.Add(ClockTolerance)},
		},
		"lapsed, with the same key: it stays dead": {
			d, Observed{RecordedExpired: true, Secret: offered("a"), Credentials: []Credential{current}},
			Plan{Blocked: BlockedSourceDead, Lapsed: true, Credentials: []Credential{current}},
		},
		"lapsed, with the previous key: it stays dead": {
			d, Observed{RecordedExpired: true, Secret: offered("p"), Credentials: []Credential{current, previous}},
			Plan{Blocked: BlockedSourceDead, Lapsed: true, Credentials: []Credential{current, previous}, Wake: previous.NotAfter.Add(ClockTolerance)},
		},
		"lapsed, as recorded: look": {
			d, Observed{RecordedExpired: true, Secret: Secret{State: SecretAsRecorded}, Credentials: []Credential{current}},
			Plan{Action: Look, Credentials: []Credential{current}},
		},
		"lapsed, with another key: no grace for the dead": {
			d, Observed{RecordedExpired: true, Secret: offered("b"), Credentials: []Credential{current, previous}},
			tookOver(taken(3, "b", SourceChanged)),
		},
		"lapsed, and absent": {
			d, Observed{RecordedExpired: true, Secret: Secret{State: SecretAbsent}, Credentials: []Credential{current}},
			Plan{Blocked: BlockedSourceAbsent, Lapsed: true, Credentials: []Credential{current}},
		},
		"lapsed, and weak": {
			d, Observed{RecordedExpired: true, Secret: unfit(DeniedWeak), Credentials: []Credential{current}},
			Plan{Denied: DeniedWeak, Lapsed: true, Credentials: []Credential{current}},
		},
		"lapsed, with the same key and a grace that is over: nothing to wait for": {
			d, Observed{RecordedExpired: true, Secret: offered("a"), Credentials: []Credential{current, until(now.Add(-time.Hour)).on(previous)}},
			Plan{Blocked: BlockedSourceDead, Lapsed: true, Credentials: []Credential{current, until(now.Add(-time.Hour)).on(previous)}},
		},
		"lapsed, weak, and a grace that is over: nothing to wait for": {
			d, Observed{RecordedExpired: true, Secret: unfit(DeniedWeak), Credentials: []Credential{current, until(now.Add(-time.Hour)).on(previous)}},
			Plan{Denied: DeniedWeak, Lapsed: true, Credentials: []Credential{current, until(now.Add(-time.Hour)).on(previous)}},
		},
		"another ApiKey has the same key: the claim stands": {
			d, Observed{Duplicate: true, Secret: offered("a")},
			Plan{Promoted: true, Credential: taken(1, "a", Imported), Credentials: []Credential{taken(1, "a", Imported)}, Denied: DeniedDuplicate},
		},
		"another ApiKey has the same key, as recorded: the claim stays": {
			d, Observed{Duplicate: true, Secret: Secret{State: SecretAsRecorded}, Credentials: []Credential{current}},
			Plan{Denied: DeniedDuplicate, Credentials: []Credential{current}},
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
