package stack

import (
	"context"
	"fmt"
	"time"
)

// pollInterval is how often something awaited is looked at.
const pollInterval = 20 * time.Millisecond

// Await calls check until it returns nil. When the time is up the error says what was awaited and what
// check said last.
func Await(ctx context.Context, what string, timeout time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	last := fmt.Errorf("not looked at yet")
	for {
		// A check that was cut off by the deadline says less than the one before it.
		if err := check(ctx); err == nil {
			return nil
		} else if ctx.Err() == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited %s in vain for %s: %w", timeout, what, last)
		}
	}
}
