package indexfeed_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/index"
)

func TestTheLowestRateLimitCounts(t *testing.T) {
	limit := func(requests int64, period time.Duration, burst int64) index.RateLimit {
		return index.RateLimit{Requests: requests, Period: period, Burst: burst}
	}
	cases := map[string]struct {
		spec, grant string
		want        index.RateLimit
	}{
		"neither limits":           {spec: `{}`, grant: `{}`},
		"the spec alone":           {`{rateLimit: {requests: 5, period: 1m, burst: 9}}`, `{}`, limit(5, time.Minute, 9)},
		"the grant alone":          {`{}`, `{rateLimit: {requests: 5, period: 1m, burst: 9}}`, limit(5, time.Minute, 9)},
		"as many at once as usual": {`{rateLimit: {requests: 5, period: 1m}}`, `{}`, limit(5, time.Minute, 5)},
		"the spec is lower in rate and burst": {
			`{rateLimit: {requests: 5, period: 1s}}`, `{rateLimit: {requests: 100, period: 1s}}`, limit(5, time.Second, 5),
		},
		"the grant is lower in rate and burst": {
			`{rateLimit: {requests: 100, period: 1s}}`, `{rateLimit: {requests: 5, period: 1s}}`, limit(5, time.Second, 5),
		},
		"more requests in a much longer period are the lower rate": {
			`{rateLimit: {requests: 100, period: 1h, burst: 5}}`, `{rateLimit: {requests: 1, period: 1s, burst: 5}}`, limit(100, time.Hour, 5),
		},
		"the rate of the one and the burst of the other": {
			`{rateLimit: {requests: 100, period: 1h}}`, `{rateLimit: {requests: 10, period: 1s}}`, limit(100, time.Hour, 10),
		},
		"the rate of the other and the burst of the one": {
			`{rateLimit: {requests: 10, period: 1s}}`, `{rateLimit: {requests: 100, period: 1h}}`, limit(100, time.Hour, 10),
		},
		"the same rate, spelt in another way": {
			`{rateLimit: {requests: 60, period: 1m, burst: 7}}`, `{rateLimit: {requests: 1, period: 1s, burst: 9}}`, limit(1, time.Second, 7),
		},
		"the highest limits there are": {
			`{rateLimit: {requests: 1000000, period: 24h}}`, `{rateLimit: {requests: 999999, period: 24h}}`, limit(999999, 24*time.Hour, 999999),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := newBench(t).served(c.spec, c.grant).RateLimit(); got != c.want {
				t.Errorf("the limit is %+v, want %+v", got, c.want)
			}
		})
	}
}

func drawRateLimit(t *rapid.T, what string) index.RateLimit {
	requests := rapid.OneOf(rapid.Int64Range(1, 5), rapid.Int64Range(1, 1_000_000))
	seconds := rapid.OneOf(rapid.IntRange(1, 5), rapid.IntRange(1, 86400))
	return index.RateLimit{
		Requests: requests.Draw(t, what+" requests"),
		Period:   time.Duration(seconds.Draw(t, what+" seconds")) * time.Second,
		Burst:    requests.Draw(t, what+" burst"),
	}
}

func asGiven(l index.RateLimit) string {
	return fmt.Sprintf("{rateLimit: {requests: %d, period: %ds, burst: %d}}", l.Requests, l.Period/time.Second, l.Burst)
}

// exceeds says whether a lets through more than b in any time, however short or long.
func exceeds(a, b index.RateLimit) bool {
	return a.Burst > b.Burst || a.Requests*int64(b.Period/time.Second) > b.Requests*int64(a.Period/time.Second)
}

func TestTheEffectiveRateLimitExceedsNeitherAndIsTheHighestThatDoesNot(t *testing.T) {
	b := newBench(t)
	rapid.Check(t, func(t *rapid.T) {
		spec, grant := drawRateLimit(t, "spec"), drawRateLimit(t, "grant")
		got := b.served(asGiven(spec), asGiven(grant)).RateLimit()
		if exceeds(got, spec) || exceeds(got, grant) {
			t.Fatalf("of %+v and %+v: %+v", spec, grant, got)
		}
		other := drawRateLimit(t, "other")
		if !exceeds(other, spec) && !exceeds(other, grant) && exceeds(other, got) {
			t.Fatalf("of %+v and %+v: %+v is less than %+v, which exceeds neither", spec, grant, got, other)
		}
		if back := b.served(asGiven(grant), asGiven(spec)).RateLimit(); back != got {
			t.Fatalf("of %+v and %+v: %+v, and the other way round %+v", spec, grant, got, back)
		}
	})
}
