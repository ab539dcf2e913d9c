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
)

// Credential is one issued secret value, by its hash.
type Credential struct {
	Revision int64
	State    CredentialState
	Hash     string
	Hint     string
	Cause    Cause
	IssuedAt time.Time
	NotAfter time.Time // zero: ends with the key
}

// ended says whether verifiers refuse the credential for its own time-out.
func (c Credential) ended(now time.Time) bool {
	return !c.NotAfter.IsZero() && !c.NotAfter.After(now)
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
