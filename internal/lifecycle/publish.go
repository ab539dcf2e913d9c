package lifecycle

import (
	"slices"
	"time"
)

// replace brings a new credential on its way: mint, wait until its hash is known everywhere, publish.
func replace(d Desired, o Observed, s Settings, standing []Credential, why Cause, at instant) Plan {
	if c, recorded, ok := heldPending(d, standing, o.Held); ok {
		due := recorded.Add(s.PublishDelay)
		standing = makeWay(standing, c.Hash, at)
		if blocked := at.until(lastLanded(standing, c.Hash, s)); blocked.After(due) {
			due = blocked
		}
		if due.After(at.now) {
			return waiting(due, standing, c.Hash, s, at)
		}
		return endPrevious(c, o, standing, at)
	}
	standing, free := roomForPending(standing, s, at)
	if !free.IsZero() {
		return waiting(free, standing, "", s, at)
	}
	return Plan{Action: Mint, Credentials: makeWay(standing, "", at), Credential: Credential{
		Revision: nextRevision(d, o.Credentials),
		State:    Pending,
		Cause:    why,
		IssuedAt: at.now.Truncate(time.Second), // not before what made it due, or that would be due again
	}}
}

// waiting goes on at a given time, and says so where that depends on clocks that do not agree.
func waiting(until time.Time, standing []Credential, hash string, s Settings, at instant) Plan {
	return Plan{Action: Wait, ClockHeld: at.disputed(lastLanded(standing, hash, s)), Credentials: standing,
		Wake: earliest(until, nextChange(standing, s, at))}
}

// makeWay retires the Pendings besides one that is to be published where, with those that consumers know, more than
// two keys could come to be known: a write of each may have been under way when its process ended.
func makeWay(standing []Credential, hash string, at instant) []Credential {
	known := 1
	if _, issued := FindCurrent(standing); issued {
		known = 2
	}
	others := keep(standing, func(c Credential) bool { return c.State == Pending && c.Hash != hash })
	if known+len(others) <= 2 {
		return standing
	}
	made := make([]Credential, 0, len(standing))
	for _, c := range standing {
		if c.Hash != hash {
			c = c.retired(at)
		}
		made = append(made, c)
	}
	return made
}

// lastLanded is when no write of any retired Pending besides one can land any more; zero where there is none.
func lastLanded(standing []Credential, hash string, s Settings) time.Time {
	var last time.Time
	for _, c := range standing {
		if at := c.landed(s); c.Hash != hash && at.After(last) {
			last = at
		}
	}
	return last
}

// nextRevision is that of the next credential: one more than consumers may have seen, ended ones included, so
// that a renewed key goes on counting, and what the spec asks for. One that was recorded, but not published, was
// given the next revision already, and may be all that still tells of those before it.
func nextRevision(d Desired, credentials []Credential) int64 {
	next := max(1, d.Revision, d.MinRevision)
	for _, c := range credentials {
		if c.State == Pending {
			next = max(next, c.Revision)
		} else {
			next = max(next, c.Revision+1)
		}
	}
	return next
}

// endPrevious publishes, but at most two published credentials may ever be accepted. So where one stands
// in its grace period it ends first, as late as it can: in a status write right before that of the Secret, and what
// was retired and dropped has to have left likewise. What counts is the record, since verifiers accept what that lists.
func endPrevious(c Credential, o Observed, standing []Credential, at instant) Plan {
	previous := keep(withState(o.Credentials, Previous), func(c Credential) bool { return !c.over(at) })
	dropped := len(withState(standing, Pending)) < len(withState(o.Credentials, Pending))
	if len(previous) == 0 && !dropped {
		return Plan{Action: Publish, Credential: c, Credentials: standing}
	}
	left := keep(standing, func(c Credential) bool { return c.State != Previous })
	return Plan{Action: Wait, Credentials: left, Ended: running(previous, at.now), Wake: at.now}
}

// running are the credentials that have some of their time left.
func running(credentials []Credential, now time.Time) []Credential {
	return keep(credentials, func(c Credential) bool { return c.NotAfter.IsZero() || c.NotAfter.After(now) })
}

// heldPending is the credential that this process can still publish: the newest that it holds, and not one
// that verifiers refuse for its revision.
func heldPending(d Desired, standing []Credential, held map[string]time.Time) (Credential, time.Time, bool) {
	for i := len(standing) - 1; i >= 0; i-- {
		c := standing[i]
		if recorded, ok := held[c.Hash]; ok && c.open() && c.Revision >= d.MinRevision {
			return c, recorded, true
		}
	}
	return Credential{}, time.Time{}, false
}

// roomForPending says when another may be recorded: at once, or where as many stand as may, when the oldest that
// is retired is dropped. It retires the oldest where none is.
func roomForPending(standing []Credential, s Settings, at instant) ([]Credential, time.Time) {
	pending := withState(standing, Pending)
	if len(pending) < MaxPending {
		return standing, time.Time{}
	}
	var free time.Time
	oldest := pending[0]
	for _, c := range pending {
		free = earliest(free, at.until(c.landed(s)))
		if c.open() && (!oldest.open() || c.IssuedAt.Before(oldest.IssuedAt)) {
			oldest = c
		}
	}
	if !free.IsZero() {
		return standing, free
	}
	left := keep(standing, func(c Credential) bool { return c.Hash != oldest.Hash })
	oldest = oldest.retired(at)
	return append(left, oldest), oldest.landed(s)
}

// promote records that the Secret holds a credential that was Pending.
func promote(d Desired, s Settings, standing []Credential, found Credential, at instant) Plan {
	next := found
	next.State, next.RetiredAt, next.PublishedAt = Current, time.Time{}, at.after(0)
	old, replaced := FindCurrent(standing)
	next.Revision = max(next.Revision, old.Revision+1) // two may have been recorded for one revision
	planned := []Credential{next}
	if replaced {
		planned = appendPrevious(planned, old, d, at)
	}
	for _, c := range withState(standing, Pending) {
		if c.Hash != found.Hash {
			planned = append(planned, c.retired(at))
		}
	}
	plan := restConcealed(d, Plan{Credentials: planned, Credential: next, Promoted: true}, next, s, at)
	plan.Ended = running(withState(standing, Previous), at.now)
	return plan
}

// appendPrevious adds a credential that was replaced just now, if it has a grace period.
func appendPrevious(credentials []Credential, old Credential, d Desired, at instant) []Credential {
	if d.Rotation.GracePeriod <= 0 {
		return credentials
	}
	old.State = Previous
	return append(credentials, old.endingBy(at.after(d.Rotation.GracePeriod)))
}

// retirePending retires what nobody needs any more.
func retirePending(standing []Credential, at instant) []Credential {
	planned := slices.Clone(standing)
	for i, c := range planned {
		planned[i] = c.retired(at)
	}
	return planned
}

// dropLanded drops the retired of which no write can land any more, as a live look at the Secret tells.
func dropLanded(standing []Credential, seen Secret, s Settings, at instant) []Credential {
	return keep(standing, func(c Credential) bool {
		return !at.reached(c.landed(s)) || c.Hash == seen.Hash || c.Hash == seen.Misplaced
	})
}
