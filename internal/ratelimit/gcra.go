package ratelimit

import (
	"math"
	"time"
)

// nanos is how many nanoseconds a second has.
const nanos = int64(time.Second)

// Counter is what is kept of a subject's requests: the theoretical arrival time of the generic cell rate algorithm
// (ITU-T I.371, in its form of virtual scheduling), when the next request would come if all that passed had come
// evenly, one in each Period/Requests. A request passes where that is at most Burst-1 such intervals ahead.
//
// An interval need not be a whole number of nanoseconds (a second of 3 requests). Nothing is rounded: times are
// counted in parts of a nanosecond, of which it has as many as the limit has requests. The same arithmetic,
// which stays below 2^53 for that, runs in Redis (redisstore/take.lua).
//
// The zero value has used nothing.
type Counter struct {
	arrival instant
	per     int64 // Requests of the limit that arrival is counted by; 0: none so far
}

// Take asks for one request to pass under a limit. The time is that since any fixed moment before. A clock that goes back
// takes away what would have come by then, but no more than the burst: the next request passes an interval later
// at most. Whoever takes from a counter with several clocks, or in another order than he read one, must himself see
// to it that time does not go to and fro, since each way forth counts as time gone by.
func (c *Counter) Take(l Limit, now time.Duration) Verdict {
	p := paceOf(l)
	at := p.instant(now)
	latest := p.add(at, p.tolerance)
	arrival := p.clamp(c.arrivalBy(p), at, latest)
	next := p.add(arrival, p.interval)
	allowed := !latest.before(next)
	verdict := Verdict{Allowed: allowed}
	if allowed {
		arrival = next
		verdict.Remaining = p.intervals(p.sub(latest, arrival))
	} else {
		verdict.RetryAfter = p.duration(p.sub(next, latest))
	}
	verdict.Reset = p.duration(p.sub(arrival, at))
	c.arrival, c.per = arrival, p.requests
	return verdict
}

// Whole says whether the whole burst is there, so that the counter may be forgotten.
func (c *Counter) Whole(now time.Duration) bool {
	if c.per == 0 {
		return true
	}
	at := pace{requests: c.per, second: c.per * nanos}.instant(now)
	return !at.before(c.arrival)
}

// arrivalBy is the arrival counted in the parts of another pace: where they differ, rounded up to the nanosecond.
func (c *Counter) arrivalBy(p pace) instant {
	if c.per == p.requests || c.per == 0 {
		return c.arrival
	}
	nano := ceil(c.arrival.part, c.per)
	return p.normal(instant{c.arrival.sec, nano * p.requests})
}

// instant is a time, or a stretch of time, of seconds and parts of one: 0 to less than pace.second.
type instant struct{ sec, part int64 }

func (i instant) before(other instant) bool {
	return i.sec < other.sec || i.sec == other.sec && i.part < other.part
}

// pace is a limit in the form that is counted with.
type pace struct {
	requests  int64
	seconds   int64   // the period
	second    int64   // the parts of a second
	interval  instant // from one request to the next
	tolerance instant // the intervals of a whole burst
}

func paceOf(l Limit) pace {
	l = l.Bounded()
	requests, seconds := l.Requests, int64(l.Period/time.Second)
	return pace{
		requests:  requests,
		seconds:   seconds,
		second:    requests * nanos,
		interval:  instant{seconds / requests, seconds % requests * nanos},
		tolerance: instant{l.Burst * seconds / requests, l.Burst * seconds % requests * nanos},
	}
}

func (p pace) instant(d time.Duration) instant {
	sec, nano := int64(d)/nanos, int64(d)%nanos
	if nano < 0 {
		sec, nano = sec-1, nano+nanos
	}
	return instant{sec, nano * p.requests}
}

func (p pace) add(a, b instant) instant {
	return p.normal(instant{a.sec + b.sec, a.part + b.part})
}

func (p pace) normal(i instant) instant {
	if i.part >= p.second {
		return instant{i.sec + 1, i.part - p.second}
	}
	return i
}

// sub is a - b, which must not be below 0.
func (p pace) sub(a, b instant) instant {
	if a.part < b.part {
		return instant{a.sec - b.sec - 1, a.part - b.part + p.second}
	}
	return instant{a.sec - b.sec, a.part - b.part}
}

// clamp brings an arrival between now, where the whole burst is there, and the latest there can be, where none of
// it is: what lies later comes from a clock that went back, or from another limit.
func (p pace) clamp(arrival, now, latest instant) instant {
	switch {
	case arrival.before(now):
		return now
	case latest.before(arrival):
		return latest
	default:
		return arrival
	}
}

// intervals is how many whole intervals fit into a stretch. An interval is seconds/requests of a second, so the
// stretch in 1/requests of a second, rounded down, is divided by whole seconds.
func (p pace) intervals(stretch instant) int64 {
	return (stretch.sec*p.requests + stretch.part/nanos) / p.seconds
}

// duration is a stretch rounded up to the nanosecond.
func (p pace) duration(stretch instant) time.Duration {
	if stretch.sec >= math.MaxInt64/nanos {
		return math.MaxInt64
	}
	return time.Duration(stretch.sec*nanos + ceil(stretch.part, p.requests))
}

func ceil(a, b int64) int64 { return (a + b - 1) / b }
