package ratelimit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit/redisstore"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// hourly lets through 1000 at once, and none comes back while a test lasts.
var hourly = ratelimit.Limit{Requests: 1, Period: time.Hour, Burst: 1000}

// replica is a store as a verifier has it, with a record of what it was told.
type replica struct {
	*ratelimit.Fallback

	mu      sync.Mutex
	answers map[ratelimit.Source]int
	errs    []error
}

func newReplica(t *testing.T, policy ratelimit.FailurePolicy, o redisstore.Options, pause time.Duration) *replica {
	r := &replica{answers: map[ratelimit.Source]int{}}
	r.Fallback = ratelimit.NewFallback(ratelimit.FallbackOptions{
		Shared: newStore(t, o), Policy: policy, Pause: pause, Observer: r, Start: time.Now(),
	})
	return r
}

func (r *replica) Answered(by ratelimit.Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[by]++
}

func (r *replica) Failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// takeFrom takes once and says who answered, and how long it took.
func (r *replica) takeFrom(t *testing.T, limit ratelimit.Limit) (ratelimit.Verdict, ratelimit.Source, time.Duration) {
	t.Helper()
	before, began := r.answered(), time.Now()
	verdict := take(t, r, key("a"), limit)
	took := time.Since(began)
	for source, count := range r.answered() {
		if count > before[source] {
			return verdict, source, took
		}
	}
	t.Fatal("nobody answered")
	return verdict, 0, took
}

func (r *replica) answered() map[ratelimit.Source]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	copied := map[ratelimit.Source]int{}
	for source, count := range r.answers {
		copied[source] = count
	}
	return copied
}

func (r *replica) failures() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.errs)
}

// awaitShared takes until the shared store answers, and returns its verdict.
func (r *replica) awaitShared(t *testing.T) ratelimit.Verdict {
	t.Helper()
	var verdict ratelimit.Verdict
	err := stack.Await(t.Context(), "Redis to answer again", 20*time.Second, func(context.Context) error {
		v, source, _ := r.takeFrom(t, hourly)
		if verdict = v; source != ratelimit.FromShared {
			return fmt.Errorf("%s answered; the last failures: %v", source, r.failures())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

func TestRedisIsKilledAndBroughtBack(t *testing.T) {
	t.Parallel()
	server := newRedis(t)
	r := newReplica(t, ratelimit.Local, redisstore.Options{Addresses: []string{server.Address}, Timeout: patience}, 50*time.Millisecond)
	for i := range 3 {
		if v, source, _ := r.takeFrom(t, hourly); source != ratelimit.FromShared || v.Remaining != 999-int64(i) {
			t.Fatalf("from %s: %+v", source, v)
		}
	}

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if v, source, _ := r.takeFrom(t, hourly); source != ratelimit.FromLocal || !v.Allowed || v.Remaining != 999-int64(i) {
			t.Fatalf("with Redis gone, request %d: from %s: %+v, want the count of this replica", i+1, source, v)
		}
	}

	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// It forgot everything, the script too, and counts from the beginning.
	if v := r.awaitShared(t); v.Remaining != 999 {
		t.Errorf("the first answer of the new Redis: %+v, want 999 remaining", v)
	}
	failed := len(r.failures())
	for i := range 100 {
		if v, source, _ := r.takeFrom(t, hourly); source != ratelimit.FromShared || v.Remaining != 998-int64(i) {
			t.Fatalf("with Redis back, request %d: from %s: %+v", i+1, source, v)
		}
	}
	if more := len(r.failures()) - failed; more > 0 {
		t.Errorf("%d failures after Redis was back: %v", more, r.failures()[failed:])
	}
}

func TestARedisThatStandsStillCostsATimeoutInEachPause(t *testing.T) {
	t.Parallel()
	const timeout, pause, outage = 50 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second
	server := newRedis(t)
	r := newReplica(t, ratelimit.Deny, redisstore.Options{Addresses: []string{server.Address}, Timeout: timeout}, pause)
	before := r.awaitShared(t)
	failedBefore := len(r.failures())
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}

	slow, requests, began := 0, 0, time.Now()
	for ; time.Since(began) < outage || len(r.failures()) < failedBefore+2; requests++ {
		v, source, took := r.takeFrom(t, hourly)
		if source != ratelimit.FromDeny || v.Allowed || v.RetryAfter <= 0 || v.RetryAfter > pause {
			t.Fatalf("from %s: %+v", source, v)
		}
		if took >= timeout {
			slow++
		}
		if took > 100*timeout { // as one would that waits for Redis
			t.Errorf("a request took %s with a time-out of %s", took, timeout)
		}
		<-time.After(time.Millisecond)
	}
	failed, lasted := len(r.failures())-failedBefore, time.Since(began)
	if most := int(lasted/pause) + 1; failed > most {
		t.Errorf("of %d requests in %s %d asked Redis in vain, want %d at most", requests, lasted, failed, most)
	}
	// Those between two that ask wait for nobody; a few are slow when this machine is.
	if slow > failed+requests/20 {
		t.Errorf("of %d requests %d took %s or longer, and %d asked Redis", requests, slow, timeout, failed)
	}
	t.Logf("of %d requests %d took %s or longer, and %d failed", requests, slow, timeout, failed)

	if err := server.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// Redis did what it had been sent while it stood still, though nobody waited any more.
	v := r.awaitShared(t)
	if least := before.Remaining - 1 - int64(len(r.failures())-failedBefore); v.Remaining < least || v.Remaining > 999 {
		t.Errorf("once it goes on: %+v, want %d or more remaining", v, least)
	}
}

func TestReplicasAgreeAgainAfterAnOutage(t *testing.T) {
	t.Parallel()
	server := newRedis(t)
	options := redisstore.Options{Addresses: []string{server.Address}, Timeout: patience, KeyPrefix: "both:"}
	first := newReplica(t, ratelimit.Local, options, 50*time.Millisecond)
	second := newReplica(t, ratelimit.Local, options, 50*time.Millisecond)
	for _, step := range []struct {
		then func() error
		want int64 // of 20 requests in turn
	}{
		{func() error { return nil }, 10},
		{server.Kill, 20}, // each replica lets its own 10 through
		{func() error { return server.Start(t.Context()) }, 10},
	} {
		if err := step.then(); err != nil {
			t.Fatal(err)
		}
		if step.want == 10 {
			first.awaitShared(t)
			second.awaitShared(t)
		}
		limit := ratelimit.Limit{Requests: 1, Period: time.Hour, Burst: 10}
		if got := passes(t, 1, 40, limit, first, second); got != step.want {
			t.Errorf("%d passed, want %d", got, step.want)
		}
	}
}

func TestWhatRedisRefusesIsAnError(t *testing.T) {
	client := newClient(t, shared)
	store := newStore(t, redisstore.Options{Addresses: []string{shared.Address}, Timeout: patience})
	name := t.Name() + ":{team-a/a}"
	if err := client.RPush(t.Context(), name, "a list").Err(); err != nil {
		t.Fatal(err)
	}
	if v, err := store.Take(key("a"), hourly, time.Now()); err == nil {
		t.Errorf("a key that holds a list: %+v, want an error", v)
	}
	if err := client.Set(t.Context(), name, "no counter", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if v := take(t, store, key("a"), hourly); v.Remaining != 999 {
		t.Errorf("a key that holds no counter: %+v, want it to be taken for none", v)
	}
}
