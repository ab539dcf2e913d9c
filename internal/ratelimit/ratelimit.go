package ratelimit

import "time"

// The bounds of a limit, which are those of spec.rateLimit. One that lies outside counts as the nearest that does not.
const (
	// MaxRequests is the most of Requests and of Burst; the least is 1.
	MaxRequests = 1_000_000

	// MinPeriod is the shortest period.
	MinPeriod = time.Second

	// MaxPeriod is the longest period.
	MaxPeriod = 24 * time.Hour
)

// Limit is how often a key may be used: so many requests in each period, and so many at once after a pause. In any
// time t no more than Burst + Requests·t/Period pass.
type Limit struct {
	Requests int64         // 1 to MaxRequests
	Period   time.Duration // whole seconds, MinPeriod to MaxPeriod
	Burst    int64         // 1 to MaxRequests
}

// Bounded is the nearest limit within the bounds, and what a store counts by.
func (l Limit) Bounded() Limit {
	return Limit{
		Requests: min(max(l.Requests, 1), MaxRequests),
		Period:   min(max(l.Period, MinPeriod), MaxPeriod).Truncate(time.Second),
		Burst:    min(max(l.Burst, 1), MaxRequests),
	}
}

// Verdict is what is said of one request.
type Verdict struct {
	// Allowed says whether the request passes. One that does not is not counted either.
	Allowed bool

	// Remaining is how many more would pass at once now.
	Remaining int64

	// RetryAfter is when the next would pass if none came until then: to the nanosecond, rounded up, and never longer
	// than Period/Requests. It is 0 where the request passes.
	RetryAfter time.Duration

	// Reset is the time until the whole burst is there again if none came until then, rounded up to the nanosecond. What
	// is longer than a Duration can be (292 years: bursts of centuries are possible) is the longest Duration.
	Reset time.Duration
}

// Subject is whose requests are counted together: an ApiKey, through all its rotations.
type Subject struct{ Namespace, Name string }

// Store counts requests.
type Store interface {
	// Take asks for one request of a subject to pass under a limit, and counts it where it does. It may be called from
	// any number of goroutines. The limit is that of the moment: where it changes, what was used stays used as far as the
	// new one can tell. The strings of the subject are not kept. The error says that nothing could be counted; the
	// verdict means nothing then.
	Take(s Subject, l Limit, now time.Time) (Verdict, error)
}
