package ratelimit

import (
	"sync/atomic"
	"time"
)

// breaker keeps requests from a store that failed, but for one at a time that tries it again after a pause.
type breaker struct {
	pause time.Duration
	// until is when the next may try, on the clock of the callers; 0: all may pass, since nothing failed.
	until atomic.Int64
}

// enter says whether a request may ask the store, and whether it is the one that tries it.
func (b *breaker) enter(now time.Duration) (pass, trial bool) {
	until := b.until.Load()
	if until == 0 {
		return true, false
	}
	// Who wins puts off all others by another pause, in which he will know.
	won := int64(now) >= until && b.until.CompareAndSwap(until, b.after(now))
	return won, won
}

// succeeded is told of a trial alone: another request that was under way when the store failed proves nothing.
func (b *breaker) succeeded() { b.until.Store(0) }

func (b *breaker) failed(now time.Duration) { b.until.Store(b.after(now)) }

// left is how long it is until the next may try.
func (b *breaker) left(now time.Duration) time.Duration {
	return max(0, time.Duration(b.until.Load())-now)
}

// after is never 0, even for callers whose clock lies before the start.
func (b *breaker) after(now time.Duration) int64 { return max(1, int64(now+b.pause)) }
