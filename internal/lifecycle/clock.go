package lifecycle

import "time"

// recheckClock is how soon to look again while two clocks do not agree: nothing else tells when they do.
const recheckClock = 30 * time.Second

// instant is the present as two clocks tell it that may not agree.
type instant struct {
	now         time.Time // by our own clock, which new times are written by
	early, late time.Time
}

func instantOf(now time.Time, offset time.Duration) instant {
	i := instant{now: now, early: now, late: now}
	if offset < 0 {
		i.early = now.Add(offset)
	} else {
		i.late = now.Add(offset)
	}
	return i
}

// doubtful says whether the clocks do not agree.
func (i instant) doubtful() bool { return i.early.Before(i.late) }

// reached says whether a time has come by both clocks; zero never comes.
func (i instant) reached(t time.Time) bool { return !t.IsZero() && !t.After(i.early) }

// maybeReached says whether it has come by one of them.
func (i instant) maybeReached(t time.Time) bool { return !t.IsZero() && !t.After(i.late) }

// disputed says whether it has come by one clock and not by the other.
func (i instant) disputed(t time.Time) bool { return i.maybeReached(t) && !i.reached(t) }

// until is when to look again for what happens at a given time: soon where only one of the clocks says that it
// has come, and zero where both do, since then nothing more happens.
func (i instant) until(t time.Time) time.Time {
	switch {
	case i.reached(t):
		return time.Time{}
	case i.disputed(t):
		return i.now.Add(recheckClock)
	default:
		return t
	}
}

// after is a new end, counted by the later clock: verifiers may go by that, and none is to get less than its time.
func (i instant) after(d time.Duration) time.Time { return seconds(i.late.Add(d)) }

// earliest is the earlier of two times, zero standing for never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// seconds rounds up to what the API stores, so that no credential gets less than its time.
func seconds(t time.Time) time.Time {
	if r := t.Truncate(time.Second); !r.Equal(t) {
		return r.Add(time.Second)
	}
	return t
}
