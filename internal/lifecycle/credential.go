// Package lifecycle decides what is to be done next for an ApiKey: given what is wanted, what was
// observed and the time, Next names one action and when to look again. It is pure: it reads no clock,
// no cluster and no random source, and it remembers nothing between calls, so the same observation
// always gives the same plan, whatever crashed in between.
package lifecycle

import (
	"slices"
	"time"
)

// CredentialState says where a credential stands in its life.
type CredentialState string

// The states of a credential; verifiers accept all three until the credential's NotAfter.
const (
	Pending  CredentialState = "Pending"  // recorded, not yet known to be in the Secret
	Current  CredentialState = "Current"  // in the Secret
	Previous CredentialState = "Previous" // replaced, in its grace period
)

// Cause says why a credential is issued.
type Cause string

// The causes of an issue.
const (
	Issued        Cause = "Issued"        // there was no credential
	SecretLost    Cause = "SecretLost"    // the Secret is gone
	SecretChanged Cause = "SecretChanged" // the Secret holds something else
	Renewed       Cause = "Renewed"       // the key had expired and was given more time

	Rotated        Cause = "Rotated"        // it was time
	RevisionRaised Cause = "RevisionRaised" // a revision was asked for, or a least one
	Restored       Cause = "Restored"       // the status was lost, and the Secret's value taken over
	Imported       Cause = "Imported"       // a source named it
	SourceChanged  Cause = "SourceChanged"  // a source names another one
)

// Causes are all of them.
var Causes = []Cause{Issued, SecretLost, SecretChanged, Renewed, Rotated, RevisionRaised, Restored, Imported, SourceChanged}

// Credential is one issued secret value, by its hash.
type Credential struct {
	Revision int64
	State    CredentialState
	Hash     string
	Hint     string
	Cause    Cause
	IssuedAt time.Time
	// PublishedAt is when it was recorded as current; zero before.
	PublishedAt time.Time
	// RetiredAt is when a Pending was given up; zero while it may be published.
	RetiredAt time.Time
	NotAfter  time.Time // zero: ends with the key
}

// leaves is when a credential need not be on record any more, zero for never. It stays for as long as a verifier's
// clock may be behind ours.
func (c Credential) leaves() time.Time {
	if c.NotAfter.IsZero() {
		return c.NotAfter
	}
	return c.NotAfter.Add(ClockTolerance)
}

func (c Credential) over(at instant) bool { return at.reached(c.leaves()) }

// open says whether a credential is recorded and may still be published by whoever holds its key.
func (c Credential) open() bool { return c.State == Pending && c.RetiredAt.IsZero() }

// retired marks a Pending that nobody needs any more, which keeps everybody from publishing it. Verifiers go on
// accepting it, since a write of it may be under way, until a live look at the Secret tells that none has landed.
func (c Credential) retired(at instant) Credential {
	if c.open() {
		c.RetiredAt = at.after(0)
	}
	return c
}

// landed is when no write of a retired Pending can land any more, by clocks that may differ from the one that retired
// it; zero for what is not retired.
func (c Credential) landed(s Settings) time.Time {
	if c.RetiredAt.IsZero() {
		return time.Time{}
	}
	return c.RetiredAt.Add(s.Fence + 2*ClockTolerance)
}

// nextChange is when a credential leaves the record, or is to be looked at for that, as instant.until says it.
func (c Credential) nextChange(s Settings, at instant) time.Time {
	return earliest(at.until(c.landed(s)), at.until(c.leaves()))
}

// endingBy gives the credential at most until t, and never longer than it had.
func (c Credential) endingBy(t time.Time) Credential {
	if c.NotAfter.IsZero() || t.Before(c.NotAfter) {
		c.NotAfter = t
	}
	return c
}

// FindCurrent is the current credential, if there is one.
func FindCurrent(credentials []Credential) (Credential, bool) {
	return find(credentials, func(c Credential) bool { return c.State == Current })
}

func findHash(credentials []Credential, hash string) (Credential, bool) {
	return find(credentials, func(c Credential) bool { return hash != "" && c.Hash == hash })
}

func find(credentials []Credential, match func(Credential) bool) (Credential, bool) {
	i := slices.IndexFunc(credentials, match)
	if i < 0 {
		return Credential{}, false
	}
	return credentials[i], true
}

func withState(credentials []Credential, state CredentialState) []Credential {
	return keep(credentials, func(c Credential) bool { return c.State == state })
}

// keep copies, so that a plan never shares memory with what was observed.
func keep(credentials []Credential, wanted func(Credential) bool) []Credential {
	var kept []Credential
	for _, c := range credentials {
		if wanted(c) {
			kept = append(kept, c)
		}
	}
	return kept
}
