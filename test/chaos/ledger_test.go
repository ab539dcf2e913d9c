package chaos

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// What a call is allowed to be off by.
const (
	// afterEnd is how long after its end a key may still be accepted, for the sake of clocks.
	afterEnd = time.Second
	// events is how old the events may be that a verifier goes by: it may hear of an early end before or after
	// the ledger does.
	events = 5 * time.Second
)

// ledger holds what the statuses of one ApiKey promised, in the order in which the watch told them.
type ledger struct {
	mu              sync.Mutex
	promises        map[string]*promise // by encoded hash
	current         v1alpha1.Credential
	published       int // how many have been the current one
	resourceVersion string
	broken          []error
}

// promise is what a status said last of a credential.
type promise struct {
	v1alpha1.Credential

	left   time.Time // when it was seen to have left the status; zero: it stands there
	broken bool      // it left before its time, so that what was promised before still counts
}

func newLedger() *ledger { return &ledger{promises: map[string]*promise{}} }

// see takes down a status, and what it says that contradicts those before it.
func (l *ledger) see(key *v1alpha1.ApiKey, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resourceVersion = key.ResourceVersion
	listed := map[string]bool{}
	live := 0
	for _, c := range key.Status.Credentials {
		listed[c.Hash] = true
		l.seeCredential(c)
		if c.State == v1alpha1.CredentialCurrent || c.State == v1alpha1.CredentialPrevious && now.Before(c.NotAfter.Time) {
			live++
		}
	}
	if live > 2 {
		l.breaks("%d published credentials are accepted at once", live)
	}
	replaced := l.seeCurrent(key.Status.Credentials)
	for hash, p := range l.promises {
		if !listed[hash] && p.left.IsZero() {
			p.left = now
			p.broken = !l.mayLeave(p, replaced)
		}
	}
}

func (l *ledger) seeCredential(c v1alpha1.Credential) {
	p, known := l.promises[c.Hash]
	if !known {
		l.promises[c.Hash] = &promise{Credential: c}
		return
	}
	if !p.left.IsZero() {
		l.breaks("revision %d came back after it had left the status", c.Revision)
	}
	if p.NotAfter != nil && (c.NotAfter == nil || !c.NotAfter.Equal(p.NotAfter)) {
		l.breaks("revision %d was promised until %s, and then until %v", c.Revision, p.NotAfter, c.NotAfter)
	}
	p.Credential = c
}

// seeCurrent says whether a newer credential has become the current one, or is about to be published.
func (l *ledger) seeCurrent(credentials []v1alpha1.Credential) (replaced bool) {
	before := l.current.Revision
	for _, c := range credentials {
		switch {
		case c.State == v1alpha1.CredentialPending && c.RetiredAt == nil && c.Revision > before:
			replaced = true
		case c.State == v1alpha1.CredentialCurrent && c.Hash != l.current.Hash:
			if c.Revision <= before {
				l.breaks("revision %d became the current one after revision %d", c.Revision, before)
			}
			l.current, replaced = c, true
			l.published++
		}
	}
	return replaced
}

// mayLeave says whether a credential may have left the status. A grace period may be cut short, by a newer
// credential alone.
func (l *ledger) mayLeave(p *promise, replaced bool) bool {
	switch {
	case p.State == v1alpha1.CredentialCurrent:
		l.breaks("revision %d left the status while it was the current one", p.Revision)
		return false
	case p.State == v1alpha1.CredentialPrevious && p.left.Before(p.NotAfter.Time) && !replaced:
		l.breaks("revision %d left the status %s before its end, and nothing is there to replace it", p.Revision, p.NotAfter.Sub(p.left))
		return false
	}
	return true
}

func (l *ledger) breaks(format string, args ...any) {
	l.broken = append(l.broken, fmt.Errorf(format, args...))
}

// call is one request with a key of an ApiKey, and its answer.
type call struct {
	hash           string
	sent, answered time.Time
	status         int
}

func (c call) accepted() bool { return c.status == http.StatusOK }
func (c call) refused() bool {
	return c.status == http.StatusUnauthorized || c.status == http.StatusForbidden
}

// The two things that must not happen.
var (
	errRefused  = errors.New("a value read from the Secret was refused")
	errAccepted = errors.New("a value was accepted past its grace")
)

// judge says whether an answer broke a promise. A refusal is judged once the ledger has seen all statuses up to it.
func (l *ledger) judge(c call) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, known := l.promises[c.hash]
	switch {
	case c.refused() && !known:
		return fmt.Errorf("%w with %d: it is in no status", errRefused, c.status)
	case c.refused() && !p.mayBeOver(c.answered):
		return fmt.Errorf("%w with %d at %s: %s", errRefused, c.status, c.answered.Format(time.StampMilli), p)
	case c.accepted() && known && p.mustBeOver(c.sent):
		return fmt.Errorf("%w at %s: %s", errAccepted, c.sent.Format(time.StampMilli), p)
	}
	return nil
}

func (p *promise) String() string {
	text := fmt.Sprintf("revision %d, %s", p.Revision, p.State)
	if p.NotAfter != nil {
		text += ", promised until " + p.NotAfter.Format(time.TimeOnly)
	}
	if !p.left.IsZero() {
		text += ", left the status at " + p.left.Format(time.StampMilli)
	}
	return text
}

func (p *promise) mayBeOver(at time.Time) bool {
	return p.NotAfter != nil && !at.Before(p.NotAfter.Time) || p.endedEarly() && !at.Before(p.left.Add(-events))
}

func (p *promise) mustBeOver(at time.Time) bool {
	return p.NotAfter != nil && at.After(p.NotAfter.Add(afterEnd)) || p.endedEarly() && at.After(p.left.Add(events))
}

func (p *promise) endedEarly() bool { return !p.left.IsZero() && !p.broken }

// near says whether a credential's end is so near that calling with it is most telling.
func (l *ledger) near(hash string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, known := l.promises[hash]
	if !known {
		return false
	}
	ends := func(at time.Time) bool { return at.Sub(now).Abs() < 5*time.Second }
	return ends(p.left) || p.NotAfter != nil && ends(p.NotAfter.Time)
}

// account is what came of it all.
func (l *ledger) account() (published int, current v1alpha1.Credential, broken error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.published, l.current, errors.Join(l.broken...)
}

// seen is the resource version that the watch has come to.
func (l *ledger) seen() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.resourceVersion
}
