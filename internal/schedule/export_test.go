package schedule

import (
	"time"

	cron "github.com/netresearch/go-cron"
)

// Read is Parse without a look at the gaps.
var Read = read

// GapsWithin are the gaps of s within a horizon that a test chooses.
func (s *Schedule) GapsWithin(from time.Time, horizon time.Duration) (shortest, longest time.Duration, err error) {
	found, err := s.compare(from, horizon)
	return found.shortest, found.longest, err
}

// CountCalls has every call of the library's Next counted in n.
func (s *Schedule) CountCalls(n *int) { s.times = counted{s.times, n} }

type counted struct {
	cron.Schedule
	calls *int
}

func (c counted) Next(after time.Time) time.Time {
	*c.calls++
	return c.Schedule.Next(after)
}
