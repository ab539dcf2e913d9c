package ratelimit

import (
	"fmt"
	"strings"
	"time"
)

// DefaultPause is how long a store that failed is left alone before one request tries it again.
const DefaultPause = time.Second

// FailurePolicy says what becomes of requests while the shared store cannot be reached. The zero value is Local.
type FailurePolicy int

const (
	// Local counts in memory of this replica, beginning with nothing used. Each replica lets the whole limit through.
	Local FailurePolicy = iota
	// Allow lets everything through, and tells of a whole burst.
	Allow
	// Deny refuses everything, to be tried again when the store is.
	Deny
)

var failurePolicies = [...]string{Local: "local", Allow: "allow", Deny: "deny"}

// String is the policy's name, as ParseFailurePolicy reads it.
func (p FailurePolicy) String() string { return failurePolicies[p] }

// ParseFailurePolicy reads local, allow or deny.
func ParseFailurePolicy(name string) (FailurePolicy, error) {
	for policy, known := range failurePolicies {
		if name == known {
			return FailurePolicy(policy), nil
		}
	}
	return 0, fmt.Errorf("unknown failure policy %q: use %s", name, strings.Join(failurePolicies[:], ", "))
}

// Source is who answered a request: the shared store, or a policy in its stead.
type Source int

// The sources. Each but the first is the policy of the same name.
const (
	FromShared Source = iota
	FromLocal
	FromAllow
	FromDeny
)

// Sources are all sources, for metrics that are made before anything happens.
var Sources = [...]Source{FromShared, FromLocal, FromAllow, FromDeny}

// String is the source's name in metrics.
func (s Source) String() string {
	if s == FromShared {
		return "shared"
	}
	return s.policy().String()
}

func (s Source) policy() FailurePolicy { return FailurePolicy(s - FromLocal) }

func (p FailurePolicy) source() Source { return FromLocal + Source(p) }

// Observer is told what a Fallback does. Its methods are called from any number of goroutines, and hold requests up
// while they last.
type Observer interface {
	// Answered is called once for each request.
	Answered(by Source)
	// Failed is called with each error of the shared store: while it is out, once in a pause.
	Failed(err error)
}

// FallbackOptions are what a Fallback is made of.
type FallbackOptions struct {
	// Shared is the store that may fail.
	Shared Store
	// Policy is what happens when it does.
	Policy FailurePolicy
	// Pause is how long it is left alone then. Default: DefaultPause.
	Pause time.Duration
	// Observer is told of both. Default: nobody.
	Observer Observer
	// Start is a moment before the first Take, from the same clock.
	Start time.Time
}

// Fallback is a store that always answers: from a shared one, and by a policy where that fails. After a failure the shared
// store is left alone for a pause, and then one request tries it: an outage costs a time-out in each pause
// and not in each request.
type Fallback struct {
	shared   Store
	local    *Memory
	policy   FailurePolicy
	breaker  breaker
	observer Observer
	start    time.Time
}

var _ Store = (*Fallback)(nil)

// NewFallback makes a store that takes the shared one for working.
func NewFallback(o FallbackOptions) *Fallback {
	if o.Pause <= 0 {
		o.Pause = DefaultPause
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return &Fallback{
		shared:   o.Shared,
		local:    NewMemory(o.Start),
		policy:   o.Policy,
		breaker:  breaker{pause: o.Pause},
		observer: o.Observer,
		start:    o.Start,
	}
}

// Take never fails.
func (f *Fallback) Take(s Subject, l Limit, now time.Time) (Verdict, error) {
	if verdict, ok := f.ask(s, l, now); ok {
		f.observer.Answered(FromShared)
		return verdict, nil
	}
	f.observer.Answered(f.policy.source())
	switch f.policy {
	case Allow:
		return Verdict{Allowed: true, Remaining: l.Burst}, nil
	case Deny:
		left := f.breaker.left(now.Sub(f.start))
		return Verdict{RetryAfter: left, Reset: left}, nil
	default:
		return f.local.Take(s, l, now)
	}
}

// ask takes from the shared store, unless that is to be left alone.
func (f *Fallback) ask(s Subject, l Limit, now time.Time) (Verdict, bool) {
	at := now.Sub(f.start)
	pass, trial := f.breaker.enter(at)
	if !pass {
		return Verdict{}, false
	}
	verdict, err := f.shared.Take(s, l, now)
	if err != nil {
		f.breaker.failed(at)
		f.observer.Failed(err)
		return Verdict{}, false
	}
	if trial {
		f.breaker.succeeded()
	}
	return verdict, true
}

type nobody struct{}

func (nobody) Answered(Source) {}
func (nobody) Failed(error)    {}
