package ratelimit_test

import (
	"math"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

func TestThePolicyIsToldAsTheDraftHasIt(t *testing.T) {
	cases := map[string]struct {
		limit ratelimit.Limit
		want  string
	}{
		"a burst as large as the requests": {ratelimit.Limit{Requests: 100, Period: time.Minute, Burst: 100}, `"apikey";q=100;w=60`},
		"a larger burst":                   {ratelimit.Limit{Requests: 100, Period: time.Minute, Burst: 200}, `"apikey";q=100;w=60;apikey-burst=200`},
		"a smaller burst":                  {ratelimit.Limit{Requests: 100, Period: time.Minute, Burst: 1}, `"apikey";q=100;w=60;apikey-burst=1`},
		"the largest": {
			ratelimit.Limit{Requests: ratelimit.MaxRequests, Period: ratelimit.MaxPeriod, Burst: ratelimit.MaxRequests}, `"apikey";q=1000000;w=86400`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := string(ratelimit.AppendPolicy([]byte("x: "), c.limit)); got != "x: "+c.want {
				t.Errorf("%s, want x: %s", got, c.want)
			}
		})
	}
}

func TestTheStateIsToldInWholeSecondsRoundedUp(t *testing.T) {
	cases := map[string]struct {
		verdict        ratelimit.Verdict
		want           string
		wantRetryAfter int64
	}{
		"passed": {
			ratelimit.Verdict{Allowed: true, Remaining: 99, Reset: 600 * time.Millisecond}, `"apikey";r=99;t=1`, 1,
		},
		"the last of a burst": {
			ratelimit.Verdict{Allowed: true, Reset: time.Minute}, `"apikey";r=0;t=60`, 1,
		},
		"refused: the window ends when Retry-After does": {
			ratelimit.Verdict{RetryAfter: 1500 * time.Millisecond, Reset: time.Minute}, `"apikey";r=0;t=2`, 2,
		},
		"refused for a nanosecond": {ratelimit.Verdict{RetryAfter: 1, Reset: time.Minute}, `"apikey";r=0;t=1`, 1},
		"refused for whole seconds": {
			ratelimit.Verdict{RetryAfter: 24 * time.Hour, Reset: 24 * time.Hour}, `"apikey";r=0;t=86400`, 86400,
		},
		"a burst of centuries": {
			ratelimit.Verdict{Allowed: true, Remaining: 1, Reset: math.MaxInt64}, `"apikey";r=1;t=9223372037`, 1,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := string(ratelimit.AppendState(nil, c.verdict)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if got := ratelimit.RetryAfterSeconds(c.verdict); got != c.wantRetryAfter {
				t.Errorf("Retry-After: %d, want %d", got, c.wantRetryAfter)
			}
		})
	}
}

func TestTellingAllocatesNothing(t *testing.T) {
	room := make([]byte, 0, 128)
	limit := ratelimit.Limit{Requests: 100_000, Period: time.Hour, Burst: 7}
	if n := testing.AllocsPerRun(100, func() {
		_ = ratelimit.AppendState(ratelimit.AppendPolicy(room, limit), ratelimit.Verdict{Allowed: true, Remaining: 12345, Reset: time.Hour})
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
