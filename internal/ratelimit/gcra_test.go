package ratelimit_test

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// log is the brute-force model: the times of all requests that passed. The next may pass where, whichever of them is
// taken as the start of a window, the window holds no more than the limit says.
type log struct {
	limit  ratelimit.Limit
	passed []time.Duration
}

// allows says whether so many more may pass at a time. In whole numbers: count·period <= burst·period + time·requests.
func (g log) allows(more int, now time.Duration) bool {
	if int64(more) > g.limit.Burst {
		return false
	}
	for i, start := range g.passed {
		count := int64(len(g.passed) - i + more)
		used := product(count-g.limit.Burst, int64(g.limit.Period))
		if used.Cmp(product(int64(now-start), g.limit.Requests)) > 0 {
			return false
		}
	}
	return true
}

func product(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }

// remaining is how many more may pass at a time, by trying.
func (g log) remaining(now time.Duration) int64 {
	low, high := 0, int(g.limit.Burst) // low may pass, high+1 may not
	for low < high {
		middle := (low + high + 1) / 2
		if g.allows(middle, now) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return int64(low)
}

// checkVerdict compares a verdict on a request at a time with the model, and has the model count it.
func (g *log) checkVerdict(t *rapid.T, got ratelimit.Verdict, now time.Duration) {
	if want := g.allows(1, now); got.Allowed != want {
		t.Fatalf("under %+v at %s after %v: allowed is %t, want %t", g.limit, now, g.passed, got.Allowed, want)
	}
	if got.Allowed {
		g.passed = append(g.passed, now)
	}
	if want := g.remaining(now); got.Remaining != want {
		t.Fatalf("under %+v at %s after %v: %d remain, want %d", g.limit, now, g.passed, got.Remaining, want)
	}
	if whole := g.remaining(now+got.Reset) == g.limit.Burst; !whole || got.Reset > 0 && g.remaining(now+got.Reset-1) == g.limit.Burst {
		t.Fatalf("under %+v at %s after %v: the whole burst is not there in %s, or sooner", g.limit, now, g.passed, got.Reset)
	}
	if got.Allowed {
		if got.RetryAfter != 0 {
			t.Fatalf("passed, and is to be repeated after %s", got.RetryAfter)
		}
		return
	}
	if got.RetryAfter <= 0 || !g.allows(1, now+got.RetryAfter) || g.allows(1, now+got.RetryAfter-1) {
		t.Fatalf("under %+v at %s after %v: the next passes not in %s, or sooner", g.limit, now, g.passed, got.RetryAfter)
	}
}

func drawLimit(t *rapid.T, what string) ratelimit.Limit {
	requests := rapid.OneOf(rapid.Int64Range(1, 7), rapid.Int64Range(1, ratelimit.MaxRequests), rapid.Just[int64](ratelimit.MaxRequests))
	burst := rapid.OneOf(rapid.Int64Range(1, 7), rapid.Int64Range(1, ratelimit.MaxRequests))
	seconds := rapid.OneOf(rapid.IntRange(1, 3), rapid.IntRange(1, 86400), rapid.Just(86400))
	return ratelimit.Limit{
		Requests: requests.Draw(t, what+" requests"),
		Period:   time.Duration(seconds.Draw(t, what+" seconds")) * time.Second,
		Burst:    burst.Draw(t, what+" burst"),
	}
}

// drawPause is a time between two requests: none, about an interval of the limit, or anything up to its period.
func drawPause(t *rapid.T, l ratelimit.Limit) time.Duration {
	interval := l.Period / time.Duration(l.Requests)
	return time.Duration(rapid.OneOf(
		rapid.Just(int64(0)),
		rapid.Int64Range(0, 3),
		rapid.Int64Range(int64(interval)-2, int64(interval)+2),
		rapid.Int64Range(0, 2*int64(interval)),
		rapid.Int64Range(0, int64(l.Period)),
	).Draw(t, "pause"))
}

func TestACounterDecidesAsALogOfAllThatPassedDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		model := log{limit: drawLimit(t, "limit")}
		model.limit.Burst = min(model.limit.Burst, 20_000) // a whole burst lasts less than a Duration can
		now := time.Duration(rapid.Int64Range(0, int64(100*365*24*time.Hour)).Draw(t, "start"))
		var counter ratelimit.Counter
		for range rapid.IntRange(1, 40).Draw(t, "requests") {
			now += drawPause(t, model.limit)
			verdict := counter.Take(model.limit, now)
			model.checkVerdict(t, verdict, now)
			if counter.Whole(now + verdict.Reset - 1) {
				t.Fatal("the counter is whole before the burst is")
			}
			if !counter.Whole(now + verdict.Reset) {
				t.Fatal("the counter is not whole when the burst is")
			}
		}
	})
}

func TestExactlyTheBurstPassesAtOnce(t *testing.T) {
	cases := map[string]ratelimit.Limit{
		"one a day":                      {Requests: 1, Period: 24 * time.Hour, Burst: 1},
		"the longest burst there is":     {Requests: 1, Period: 24 * time.Hour, Burst: ratelimit.MaxRequests},
		"the quickest there is":          {Requests: ratelimit.MaxRequests, Period: time.Second, Burst: ratelimit.MaxRequests},
		"an interval that is not whole":  {Requests: 999_983, Period: time.Second, Burst: ratelimit.MaxRequests},
		"a long one that is not whole":   {Requests: 999_983, Period: 86_399 * time.Second, Burst: 999_979},
		"a burst of less than requests":  {Requests: 1000, Period: time.Minute, Burst: 3},
		"requests of less than a second": {Requests: 3, Period: time.Second, Burst: 3},
	}
	for name, limit := range cases {
		t.Run(name, func(t *testing.T) {
			var counter ratelimit.Counter
			const now = 20 * 365 * 24 * time.Hour
			for i := range limit.Burst {
				if v := counter.Take(limit, now); !v.Allowed || v.Remaining != limit.Burst-i-1 {
					t.Fatalf("request %d of %d: %+v", i+1, limit.Burst, v)
				}
			}
			if v := counter.Take(limit, now); v.Allowed {
				t.Fatalf("one more than the burst passed: %+v", v)
			}
		})
	}
}

func TestABurstOfCenturiesIsToldAsTheLongestDuration(t *testing.T) {
	var counter ratelimit.Counter
	limit := ratelimit.Limit{Requests: 1, Period: 24 * time.Hour, Burst: ratelimit.MaxRequests}
	var last ratelimit.Verdict
	for range 200_000 {
		last = counter.Take(limit, 0)
	}
	if want := time.Duration(1<<63 - 1); last.Reset != want {
		t.Errorf("200,000 days are told as %s, want %s", last.Reset, want)
	}
}

// TestAClockThatGoesBack holds a counter to two promises: it is open again an interval later at the latest, and
// does not let through more than if the clock had stood still instead.
func TestAClockThatGoesBackNeitherLocksOutNorGivesMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := drawLimit(t, "limit")
		limit.Burst = min(limit.Burst, 50)
		now := time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "start"))
		var counter ratelimit.Counter
		for range rapid.IntRange(0, 60).Draw(t, "requests") {
			now += drawPause(t, limit)
			counter.Take(limit, now)
		}
		still := counter
		back := now - time.Duration(rapid.Int64Range(1, int64(2000*time.Hour)).Draw(t, "back"))
		stepped, stood := counter.Take(limit, back), still.Take(limit, now)
		if stepped.Remaining > stood.Remaining || stepped.Allowed && !stood.Allowed {
			t.Fatalf("under %+v, %s back: %+v, more than %+v", limit, now-back, stepped, stood)
		}
		if stepped.Allowed {
			return
		}
		if most := limit.Period/time.Duration(limit.Requests) + 1; stepped.RetryAfter > most {
			t.Fatalf("under %+v, %s back: locked out for %s, want at most %s", limit, now-back, stepped.RetryAfter, most)
		}
		if again := counter.Take(limit, back+stepped.RetryAfter); !again.Allowed {
			t.Fatalf("under %+v, %s back: still refused after %s", limit, now-back, stepped.RetryAfter)
		}
	})
}

func TestALimitThatChangesNeitherLocksOutNorExceedsTheNewOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawLimit(t, "before"), drawLimit(t, "after")
		now := time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "start"))
		var counter ratelimit.Counter
		for range rapid.IntRange(0, 40).Draw(t, "requests") {
			now += drawPause(t, before)
			counter.Take(before, now)
		}
		verdict := counter.Take(after, now)
		if verdict.Remaining >= after.Burst {
			t.Fatalf("of %+v, %d remain after one", after, verdict.Remaining)
		}
		if !verdict.Allowed && !counter.Take(after, now+verdict.RetryAfter).Allowed {
			t.Fatalf("from %+v to %+v: still refused after %s", before, after, verdict.RetryAfter)
		}
		if most := after.Period/time.Duration(after.Requests) + 1; verdict.RetryAfter > most {
			t.Fatalf("from %+v to %+v: refused for %s, want at most %s", before, after, verdict.RetryAfter, most)
		}
	})
}

// TestALimitThatIsSpeltAnotherWay has the same limit in other words count as it did, but for the nanosecond that is
// rounded up.
func TestALimitThatIsSpeltAnotherWayGoesOnAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := drawLimit(t, "limit")
		limit.Requests, limit.Period = min(limit.Requests, 1000), min(limit.Period, time.Minute)
		times := rapid.Int64Range(2, 1000).Draw(t, "times")
		other := ratelimit.Limit{Requests: limit.Requests * times, Period: limit.Period * time.Duration(times), Burst: limit.Burst}
		now := time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "start"))
		var counter ratelimit.Counter
		for range rapid.IntRange(1, 40).Draw(t, "requests") {
			now += drawPause(t, limit)
			counter.Take(limit, now)
		}
		changed := counter
		want := counter.Take(limit, now)
		if want.Allowed {
			now++ // what is rounded up may make up a nanosecond
		}
		got := changed.Take(other, now)
		if early := want.Reset - got.Reset; got.Allowed != want.Allowed || want.Allowed && (early < 0 || early > 1) {
			t.Fatalf("from %+v to %+v: %+v, want %+v", limit, other, got, want)
		}
		if late := got.RetryAfter - want.RetryAfter; late < 0 || late > 1 {
			t.Fatalf("from %+v to %+v: %+v, want %+v", limit, other, got, want)
		}
	})
}

func TestALimitOutOfBoundsCountsAsTheNearestWithin(t *testing.T) {
	cases := map[string]struct{ limit, want ratelimit.Limit }{
		"none at all": {ratelimit.Limit{}, ratelimit.Limit{Requests: 1, Period: time.Second, Burst: 1}},
		"below":       {ratelimit.Limit{Requests: -5, Period: -time.Hour, Burst: -1}, ratelimit.Limit{Requests: 1, Period: time.Second, Burst: 1}},
		"above": {
			ratelimit.Limit{Requests: 1 << 60, Period: 1 << 62, Burst: 1 << 60},
			ratelimit.Limit{Requests: ratelimit.MaxRequests, Period: ratelimit.MaxPeriod, Burst: ratelimit.MaxRequests},
		},
		"a part of a second": {
			ratelimit.Limit{Requests: 7, Period: 2500 * time.Millisecond, Burst: 7}, ratelimit.Limit{Requests: 7, Period: 2 * time.Second, Burst: 7},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var counter, want ratelimit.Counter
			for i := range 10 {
				now := time.Duration(i) * 100 * time.Millisecond
				if got, want := counter.Take(c.limit, now), want.Take(c.want, now); got != want {
					t.Fatalf("at %s: %+v, want %+v", now, got, want)
				}
			}
		})
	}
}
