package ratelimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit/redisstore"
)

// stores are all that fulfil the contract.
var stores = map[string]func(*testing.T) ratelimit.Store{
	"in memory": func(*testing.T) ratelimit.Store { return ratelimit.NewMemory(time.Now()) },
	"in Redis":  newSharedStore,
	"in Redis, with another answer where it fails": func(t *testing.T) ratelimit.Store {
		return ratelimit.NewFallback(ratelimit.FallbackOptions{Shared: newSharedStore(t), Start: time.Now()})
	},
}

func newSharedStore(t *testing.T) ratelimit.Store {
	return newStore(t, redisstore.Options{Addresses: []string{shared.Address}, Timeout: patience})
}

// In these cases nothing comes back while they run, since an interval of the limits is longer than the tests last.
var contract = map[string]func(*testing.T, ratelimit.Store){
	"the burst passes, one by one, and no more": func(t *testing.T, store ratelimit.Store) {
		limit := ratelimit.Limit{Requests: 1, Period: time.Hour, Burst: 3}
		for i, want := range []ratelimit.Verdict{
			{Allowed: true, Remaining: 2, Reset: time.Hour},
			{Allowed: true, Remaining: 1, Reset: 2 * time.Hour},
			{Allowed: true, Remaining: 0, Reset: 3 * time.Hour},
			{RetryAfter: time.Hour, Reset: 3 * time.Hour},
			{RetryAfter: time.Hour, Reset: 3 * time.Hour},
		} {
			expect(t, i+1, take(t, store, key("a"), limit), want)
		}
	},
	"many at once pass as one by one": func(t *testing.T, store ratelimit.Store) {
		limit := ratelimit.Limit{Requests: 7, Period: 24 * time.Hour, Burst: 333}
		if got := passes(t, 8, 100, limit, store); got != 333 {
			t.Errorf("%d of 800 requests passed, want 333", got)
		}
	},
	"each subject has its own count": func(t *testing.T, store ratelimit.Store) {
		limit := ratelimit.Limit{Requests: 1, Period: time.Hour, Burst: 1}
		for _, s := range []ratelimit.Subject{{Namespace: "a", Name: "b"}, {Namespace: "b", Name: "a"}, {Namespace: "a", Name: "a"}, {Namespace: "ab", Name: ""}} {
			expect(t, 1, take(t, store, s, limit), ratelimit.Verdict{Allowed: true, Reset: time.Hour})
			expect(t, 2, take(t, store, s, limit), ratelimit.Verdict{RetryAfter: time.Hour, Reset: time.Hour})
		}
	},
	"what was used stays used under a new limit": func(t *testing.T, store ratelimit.Store) {
		for range 2 {
			take(t, store, key("a"), ratelimit.Limit{Requests: 1, Period: 2 * time.Hour, Burst: 10})
		}
		// Two were to be made good for in 4 hours: that is 4 of the new ones.
		limit := ratelimit.Limit{Requests: 3, Period: 3 * time.Hour, Burst: 9}
		expect(t, 3, take(t, store, key("a"), limit), ratelimit.Verdict{Allowed: true, Remaining: 4, Reset: 5 * time.Hour})
	},
	"a new limit does not lock out for what the old one allowed": func(t *testing.T, store ratelimit.Store) {
		for range 100 {
			take(t, store, key("a"), ratelimit.Limit{Requests: 1, Period: 24 * time.Hour, Burst: 100})
		}
		limit := ratelimit.Limit{Requests: 1, Period: time.Hour, Burst: 2}
		expect(t, 101, take(t, store, key("a"), limit), ratelimit.Verdict{RetryAfter: time.Hour, Reset: 2 * time.Hour})
	},
	"a burst of centuries": func(t *testing.T, store ratelimit.Store) {
		limit := ratelimit.Limit{Requests: 1, Period: 24 * time.Hour, Burst: ratelimit.MaxRequests}
		expect(t, 1, take(t, store, key("a"), limit), ratelimit.Verdict{Allowed: true, Remaining: ratelimit.MaxRequests - 1, Reset: 24 * time.Hour})
	},
	"a limit out of bounds counts as the nearest within": func(t *testing.T, store ratelimit.Store) {
		limit := ratelimit.Limit{Requests: 0, Period: 1000 * time.Hour, Burst: -1}
		expect(t, 1, take(t, store, key("a"), limit), ratelimit.Verdict{Allowed: true, Reset: 24 * time.Hour})
		expect(t, 2, take(t, store, key("a"), limit), ratelimit.Verdict{RetryAfter: 24 * time.Hour, Reset: 24 * time.Hour})
	},
	"a request that is refused passes after RetryAfter": func(t *testing.T, store ratelimit.Store) {
		limit := ratelimit.Limit{Requests: 10, Period: time.Second, Burst: 1}
		take(t, store, key("a"), limit)
		for range 3 {
			refused := take(t, store, key("a"), limit)
			if refused.Allowed { // the machine stood still for the interval
				continue
			}
			if refused.RetryAfter <= 0 || refused.RetryAfter > 100*time.Millisecond {
				t.Fatalf("to be repeated after %s, want up to 100ms", refused.RetryAfter)
			}
			<-time.After(refused.RetryAfter + time.Millisecond)
			if again := take(t, store, key("a"), limit); !again.Allowed {
				t.Fatalf("refused for %s, and refused again after it: %+v", refused.RetryAfter, again)
			}
		}
	},
}

func TestEachStoreKeepsTheContract(t *testing.T) {
	for name, store := range stores {
		for what, check := range contract {
			t.Run(name+": "+what, func(t *testing.T) {
				t.Parallel()
				check(t, store(t))
			})
		}
	}
}

func TestReplicasShareOneCount(t *testing.T) {
	limit := ratelimit.Limit{Requests: 7, Period: 24 * time.Hour, Burst: 333}
	if got := passes(t, 8, 100, limit, newSharedStore(t), newSharedStore(t), newSharedStore(t)); got != 333 {
		t.Errorf("%d of 800 requests to three replicas passed, want 333", got)
	}
}

func key(name string) ratelimit.Subject { return ratelimit.Subject{Namespace: "team-a", Name: name} }

// expect compares a verdict, whose times may be shorter by what passed since the first request.
func expect(t *testing.T, request int, got, want ratelimit.Verdict) {
	t.Helper()
	rounded := got
	rounded.RetryAfter = roundedUp(got.RetryAfter)
	rounded.Reset = roundedUp(got.Reset)
	if rounded != want {
		t.Errorf("request %d: %+v, want %+v", request, got, want)
	}
}

// roundedUp takes away the minute, at most, that a test lasts.
func roundedUp(d time.Duration) time.Duration {
	return (d + time.Minute - 1).Truncate(time.Minute)
}

// passes counts how many requests of one subject pass, which goroutines send to stores in turn.
func passes(t *testing.T, goroutines, each int, limit ratelimit.Limit, replicas ...ratelimit.Store) int64 {
	t.Helper()
	var passed atomic.Int64
	var group sync.WaitGroup
	for g := range goroutines {
		group.Go(func() {
			for i := range each {
				verdict, err := replicas[(g+i)%len(replicas)].Take(key("shared"), limit, time.Now())
				if err != nil {
					t.Error(err)
				}
				if verdict.Allowed {
					passed.Add(1)
				}
			}
		})
	}
	group.Wait()
	return passed.Load()
}
