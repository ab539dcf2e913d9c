package indexfeed

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// The bounds of the API, checked again: what is stored may be older than the schema.
const (
	maxRequests = 1_000_000
	maxPeriod   = 24 * time.Hour
)

// lowestRateLimit is what spec and grant both allow; one that is absent allows any number of requests.
func lowestRateLimit(spec, grant *v1alpha1.RateLimit) (index.RateLimit, error) {
	asked, err := rateLimitOf(spec)
	if err != nil {
		return index.RateLimit{}, fmt.Errorf("spec.rateLimit: %w", err)
	}
	granted, err := rateLimitOf(grant)
	if err != nil {
		return index.RateLimit{}, fmt.Errorf("status.grant.rateLimit: %w", err)
	}
	switch {
	case grant == nil:
		return asked, nil
	case spec == nil:
		return granted, nil
	}
	return lower(asked, granted), nil
}

func rateLimitOf(l *v1alpha1.RateLimit) (index.RateLimit, error) {
	if l == nil {
		return index.RateLimit{}, nil
	}
	limit := index.RateLimit{Requests: l.Requests, Period: l.Period.Duration, Burst: cmp.Or(l.Burst, l.Requests)}
	if min(limit.Requests, limit.Burst) < 1 || max(limit.Requests, limit.Burst) > maxRequests {
		return index.RateLimit{}, fmt.Errorf("requests and burst must be from 1 to %d", maxRequests)
	}
	if limit.Period < time.Second || limit.Period > maxPeriod || limit.Period%time.Second != 0 {
		return index.RateLimit{}, errors.New("period must be of whole seconds, from 1s to 24h")
	}
	return limit, nil
}

// lower is the highest limit that allows no more than either of two.
//
// In a time t a limit allows up to burst + t × requests/period. So one is lower than another just where its rate,
// requests/period, and its burst are no higher: the burst tells in a time that is short enough, the rate in one that is
// long enough. Where neither is lower than the other, one has the lower rate and the other the lower burst, and what
// both allow is that rate with that burst. Requests and period mean nothing but their rate, so they are
// taken from one limit together: the fewer requests in the shorter period would be a rate that neither asks for. Of two
// spellings of one rate the one with the shorter period is taken.
func lower(a, b index.RateLimit) index.RateLimit {
	// Rates by cross-multiplication. A million requests times a day's seconds is far from what an int64 holds.
	c := cmp.Or(
		cmp.Compare(a.Requests*seconds(b.Period), b.Requests*seconds(a.Period)),
		cmp.Compare(a.Period, b.Period),
	)
	slower := a
	if c > 0 {
		slower = b
	}
	slower.Burst = min(a.Burst, b.Burst)
	return slower
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
