package lifecycle

import "time"

// planSecret compares the Secret of a generated key with its credentials.
func planSecret(d Desired, o Observed, s Settings, standing []Credential, at instant) Plan {
	if adoptable(d, o) {
		return adopt(o.Adoptable, at)
	}
	switch o.Secret.State {
	case SecretAsRecorded, SecretGoneAsRecorded:
		return planRecorded(d, o, s, standing, at)
	case SecretForeign, SecretOfPredecessor:
		return planTaken(d, o, s, dropLanded(standing, o.Secret, s, at), at)
	case SecretAbsent, SecretOurs:
		return planSeen(d, o, s, dropLanded(standing, o.Secret, s, at), at)
	case SecretUnread, SecretNotOffered, SecretOffered: // the latter two are those of other sources
	}
	return Plan{Action: Look, Credentials: standing}
}

// planRecorded trusts the record only where it leaves nothing to decide.
func planRecorded(d Desired, o Observed, s Settings, standing []Credential, at instant) Plan {
	current, issued := FindCurrent(standing)
	_, undecided := find(standing, func(c Credential) bool {
		return c.open() || at.reached(c.landed(s))
	})
	_, due := dueCause(d, current, at)
	gone := o.Secret.State == SecretGoneAsRecorded
	amiss := revealOver(d, current, at)
	if gone {
		amiss = !lossForgiven(d, current, at)
	}
	if !issued || undecided || due || amiss {
		return Plan{Action: Look, Credentials: standing}
	}
	return restConcealed(d, Plan{Credentials: standing, Concealed: gone}, current, s, at)
}

// planTaken is for a Secret of the name that is not ours. Where ours has had its time, nothing is missing.
func planTaken(d Desired, o Observed, s Settings, standing []Credential, at instant) Plan {
	if current, issued := FindCurrent(standing); issued && lossForgiven(d, current, at) {
		if _, due := dueCause(d, current, at); !due {
			return conceal(o, s, standing, at)
		}
	}
	blocked := BlockedForeign
	if o.Secret.State == SecretOfPredecessor {
		blocked = BlockedPredecessor
	}
	return rest(Plan{Blocked: blocked, Credentials: standing}, s, at)
}

// planSeen decides on a live view of the Secret: what stands in it tells what was published.
func planSeen(d Desired, o Observed, s Settings, standing []Credential, at instant) Plan {
	found, known := findHash(standing, o.Secret.Hash)
	if known && found.State == Pending {
		return goingOn(d, o, found, promote(d, s, standing, found, at), at)
	}
	moved, isMoved := misplaced(o, standing)
	if isMoved && moved.State == Pending && !known { // it was published, as far as consumers go
		return Plan{Action: Tidy, Credential: moved, Credentials: standing}
	}
	current, issued := FindCurrent(standing)
	if why, due := dueCause(d, current, at); issued && due {
		return replaceUnlessImmutable(d, o, s, standing, why, at)
	}
	switch {
	case mayBeGone(d, o, current, at):
		return conceal(o, s, standing, at)
	case known && found.State == Current:
		if !o.Secret.Tidy && !o.Secret.Immutable {
			return Plan{Action: Tidy, Credential: found, Credentials: standing}
		}
		return restConcealed(d, Plan{Credentials: retirePending(standing, at)}, found, s, at)
	}
	if isMoved && !known {
		return Plan{Action: Tidy, Credential: moved, Credentials: standing}
	}
	return replaceUnlessImmutable(d, o, s, standing, lossCause(o, standing), at)
}

// misplaced is the credential that stands under another data key, if the Secret can be rewritten around it.
func misplaced(o Observed, standing []Credential) (Credential, bool) {
	moved, ok := findHash(standing, o.Secret.Misplaced)
	return moved, ok && moved.State != Previous && !o.Secret.Immutable
}

// goingOn makes a plan that promotes a credential continue at once where that is not all: the spec has moved on
// meanwhile, or the Secret is to be rewritten. Nothing is settled then, and no event may come to tell.
func goingOn(d Desired, o Observed, found Credential, p Plan, at instant) Plan {
	untidy := !o.Secret.Tidy || p.Credential.Revision != found.Revision
	if _, due := dueCause(d, p.Credential, at); due || untidy && !o.Secret.Immutable {
		p.Action, p.Wake = Wait, at.now
	}
	return p
}

func replaceUnlessImmutable(d Desired, o Observed, s Settings, standing []Credential, why Cause, at instant) Plan {
	if o.Secret.Immutable {
		return rest(Plan{Blocked: BlockedImmutable, Credentials: standing}, s, at)
	}
	return replace(d, o, s, standing, why, at)
}

// lossCause says why a credential is issued that nobody asked for.
func lossCause(o Observed, standing []Credential) Cause {
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

// concealEnd is when the Secret of a credential has had its time; zero for never.
func concealEnd(d Desired, c Credential) time.Time {
	if d.RevealFor == 0 || c.PublishedAt.IsZero() {
		return time.Time{}
	}
	return c.PublishedAt.Add(d.RevealFor)
}

// revealOver says whether the Secret of the current credential has had its time.
func revealOver(d Desired, current Credential, at instant) bool {
	return at.reached(concealEnd(d, current))
}

// lossForgiven says whether the loss of that Secret is none, since another manager may have removed it by a clock
// that was as far ahead as ours is behind.
func lossForgiven(d Desired, current Credential, at instant) bool {
	end := concealEnd(d, current)
	return !end.IsZero() && at.maybeReached(end.Add(-2*ClockTolerance))
}

// mayBeGone says whether the Secret is to go, or not to be missed where it has gone.
func mayBeGone(d Desired, o Observed, current Credential, at instant) bool {
	if o.Secret.State == SecretAbsent {
		return lossForgiven(d, current, at)
	}
	return revealOver(d, current, at)
}

func conceal(o Observed, s Settings, standing []Credential, at instant) Plan {
	plan := rest(Plan{Credentials: retirePending(standing, at), Concealed: true}, s, at)
	if o.Secret.State == SecretOurs {
		plan.Action = Conceal
	}
	return plan
}

// restConcealed rests until the Secret has had its time, at the latest.
func restConcealed(d Desired, p Plan, current Credential, s Settings, at instant) Plan {
	p = rest(p, s, at)
	p.Wake = earliest(p.Wake, at.until(concealEnd(d, current)))
	return p
}

// adoptable says whether a key is to be taken over that a Secret holds and no status knows of.
func adoptable(d Desired, o Observed) bool {
	return o.Adoptable.Hash != "" && len(o.Credentials) == 0 && o.Adoptable.Revision >= d.MinRevision
}

func adopt(a Adoptable, at instant) Plan {
	adopted := Credential{Revision: a.Revision, State: Current, Hash: a.Hash, Hint: a.Hint, Cause: Restored,
		IssuedAt: a.IssuedAt, PublishedAt: at.after(0)}
	if adopted.IssuedAt.IsZero() || adopted.IssuedAt.After(at.now) {
		adopted.IssuedAt = at.now.Truncate(time.Second)
	}
	return Plan{Action: Wait, Credentials: []Credential{adopted}, Credential: adopted, Promoted: true, Wake: at.now}
}
