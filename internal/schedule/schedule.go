// Package schedule understands when keys are rotated: five cron fields or a descriptor such as @daily, in
// a time zone. The cron grammar is that of a library; what is ours is the treatment of times that the
// clocks skip or repeat, and the bound on how close two rotations may be.
package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // so that time zones are known where the system brings none

	cron "github.com/netresearch/go-cron"
)

// MinGap is the least time between two rotations.
const MinGap = 10 * time.Minute

// Schedule is a sequence of times. It does not change once it is parsed.
type Schedule struct {
	times cron.Schedule
	zone  *time.Location
	gaps  gaps
}

// grammar is plain cron: where both day fields are restricted either may match, as in crontab(5) and in
// the CronJobs of Kubernetes.
var grammar = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom | cron.Descriptor)

// Parse reads a schedule and the name of a time zone, UTC where that is empty. From is the time from which
// the gaps between its times are looked at. Its errors say what to write instead.
func Parse(expression, timeZone string, from time.Time) (*Schedule, error) {
	s, err := read(expression, timeZone)
	if err != nil {
		return nil, err
	}
	if s.gaps, err = s.compare(from, horizon); err != nil {
		return nil, err
	}
	return s, nil
}

func read(expression, timeZone string) (*Schedule, error) {
	zone, err := parseZone(timeZone)
	if err != nil {
		return nil, err
	}
	times, err := parseTimes(expression)
	if err != nil {
		return nil, err
	}
	return &Schedule{times: times, zone: zone}, nil
}

func parseZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("spec.rotation.timeZone %q is not known: write a name of the IANA time zone database, such as Europe/Berlin", name)
	}
	return zone, nil
}

func parseTimes(expression string) (cron.Schedule, error) {
	times, err := grammar.Parse(expression)
	switch {
	case err != nil:
	case slices.ContainsFunc(strings.Fields(expression), isEmptyList):
		err = errors.New("a field has nothing between its commas")
	case strings.Contains(expression, "TZ="):
		err = errors.New("the time zone stands in spec.rotation.timeZone")
	case isInterval(times):
		err = errors.New("an interval stands in spec.rotation.every")
	default:
		return times, nil
	}
	return nil, fmt.Errorf(`spec.rotation.schedule %q is not understood (%w): write five cron fields, minute, hour, day of month, month and day of week, such as "0 3 1 * *", or one of @hourly, @daily, @weekly, @monthly and @yearly`,
		expression, err)
}

// isEmptyList finds a field that the library takes for no value at all, and would try every minute of five years for.
func isEmptyList(field string) bool { return strings.Trim(field, ",") == "" }

func isInterval(times cron.Schedule) bool {
	_, ok := times.(cron.ConstantDelaySchedule)
	return ok
}

// Next is the first time of the schedule after a given one, zero for never. A time that the clocks skip in
// spring comes an hour later by the clock on the wall; of one that comes twice in autumn the second is left out.
// The library is asked for times on the wall alone, since it leaves out days that begin with a skipped hour.
func (s *Schedule) Next(after time.Time) time.Time {
	wall := wallBefore(after.In(s.zone))
	for {
		if wall = s.nextOnWall(wall); wall.IsZero() {
			return wall
		}
		if next := s.fromWall(wall); next.After(after) {
			return next
		}
	}
}

// nextOnWall is what the library says comes after a time on the wall. It tries second by second, so it is asked from the
// last second of the minute, within which nothing more can come.
func (s *Schedule) nextOnWall(wall time.Time) time.Time {
	return s.times.Next(wall.Truncate(time.Minute).Add(59 * time.Second))
}

// wallBefore is what the clock on the wall shows, as if that were UTC; within what a skipped time is put off to, it
// is what the clock would show had it not been put forward.
func wallBefore(t time.Time) time.Time {
	_, offset := t.Zone()
	if changed, _ := t.ZoneBounds(); !changed.IsZero() {
		_, before := changed.Add(-time.Second).Zone()
		if skipped := offset - before; t.Sub(changed) < seconds(skipped) {
			offset = before
		}
	}
	return t.UTC().Add(seconds(offset))
}

// fromWall is the first time at which the clock on the wall shows what is given as if it were UTC, or for what it
// never shows, the time at which it would, had it not been put forward.
func (s *Schedule) fromWall(wall time.Time) time.Time {
	_, before := wall.AddDate(0, 0, -1).In(s.zone).Zone()
	_, after := wall.AddDate(0, 0, 1).In(s.zone).Zone()
	early, late := wall.Add(-seconds(before)).In(s.zone), wall.Add(-seconds(after)).In(s.zone)
	_, atEarly := early.Zone()
	if _, atLate := late.Zone(); atEarly != before && atLate == after {
		return late
	}
	return early
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
