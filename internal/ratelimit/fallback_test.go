package ratelimit_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

var errOut = errors.New("out of order")

// fragile is a store in memory that can be out of order.
type fragile struct {
	*ratelimit.Memory
	out   atomic.Bool
	asked atomic.Int64
	// held, where set, is given a channel by each request, which waits until that is closed.
	held chan chan struct{}
}

func (f *fragile) Take(s ratelimit.Subject, l ratelimit.Limit, now time.Time) (ratelimit.Verdict, error) {
	f.asked.Add(1)
	out := f.out.Load()
	if f.held != nil {
		release := make(chan struct{})
		f.held <- release
		<-release
	}
	if out {
		return ratelimit.Verdict{}, errOut
	}
	return f.Memory.Take(s, l, now)
}

// events is an observer that writes down what it is told.
type events struct {
	mu   sync.Mutex
	told []string
}

func (e *events) Answered(by ratelimit.Source) { e.tell(by.String()) }
func (e *events) Failed(err error)             { e.tell(err.Error()) }

func (e *events) tell(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = append(e.told, what)
}

// take returns what was told since the last time.
func (e *events) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	told := e.told
	e.told = nil
	return told
}

func newFallback(policy ratelimit.FailurePolicy) (*ratelimit.Fallback, *fragile, *events) {
	shared, observer := &fragile{Memory: ratelimit.NewMemory(start)}, &events{}
	return ratelimit.NewFallback(ratelimit.FallbackOptions{Shared: shared, Policy: policy, Observer: observer, Start: start}), shared, observer
}

func TestWhatHappensWhileTheSharedStoreIsOutIsTheChoiceOfAPolicy(t *testing.T) {
	limit := ratelimit.Limit{Requests: 1, Period: time.Minute, Burst: 2}
	passed := func(remaining int64, reset time.Duration) ratelimit.Verdict {
		return ratelimit.Verdict{Allowed: true, Remaining: remaining, Reset: reset}
	}
	cases := map[string]struct {
		policy ratelimit.FailurePolicy
		want   []ratelimit.Verdict // of four requests: at once, at once, 400ms later, at once
		source string
	}{
		"local counts from nothing in this replica": {ratelimit.Local, []ratelimit.Verdict{
			passed(1, time.Minute), passed(0, 2*time.Minute),
			{RetryAfter: time.Minute - 400*time.Millisecond, Reset: 2*time.Minute - 400*time.Millisecond},
			{RetryAfter: time.Minute - 400*time.Millisecond, Reset: 2*time.Minute - 400*time.Millisecond},
		}, "local"},
		"allow lets everything through": {ratelimit.Allow, []ratelimit.Verdict{
			passed(2, 0), passed(2, 0), passed(2, 0), passed(2, 0),
		}, "allow"},
		"deny refuses until the store is tried again": {ratelimit.Deny, []ratelimit.Verdict{
			{RetryAfter: time.Second, Reset: time.Second}, {RetryAfter: time.Second, Reset: time.Second},
			{RetryAfter: 600 * time.Millisecond, Reset: 600 * time.Millisecond}, {RetryAfter: 600 * time.Millisecond, Reset: 600 * time.Millisecond},
		}, "deny"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			store, shared, observer := newFallback(c.policy)
			if v, err := store.Take(subject(1), limit, start); err != nil || v != passed(1, time.Minute) {
				t.Fatalf("of the shared store: %+v, %v", v, err)
			}
			shared.out.Store(true)
			for i, later := range []time.Duration{0, 0, 400 * time.Millisecond, 400 * time.Millisecond} {
				got, err := store.Take(subject(1), limit, start.Add(later))
				if err != nil || got != c.want[i] {
					t.Errorf("request %d: %+v, %v, want %+v", i+1, got, err, c.want[i])
				}
			}
			want := []string{"shared", errOut.Error(), c.source, c.source, c.source, c.source}
			if diff := cmp.Diff(want, observer.take()); diff != "" {
				t.Errorf("what the observer was told (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAStoreThatIsOutIsTriedOnceInAPause(t *testing.T) {
	store, shared, observer := newFallback(ratelimit.Allow)
	limit := ratelimit.Limit{Requests: 1, Period: time.Second, Burst: 1}
	at := func(later time.Duration) {
		t.Helper()
		if _, err := store.Take(subject(1), limit, start.Add(later)); err != nil {
			t.Fatal(err)
		}
	}
	shared.out.Store(true)
	for ms := range 3500 {
		at(time.Duration(ms) * time.Millisecond)
	}
	if asked := shared.asked.Load(); asked != 4 {
		t.Errorf("in 3.5 seconds a store that is out was asked %d times, want 4", asked)
	}
	observer.take()
	shared.out.Store(false)
	at(3999 * time.Millisecond)
	at(4000 * time.Millisecond)
	at(4000 * time.Millisecond)
	if diff := cmp.Diff([]string{"allow", "shared", "shared"}, observer.take()); diff != "" {
		t.Errorf("once the store is back (-want +got):\n%s", diff)
	}
}

func TestOneRequestTriesAndTheOthersDoNotWait(t *testing.T) {
	store, shared, observer := newFallback(ratelimit.Allow)
	limit := ratelimit.Limit{Requests: 1, Period: time.Second, Burst: 1000}
	take := func(now time.Time) {
		if _, err := store.Take(subject(1), limit, now); err != nil {
			t.Error(err)
		}
	}
	shared.out.Store(true)
	take(start)
	shared.out.Store(false)
	observer.take()

	shared.held = make(chan chan struct{})
	later := start.Add(time.Second)
	done := make(chan struct{})
	go func() {
		defer close(done)
		take(later)
	}()
	release := <-shared.held
	for range 100 { // would wait for ever where they asked as well
		take(later)
	}
	close(release)
	<-done
	want := append(repeat("allow", 100), "shared")
	if diff := cmp.Diff(want, observer.take()); diff != "" {
		t.Errorf("while one tries (-want +got):\n%s", diff)
	}
}

func TestASuccessFromBeforeTheFailureProvesNothing(t *testing.T) {
	store, shared, observer := newFallback(ratelimit.Allow)
	limit := ratelimit.Limit{Requests: 1, Period: time.Second, Burst: 1000}
	take := func(done chan<- error, now time.Time) {
		_, err := store.Take(subject(1), limit, now)
		done <- err
	}
	shared.held = make(chan chan struct{})
	succeeded, failed := make(chan error), make(chan error)
	go take(succeeded, start)
	success := <-shared.held
	shared.out.Store(true)
	go take(failed, start)
	close(<-shared.held)
	if err := <-failed; err != nil {
		t.Error(err)
	}
	close(success)
	if err := <-succeeded; err != nil {
		t.Error(err)
	}
	observer.take()
	shared.held = nil
	if _, err := store.Take(subject(1), limit, start.Add(time.Millisecond)); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"allow"}, observer.take()); diff != "" {
		t.Errorf("after the failure (-want +got):\n%s", diff)
	}
}

func TestFailurePoliciesAreReadByTheirNames(t *testing.T) {
	for _, policy := range []ratelimit.FailurePolicy{ratelimit.Local, ratelimit.Allow, ratelimit.Deny} {
		if got, err := ratelimit.ParseFailurePolicy(policy.String()); err != nil || got != policy {
			t.Errorf("%s is read as %s, %v", policy, got, err)
		}
	}
	if _, err := ratelimit.ParseFailurePolicy("open"); err == nil || err.Error() != `unknown failure policy "open": use local, allow, deny` {
		t.Errorf("of an unknown name: %v", err)
	}
}

func TestSourcesAreToldApartInMetrics(t *testing.T) {
	if got := fmt.Sprint(ratelimit.Sources); got != "[shared local allow deny]" {
		t.Error(got)
	}
}

func repeat(what string, times int) []string {
	all := make([]string, times)
	for i := range all {
		all[i] = what
	}
	return all
}
