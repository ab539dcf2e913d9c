package lifecycle

import (
	"cmp"
	"slices"
	"time"
)

// planImport plans for a key that is not generated: it is recorded as it is found, and no Secret is written.
func planImport(d Desired, o Observed, s Settings, standing []Credential, at instant) Plan {
	plan := planFound(d, o, s, standing, at)
	if o.Duplicate {
		// The claim stays on record: it is answered for, with a grant, when the others have gone.
		plan.Denied = DeniedDuplicate
	}
	return plan
}

func planFound(d Desired, o Observed, s Settings, standing []Credential, at instant) Plan {
	if d.Source.Kind == FromHash {
		return take(d, o, s, standing, Secret{Hash: d.Source.Hash, Hint: d.Source.Hint}, at)
	}
	switch o.Secret.State {
	case SecretAsRecorded:
		if _, issued := FindCurrent(standing); issued && !lapsed(o, at) {
			return rest(Plan{Credentials: standing}, s, at)
		}
	case SecretAbsent:
		return blocked(o, s, standing, BlockedSourceAbsent, at)
	case SecretNotOffered:
		return blocked(o, s, standing, BlockedSourceNotOffered, at)
	case SecretOffered:
		if o.Secret.Short {
			return rest(Plan{Denied: DeniedShort, Credentials: standing, Lapsed: lapsed(o, at)}, s, at)
		}
		if o.Secret.Unfit != NotDenied {
			return unfit(d, o, s, standing, at)
		}
		return take(d, o, s, standing, o.Secret, at)
	case SecretUnread, SecretGoneAsRecorded, SecretOurs, SecretForeign, SecretOfPredecessor: // the latter four are those of generated keys
	}
	return Plan{Action: Look, Credentials: standing}
}

// blocked keeps what was taken before: whoever manages the Secret may be about to make it anew.
func blocked(o Observed, s Settings, standing []Credential, block Block, at instant) Plan {
	return rest(Plan{Blocked: block, Credentials: standing, Lapsed: lapsed(o, at)}, s, at)
}

// unfit refuses a value. What was taken before is no longer in the Secret, so it ends as if it were replaced.
func unfit(d Desired, o Observed, s Settings, standing []Credential, at instant) Plan {
	plan := Plan{Denied: o.Secret.Unfit, Lapsed: lapsed(o, at)}
	for _, c := range standing {
		switch {
		case c.State != Current:
			plan.Credentials = append(plan.Credentials, c)
		case !plan.Lapsed:
			plan.Credentials = appendPrevious(plan.Credentials, c, d, at)
		}
	}
	if plan.Lapsed {
		plan.Credentials = o.Credentials
	}
	return rest(plan, s, at)
}

// take makes a found key the current credential. One that expired with its ApiKey never works again, so more
// time asks for another key.
func take(d Desired, o Observed, s Settings, standing []Credential, found Secret, at instant) Plan {
	known, isKnown := findHash(standing, found.Hash)
	dead := lapsed(o, at)
	switch {
	case dead && isKnown:
		return rest(Plan{Blocked: BlockedSourceDead, Credentials: o.Credentials, Lapsed: true}, s, at)
	case isKnown && known.State == Current:
		return rest(Plan{Credentials: withHint(standing, found)}, s, at)
	}
	next := Credential{
		Revision: nextRevision(d, o.Credentials), State: Current, Hash: found.Hash, Hint: found.Hint, Cause: Imported,
		IssuedAt: at.now.Truncate(time.Second), PublishedAt: at.after(0),
	}
	if len(o.Credentials) > 0 {
		next.Cause = SourceChanged
	}
	plan := Plan{Credentials: []Credential{next}, Credential: next, Promoted: true}
	// An imported hash ends at once when the spec names another: whoever changed it has seen no key that could
	// be on its way to anybody.
	if d.Source.Kind == FromSecret && !dead {
		return rest(withReplaced(plan, d, standing, at), s, at)
	}
	return rest(plan, s, at)
}

// withReplaced adds the one credential that goes on beside a new one for its grace period: the one that is
// replaced, or if an unfit value has done that already, the last that was.
func withReplaced(p Plan, d Desired, standing []Credential, at instant) Plan {
	older := keep(withState(standing, Previous), func(c Credential) bool { return c.Hash != p.Credential.Hash })
	if current, replaced := FindCurrent(standing); replaced {
		p.Credentials = appendPrevious(p.Credentials, current, d, at)
	} else if len(older) > 0 {
		last := slices.MaxFunc(older, func(a, b Credential) int { return cmp.Compare(a.Revision, b.Revision) })
		p.Credentials = append(p.Credentials, last)
		older = keep(older, func(c Credential) bool { return c.Hash != last.Hash })
	}
	p.Ended = running(older, at.now)
	return p
}

// withHint follows a spec that gives its hash another hint.
func withHint(standing []Credential, found Secret) []Credential {
	hinted := slices.Clone(standing)
	for i, c := range hinted {
		if c.Hash == found.Hash {
			hinted[i].Hint = found.Hint
		}
	}
	return hinted
}
