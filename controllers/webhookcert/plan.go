package webhookcert

import (
	"errors"
	"fmt"
	"time"
)

// Durations are how long certificates live and what lies between two steps of a rotation.
type Durations struct {
	// Authority is how long a CA lives, such as 8760h. Its successor joins it when it has no longer to live than a
	// serving certificate and the settle time, so that whatever is signed lives as long as it should.
	Authority time.Duration

	// Serving is how long a serving certificate lives, such as 2160h, and Renew with how much of that left it is
	// renewed, such as 720h: for so long a replica may be late, or the manager be down.
	Serving, Renew time.Duration

	// Settle is for how long all configurations must have held a CA before anything is signed by it, such as 1h:
	// by then every API server has seen it.
	Settle time.Duration

	// Backdate is by how much certificates begin before they are made, such as 1h, for API servers whose clocks are slow.
	Backdate time.Duration
}

// DefaultDurations make about five serving certificates and a CA a year. A CA's key lies in the cluster, so a year
// bounds what it is worth to a thief; and whatever broke in the chain shows within months and not after ten years.
func DefaultDurations() Durations {
	const day = 24 * time.Hour
	return Durations{Authority: 365 * day, Serving: 90 * day, Renew: 30 * day, Settle: time.Hour, Backdate: time.Hour}
}

// granularity is more than what certificates cut off of their times, which are in whole seconds.
const granularity = 2 * time.Second

// Validate says why no rotation could work with the durations.
func (d Durations) Validate() error {
	switch {
	case d.Settle < 0 || d.Backdate < 0:
		return errors.New("the settle time and the backdating of certificates must not be negative")
	case d.Renew <= 0 || d.Serving < d.Renew+granularity:
		return fmt.Errorf("serving certificates of %s cannot be renewed %s before their end", d.Serving, d.Renew)
	case d.Authority < d.Serving+2*d.Settle+granularity:
		return fmt.Errorf("CAs of %s are too short-lived for serving certificates of %s and a settle time of %s", d.Authority, d.Serving, d.Settle)
	}
	return nil
}

// renewal is when a serving certificate is renewed.
func (d Durations) renewal(s Serving) time.Time { return s.NotAfter.Add(-d.Renew) }

// succession is when another CA joins the newest.
func (d Durations) succession(a Authority) time.Time { return a.NotAfter.Add(-d.Serving - d.Settle) }

// State is what the Secret holds, as far as it is sound.
type State struct {
	Authorities []Authority // oldest first; all of them are in the bundle
	// InjectedAt is since when all configurations have held all Authorities; zero: they do not yet.
	InjectedAt time.Time
	Serving    *Serving // nil: none that one of the Authorities vouches for
}

// Authority is a CA.
type Authority struct {
	NotBefore, NotAfter time.Time
	HasKey              bool // so something can be signed by it
}

func (a Authority) livesAt(now time.Time) bool {
	return !now.Before(a.NotBefore) && now.Before(a.NotAfter)
}

// Serving is a certificate that is served.
type Serving struct {
	NotBefore, NotAfter time.Time
}

func (s *Serving) livesAt(now time.Time) bool {
	return s != nil && !now.Before(s.NotBefore) && now.Before(s.NotAfter)
}

// StepKind is what to do next.
type StepKind int

const (
	// Wait: there is nothing to do until Step.Wake.
	Wait StepKind = iota
	// AddAuthority: make a CA and add it to the bundle.
	AddAuthority
	// DropAuthority: take Step.Authority out of the bundle; it has ended, and what it signed with it.
	DropAuthority
	// ForgetKey: nothing will be signed by Step.Authority any more, so its key goes.
	ForgetKey
	// Sign: make a serving certificate, signed by Step.Authority.
	Sign
)

// Step is one change, to be followed by another look.
type Step struct {
	Kind      StepKind
	Authority int       // an index of State.Authorities
	Wake      time.Time // for Wait; zero: no time will bring anything about by itself
}

// Next plans the next step. What API servers trust always runs ahead of what is served: a CA joins the bundle, the
// bundle is injected and settles, and only then is anything signed by the CA. Where no certificate can be served at
// all there is nothing to lose, and the CA that was trusted for longest signs at once.
func Next(s State, d Durations, now time.Time) Step {
	for i, authority := range s.Authorities {
		if !now.Before(authority.NotAfter) {
			return Step{Kind: DropAuthority, Authority: i}
		}
	}
	signers := s.signers(now)
	if len(signers) == 0 {
		return Step{Kind: AddAuthority}
	}
	oldest, newest := signers[0], signers[len(signers)-1]
	if !now.Before(d.succession(s.Authorities[newest])) {
		return Step{Kind: AddAuthority}
	}
	settled := s.settled(d, now)
	switch {
	case settled && oldest != newest:
		return Step{Kind: ForgetKey, Authority: oldest}
	case !s.Serving.livesAt(now):
		return Step{Kind: Sign, Authority: oldest} // which is the newest if all has settled
	case settled && !now.Before(d.renewal(*s.Serving)):
		return Step{Kind: Sign, Authority: newest}
	}
	return Step{Kind: Wait, Wake: s.wake(d, newest, now)}
}

// signers are the indexes of the CAs by which something can be signed, oldest first.
func (s State) signers(now time.Time) []int {
	var found []int
	for i, authority := range s.Authorities {
		if authority.HasKey && authority.livesAt(now) {
			found = append(found, i)
		}
	}
	return found
}

// settled says whether every API server knows every CA.
func (s State) settled(d Durations, now time.Time) bool {
	return !s.InjectedAt.IsZero() && !now.Before(s.InjectedAt.Add(d.Settle))
}

// wake is the first time from now on at which something falls due. What is due already waits for one of those times.
func (s State) wake(d Durations, newest int, now time.Time) time.Time {
	times := []time.Time{d.succession(s.Authorities[newest]), d.renewal(*s.Serving), s.Serving.NotAfter}
	if !s.InjectedAt.IsZero() {
		times = append(times, s.InjectedAt.Add(d.Settle))
	}
	for _, authority := range s.Authorities {
		times = append(times, authority.NotAfter)
	}
	var first time.Time
	for _, t := range times {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
