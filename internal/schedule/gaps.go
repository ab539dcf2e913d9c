package schedule

import (
	"errors"
	"fmt"
	"time"
)

// horizon is how far ahead the gaps between times are looked at: five years, which hold a leap day and several
// changes of the clocks.
const horizon = 5 * 366 * day

const day = 24 * time.Hour

// gaps are the least and the most time between two times that follow each other.
type gaps struct{ shortest, longest time.Duration }

// ShortestGap is the least time between a time of the schedule in the five years from its parsing and the next one;
// of a schedule that comes but once in them it is those five years.
func (s *Schedule) ShortestGap() time.Duration { return s.gaps.shortest }

// LongestGap is the most time between a time of the schedule in the five years from its parsing and the next one,
// which may come after them: a schedule that stops coming is not frequent. Of one that comes but once in them, or
// whose next time is too far away to be found, it is at least those five years.
func (s *Schedule) LongestGap() time.Duration { return s.gaps.longest }

// compare finds the gaps that begin at a time within a horizon. Whoever can write an ApiKey can have a schedule parsed,
// so it does not visit each of what may be a quarter of a million times: the clock on the wall shows the same ones on
// every day, so where it is not changed that day, compare jumps from the first of them to the last.
func (s *Schedule) compare(from time.Time, horizon time.Duration) (gaps, error) {
	at, end := s.Next(from), from.Add(horizon)
	if at.IsZero() {
		return gaps{}, errors.New("spec.rotation.schedule never comes: write a day that exists in its month")
	}
	if second := s.Next(at); second.IsZero() || !second.Before(end) {
		return gaps{horizon, horizon}, nil
	}
	daily, found := s.pattern(at), gaps{shortest: horizon}
	for at.Before(end) {
		if last := at.Add(daily.span); last.Before(end) && daily.startsAt(at) {
			found.include(daily.gaps)
			at = last
		}
		next := s.Next(at)
		if next.IsZero() {
			next = at.Add(horizon)
		}
		found.include(gaps{next.Sub(at), next.Sub(at)})
		if found.shortest < MinGap {
			return gaps{}, fmt.Errorf("spec.rotation.schedule comes twice within %s: leave at least %s between two rotations, as \"0 * * * *\" does", found.shortest, MinGap)
		}
		at = next
	}
	return found, nil
}

func (g *gaps) include(other gaps) {
	g.shortest, g.longest = min(g.shortest, other.shortest), max(g.longest, other.longest)
}

// pattern is what the times of a day look like on the wall: when the first one comes after midnight, how long after
// it the last one, and the gaps in between.
type pattern struct {
	first, span time.Duration
	gaps        gaps
}

// pattern is that of the day of one of the schedule's times. It ends with a gap that is too short, since that is enough
// to refuse any day.
func (s *Schedule) pattern(at time.Time) pattern {
	midnight := wallBefore(at).Truncate(day)
	first := s.nextOnWall(midnight.Add(-time.Second))
	p := pattern{first: first.Sub(midnight), gaps: gaps{shortest: horizon}}
	for last := first; p.gaps.shortest >= MinGap; {
		next := s.nextOnWall(last)
		if next.IsZero() || next.Sub(midnight) >= day {
			break
		}
		p.span = next.Sub(first)
		p.gaps.include(gaps{next.Sub(last), next.Sub(last)})
		last = next
	}
	return p
}

// startsAt tells whether one of the schedule's times is the first of a day on which the clocks are not changed, nor
// one that is put off to it from where they were.
func (p pattern) startsAt(at time.Time) bool {
	wall := onWall(at)
	sinceMidnight := wall.Sub(wall.Truncate(day))
	if sinceMidnight != p.first || !wallBefore(at).Equal(wall) {
		return false
	}
	midnight := at.Add(-sinceMidnight)
	unchanged, changed := at.ZoneBounds()
	return !midnight.Before(unchanged) && (changed.IsZero() || !midnight.Add(day).After(changed))
}

// onWall is what the clock on the wall shows, as if that were UTC.
func onWall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(seconds(offset))
}
