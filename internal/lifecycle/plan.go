package lifecycle

import "time"

// Next plans the next action. What policy refuses is not granted, whatever else becomes of it.
func Next(d Desired, o Observed, s Settings, now time.Time) Plan {
	plan := next(d, o, s, now)
	switch at := instantOf(now, o.ClockOffset); {
	case o.Refused:
		plan.Denied = DeniedByPolicy
	case plan.Denied == NotDenied:
		plan = withOverdue(plan, d, at)
	}
	return plan
}

// next is a chain that is read from the top: the first step that has something to say ends it.
func next(d Desired, o Observed, s Settings, now time.Time) Plan {
	at := instantOf(now, o.ClockOffset)
	if d.Deleting {
		return Plan{Credentials: o.Credentials, Expired: expired(d, o, at)}
	}
	standing := keep(bound(d, o.Credentials, at), func(c Credential) bool { return !c.over(at) })
	switch {
	case expired(d, o, at):
		return rest(Plan{Credentials: retirePending(standing, at), Expired: true}, s, at)
	case d.Revoked:
		return rest(Plan{Credentials: standing}, s, at)
	case expiryDisputed(d, o, at):
		return Plan{Credentials: standing, Undecided: true, ClockHeld: at.doubtful(), Wake: now.Add(recheckClock)}
	}
	plan := withTimes(planSource(d, o, s, standing, at), d, s, at)
	if at.doubtful() && !plan.Wake.IsZero() {
		plan.Wake = earliest(plan.Wake, now.Add(recheckClock)) // by a clock that is put right it may be sooner
	}
	return plan
}

// planSource plans for a key that lives, according to where it comes from.
func planSource(d Desired, o Observed, s Settings, standing []Credential, at instant) Plan {
	switch {
	case o.Refused:
		return rest(Plan{Credentials: standing, Lapsed: lapsed(o, at)}, s, at)
	case d.Source.Kind != Generated:
		return planImport(d, o, s, standing, at)
	case o.Duplicate:
		return rest(Plan{Credentials: standing, Denied: DeniedDuplicate, Lapsed: lapsed(o, at)}, s, at)
	case lapsed(o, at):
		return renew(d, o, s, standing, at)
	default:
		return planSecret(d, o, s, standing, at)
	}
}

// withTimes adds what the clock alone brings about.
func withTimes(p Plan, d Desired, s Settings, at instant) Plan {
	if current, issued := FindCurrent(p.Credentials); issued && d.Source.Kind == Generated && !p.Lapsed {
		p.NextRotation = nextRotation(d, current)
	}
	if at.doubtful() && at.maybeReached(p.NextRotation) {
		p.ClockHeld, p.Wake = true, earliest(p.Wake, at.now.Add(recheckClock))
	}
	warnFrom := time.Time{}
	if !d.ExpiresAt.IsZero() {
		warnFrom = d.ExpiresAt.Add(-s.ExpiringWindow)
	}
	p.Expiring = at.reached(warnFrom) && !p.Lapsed
	for _, t := range []time.Time{p.NextRotation, warnFrom, d.ExpiresAt} {
		p.Wake = earliest(p.Wake, at.until(t))
	}
	return p
}

// renew issues anew for a key that had died. Its credentials died with it and never work again: they
// leave the status in the same write that records the new one. That waits until no write of one that was on its way
// can land any more, or it would stand in the Secret with its hash in no status. Until then, and while it is blocked, all
// stay on record, or a later look could not tell that they are dead.
func renew(d Desired, o Observed, s Settings, standing []Credential, at instant) Plan {
	dead := retirePending(standing, at)
	if free := at.until(lastLanded(dead, "", s)); !free.IsZero() {
		plan := waiting(free, dead, "", s, at)
		plan.Lapsed = true
		return plan
	}
	o.Adoptable = Adoptable{} // a Secret can hold nothing but what has died
	plan := planSecret(d, o, s, nil, at)
	if plan.Action == Mint {
		plan.Credential.Cause = Renewed
	}
	if plan.Blocked != NotBlocked {
		plan.Lapsed, plan.Credentials = true, o.Credentials
	}
	return plan
}

// expired says whether the key is past its expiry, by the clocks or by the record.
func expired(d Desired, o Observed, at instant) bool {
	if d.ExpiresAt.IsZero() {
		return false
	}
	return at.reached(d.ExpiresAt) || o.RecordedExpired && d.ExpiresAt.Equal(o.GrantExpiresAt)
}

// lapsed says whether the key was dead under the expiry that was granted last. It is asked only of a
// key that the spec gives more time.
func lapsed(o Observed, at instant) bool {
	return o.RecordedExpired || at.reached(o.GrantExpiresAt)
}

// expiryDisputed says whether one clock says that the key is dead, or was until it was given more time, and
// the other does not. Neither can be undone, so it waits until it is certain. Verifiers may have refused a key that
// is given more time in its last moments, by clocks that differ from ours without anybody noticing.
func expiryDisputed(d Desired, o Observed, at instant) bool {
	if at.disputed(d.ExpiresAt) {
		return true
	}
	if o.RecordedExpired || d.ExpiresAt.Equal(o.GrantExpiresAt) {
		return false
	}
	loosely := instant{early: at.early.Add(-ClockTolerance), late: at.late.Add(ClockTolerance)}
	return loosely.disputed(o.GrantExpiresAt)
}

// rest makes the plan wake when the next credential leaves the record.
func rest(p Plan, s Settings, at instant) Plan {
	p.Wake = nextChange(p.Credentials, s, at)
	return p
}

func nextChange(credentials []Credential, s Settings, at instant) time.Time {
	var next time.Time
	for _, c := range credentials {
		next = earliest(next, c.nextChange(s, at))
	}
	return next
}
