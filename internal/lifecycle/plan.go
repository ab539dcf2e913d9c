package lifecycle

import "time"

// Next plans the next action. The chain is read from the top: the first step that has something to
// say ends it.
func Next(d Desired, o Observed, s Settings, now time.Time) Plan {
	if d.Deleting {
		return Plan{Credentials: o.Credentials, Expired: expired(d, o, now)}
	}
	standing := keep(o.Credentials, func(c Credential) bool { return !c.ended(now) })
	if expired(d, o, now) {
		return rest(Plan{Credentials: standing, Expired: true})
	}
	if d.Revoked {
		return rest(Plan{Credentials: standing})
	}
	plan := Plan{}
	if lapsed(o, now) {
		plan = renew(o, s, now)
	} else {
		plan = planSecret(o, s, standing, now)
	}
	plan.Wake = earliest(plan.Wake, d.ExpiresAt)
	return plan
}

// renew issues anew for a key that had died. Its credentials died with it and never work again: they
// leave the status in the same write that records the new one. While that is blocked all stays as
// recorded, or a later look could not tell that they are dead.
func renew(o Observed, s Settings, now time.Time) Plan {
	plan := planSecret(o, s, nil, now)
	if plan.Action == Mint {
		plan.Credential.Cause = Renewed
	}
	if plan.Blocked != NotBlocked {
		plan.Lapsed, plan.Credentials = true, o.Credentials
	}
	return plan
}

// expired says whether the key is past its expiry, by the clock or by the record.
func expired(d Desired, o Observed, now time.Time) bool {
	if d.ExpiresAt.IsZero() {
		return false
	}
	return !d.ExpiresAt.After(now) || o.RecordedExpired && d.ExpiresAt.Equal(o.GrantExpiresAt)
}

// lapsed says whether the key was dead under the expiry that was granted last. It is asked only of a
// key that the spec gives more time.
func lapsed(o Observed, now time.Time) bool {
	return o.RecordedExpired || !o.GrantExpiresAt.IsZero() && !o.GrantExpiresAt.After(now)
}

// planSecret compares the Secret with the credentials.
func planSecret(o Observed, s Settings, standing []Credential, now time.Time) Plan {
	switch o.Secret.State {
	case SecretUnread:
		return Plan{Action: Look, Credentials: standing}
	case SecretForeign:
		return rest(Plan{Blocked: BlockedForeign, Credentials: standing})
	case SecretOfPredecessor:
		return rest(Plan{Blocked: BlockedPredecessor, Credentials: standing})
	case SecretAsRecorded:
		return planRecorded(standing)
	case SecretAbsent, SecretOurs:
		return planSeen(o, s, standing, now)
	}
	return rest(Plan{Credentials: standing})
}

// planRecorded trusts the record only where it leaves nothing to decide.
func planRecorded(standing []Credential) Plan {
	_, issued := FindCurrent(standing)
	_, undecided := find(standing, func(c Credential) bool { return c.State == Pending && c.NotAfter.IsZero() })
	if !issued || undecided {
		return Plan{Action: Look, Credentials: standing}
	}
	return rest(Plan{Credentials: standing})
}

// planSeen decides on a live view of the Secret: what stands in it tells what was published.
func planSeen(o Observed, s Settings, standing []Credential, now time.Time) Plan {
	found, known := findHash(standing, o.Secret.Hash)
	switch {
	case known && found.State == Pending:
		return promote(standing, found, s, now)
	case known && found.State == Current:
		if !o.Secret.Tidy && !o.Secret.Immutable {
			return Plan{Action: Tidy, Credential: found, Credentials: standing}
		}
		return rest(Plan{Credentials: retirePending(standing, s, now)})
	}
	if moved, ok := findHash(standing, o.Secret.Misplaced); ok && moved.State != Previous && !known && !o.Secret.Immutable {
		return Plan{Action: Tidy, Credential: moved, Credentials: standing}
	}
	if o.Secret.Immutable {
		return rest(Plan{Blocked: BlockedImmutable, Credentials: standing})
	}
	return replace(o, s, standing, now)
}

// replace brings a new credential on its way: mint, wait until its hash is known everywhere, publish.
func replace(o Observed, s Settings, standing []Credential, now time.Time) Plan {
	if c, at, ok := heldPending(standing, o.Held); ok {
		due := at.Add(s.PublishDelay)
		if due.After(now) {
			return Plan{Action: Wait, Credentials: standing, Wake: earliest(due, nextEnd(standing))}
		}
		return endPrevious(c, standing, now)
	}
	standing, free := roomForPending(standing, s, now)
	if !free.IsZero() {
		return Plan{Action: Wait, Credentials: standing, Wake: earliest(free, nextEnd(standing))}
	}
	return Plan{Action: Mint, Credentials: standing, Credential: Credential{
		Revision: lastPublished(o.Credentials) + 1,
		State:    Pending,
		Cause:    cause(o, standing),
	}}
}

// endPrevious publishes, but at most two published credentials may ever be accepted. So where one stands
// in its grace period it ends first, as late as it can: in a status write right before that of the Secret.
func endPrevious(c Credential, standing []Credential, now time.Time) Plan {
	ended := withState(standing, Previous)
	if len(ended) == 0 {
		return Plan{Action: Publish, Credential: c, Credentials: standing}
	}
	left := keep(standing, func(c Credential) bool { return c.State != Previous })
	return Plan{Action: Wait, Credentials: left, Ended: ended, Wake: now}
}

// lastPublished is the highest revision that consumers may have seen, ended ones included, so that a
// renewed key goes on counting.
func lastPublished(credentials []Credential) int64 {
	var last int64
	for _, c := range credentials {
		if c.State != Pending {
			last = max(last, c.Revision)
		}
	}
	return last
}

func cause(o Observed, standing []Credential) Cause {
	_, issued := FindCurrent(standing)
	switch {
	case !issued:
		return Issued
	case o.Secret.State == SecretAbsent:
		return SecretLost
	default:
		return SecretChanged
	}
}

// heldPending is the credential that this process can still publish: the newest that it holds.
func heldPending(standing []Credential, held map[string]time.Time) (Credential, time.Time, bool) {
	for i := len(standing) - 1; i >= 0; i-- {
		c := standing[i]
		if at, ok := held[c.Hash]; ok && c.State == Pending && c.NotAfter.IsZero() {
			return c, at, true
		}
	}
	return Credential{}, time.Time{}, false
}

// roomForPending says when another may be recorded: at once, or where as many stand as may, when the
// oldest has ended. It ends the oldest once no write of it can land any more, counted from the record that
// it is not needed, since its holder may be trying until then.
func roomForPending(standing []Credential, s Settings, now time.Time) ([]Credential, time.Time) {
	pending := withState(standing, Pending)
	if len(pending) < MaxPending {
		return standing, time.Time{}
	}
	oldest := pending[0]
	for _, c := range pending {
		if !c.NotAfter.IsZero() {
			return standing, nextEnd(pending)
		}
		if c.IssuedAt.Before(oldest.IssuedAt) {
			oldest = c
		}
	}
	free := seconds(now.Add(s.Fence))
	retired := keep(standing, func(c Credential) bool { return c.Hash != oldest.Hash })
	return append(retired, oldest.endingBy(free)), free
}

// promote records that the Secret holds a credential that was Pending.
func promote(standing []Credential, found Credential, s Settings, now time.Time) Plan {
	next := found
	next.State, next.NotAfter = Current, time.Time{}
	old, replaced := FindCurrent(standing)
	next.Revision = max(next.Revision, old.Revision+1) // two may have been recorded for one revision
	planned := []Credential{next}
	if replaced {
		old.State = Previous
		if old = old.endingBy(seconds(now.Add(s.GracePeriod))); !old.ended(now) {
			planned = append(planned, old)
		}
	}
	for _, c := range withState(standing, Pending) {
		if c.Hash != found.Hash {
			planned = append(planned, c.endingBy(seconds(now.Add(s.Fence))))
		}
	}
	plan := rest(Plan{Credentials: planned, Credential: next, Promoted: true})
	plan.Ended = withState(standing, Previous)
	return plan
}

// retirePending gives what nobody needs any more the time in which a late write of it may still land.
func retirePending(standing []Credential, s Settings, now time.Time) []Credential {
	planned := make([]Credential, 0, len(standing))
	for _, c := range standing {
		if c.State == Pending {
			c = c.endingBy(seconds(now.Add(s.Fence)))
		}
		planned = append(planned, c)
	}
	return planned
}

// rest makes the plan wake when the next credential ends.
func rest(p Plan) Plan {
	p.Wake = nextEnd(p.Credentials)
	return p
}

func nextEnd(credentials []Credential) time.Time {
	var next time.Time
	for _, c := range credentials {
		next = earliest(next, c.NotAfter)
	}
	return next
}

// earliest is the earlier of two times, zero standing for never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// seconds rounds up to what the API stores, so that no credential gets less than its time.
func seconds(t time.Time) time.Time {
	if r := t.Truncate(time.Second); !r.Equal(t) {
		return r.Add(time.Second)
	}
	return t
}
