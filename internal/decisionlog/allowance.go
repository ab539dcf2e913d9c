package decisionlog

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// perSecond is how many lines of one reason are written in any second at most.
	perSecond = 10
	// backwards is how far times may come out of order, for goroutines that were held up, before it is taken for a
	// clock that was set back.
	backwards = time.Second
)

// allowance lets so many lines through in any second and counts the rest. Whoever is not let through touches the
// first two words alone. Times are since the log's start.
type allowance struct {
	until      atomic.Int64  // nothing is let through before; in nanoseconds
	suppressed atomic.Uint64 // all that were not let through

	mu     sync.Mutex // over what follows
	last   [perSecond]time.Duration
	lines  int    // let through
	told   uint64 // how many suppressed ones lines told of
	latest time.Duration

	_ [64]byte // so that the next reason's first words lie in another cache line
}

// take lets a line through, and says how many were suppressed since the line before; or counts it.
func (a *allowance) take(now time.Duration) (suppressed uint64, ok bool) {
	if a.holds(now) {
		a.suppressed.Add(1)
		return 0, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.holds(now) { // others were quicker
		a.suppressed.Add(1)
		return 0, false
	}
	if now < a.latest-backwards {
		a.lines = 0
	} else {
		now = max(now, a.latest)
	}
	a.latest = now
	a.last[a.lines%perSecond] = now
	a.lines++
	if a.lines >= perSecond {
		a.until.Store(int64(a.last[a.lines%perSecond] + time.Second))
	} else {
		a.until.Store(0)
	}
	all := a.suppressed.Load()
	suppressed, a.told = all-a.told, all
	return suppressed, true
}

// holds says whether the lines of the second that ends at now are used up. That they were for longer than a second
// from now on would mean that the clock was set back, which must not silence the log.
func (a *allowance) holds(now time.Duration) bool {
	left := time.Duration(a.until.Load()) - now
	return left > 0 && left <= time.Second+backwards
}

// giveBack has the next line tell of what a line was to tell of that could not be written.
func (a *allowance) giveBack(suppressed uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told -= suppressed
}
