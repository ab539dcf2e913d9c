package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/schedule"
)

const (
	day     = 24 * time.Hour
	horizon = 5 * 366 * day
)

func TestTheShortestAndTheLongestGapOfFiveYearsAreKnown(t *testing.T) {
	leapDays := 4*365*day + day
	cases := map[string]struct {
		expression, zone          string
		from                      time.Time
		wantShortest, wantLongest time.Duration
	}{
		"daily":                                    {"0 3 * * *", "", from, day, day},
		"daily where the clocks are changed":       {"0 3 * * *", "Europe/Berlin", from, 23 * time.Hour, 25 * time.Hour},
		"monthly":                                  {"0 3 1 * *", "", from, 28 * day, 31 * day},
		"monthly where the clocks are changed":     {"0 3 1 * *", "Europe/Berlin", from, 28 * day, 31*day + time.Hour},
		"yearly":                                   {"@yearly", "", from, 365 * day, 366 * day},
		"every ten minutes":                        {"*/10 * * * *", "", from, 10 * time.Minute, 10 * time.Minute},
		"often in January, else not at all":        {"*/10 * 1-15 1 *", "", from, 10 * time.Minute, 351*day + 10*time.Minute},
		"the same from its last time of a January": {"*/10 * 1-15 1 *", "", time.Date(2027, 1, 15, 23, 49, 0, 0, time.UTC), 10 * time.Minute, 351*day + 10*time.Minute},
		"over a gap of an hour":                    {"0 1,3 * * *", "Europe/Berlin", from, time.Hour, 22 * time.Hour},
		"hourly, pausing for a repeated hour":      {"@hourly", "Europe/Berlin", from, time.Hour, 2 * time.Hour},
		"hourly, pausing for a repeated half hour": {"@hourly", "Australia/Lord_Howe", from, 30 * time.Minute, 90 * time.Minute},
		"where the first hour of a day is skipped": {"0 */2 * * *", "America/Santiago", from, time.Hour, 3 * time.Hour},
		"where the last hour of a day is skipped":  {"10 0,12 * * *", "America/Nuuk", from, 11 * time.Hour, 13 * time.Hour},
		"one time in five years":                   {"0 0 29 2 *", "", from, horizon, horizon},
		"two leap days in five years":              {"0 0 29 2 *", "", time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC), leapDays, leapDays},
		"leap days that come no more for a while":  {"0 0 29 2 *", "", time.Date(2092, 1, 1, 0, 0, 0, 0, time.UTC), leapDays, horizon},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, err := schedule.Parse(c.expression, c.zone, c.from)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.ShortestGap(); got != c.wantShortest {
				t.Errorf("the shortest gap is %s, want %s", got, c.wantShortest)
			}
			if got := s.LongestGap(); got != c.wantLongest {
				t.Errorf("the longest gap is %s, want %s", got, c.wantLongest)
			}
		})
	}
}

func TestTwoTimesThatAreCloseButRarelyAreRefused(t *testing.T) {
	cases := map[string]struct{ expression, zone string }{
		"over midnight":                         {"0,55 0,23 * * *", ""},
		"over the turn of a month":              {"0,55 0,23 1,31 * *", ""},
		"over the turn of February":             {"0,55 0,23 1,29 2,3 *", ""},
		"within a day that comes in leap years": {"0,5 3 29 2 *", ""},
		"where a time is put off":               {"0,35 2 * * *", "Australia/Lord_Howe"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := schedule.Parse(c.expression, c.zone, from)
			if err == nil || !strings.Contains(err.Error(), "comes twice within 5m0s") {
				t.Errorf("the error is %v, want it to tell of 5m0s", err)
			}
		})
	}
}

// TestBothGapsAreThoseOfAWalkFromTimeToTime holds what is found by jumping from day to day to what is found by
// visiting every time.
func TestBothGapsAreThoseOfAWalkFromTimeToTime(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Nuuk", "Africa/Cairo",
		"Africa/Casablanca", "Antarctica/Troll", "America/Santiago", "Asia/Beirut", "Asia/Kathmandu", "Pacific/Kiritimati"}
	rapid.Check(t, func(t *rapid.T) {
		expression, zone := expressions().Draw(t, "expression"), rapid.SampledFrom(zones).Draw(t, "zone")
		s, err := schedule.Read(expression, zone)
		if err != nil {
			t.Fatal(err)
		}
		days, seconds := rapid.IntRange(0, 4*366).Draw(t, "days after 2027"), rapid.IntRange(0, 24*3600).Draw(t, "seconds of the day")
		from := from.Add(time.Duration(days)*day + time.Duration(seconds)*time.Second)
		within := 500*day - time.Duration(rapid.IntRange(0, 500*24-1).Draw(t, "hours less than 500 days"))*time.Hour // small draws are more likely
		wantShortest, wantLongest, wantRefusal := walk(s, from, within)
		shortest, longest, err := s.GapsWithin(from, within)
		switch {
		case wantRefusal != "":
			if err == nil || !strings.Contains(err.Error(), wantRefusal) {
				t.Fatalf("the error is %v, want it to contain %q", err, wantRefusal)
			}
		case err != nil:
			t.Fatalf("refused with %q, where a walk finds %s to %s", err, wantShortest, wantLongest)
		case shortest != wantShortest || longest != wantLongest:
			t.Fatalf("the gaps are %s to %s, want %s to %s", shortest, longest, wantShortest, wantLongest)
		}
	})
}

// walk visits every time within a horizon, and the first after it.
func walk(s *schedule.Schedule, from time.Time, within time.Duration) (shortest, longest time.Duration, refusal string) {
	first, end := s.Next(from), from.Add(within)
	if first.IsZero() {
		return 0, 0, "never comes"
	}
	if second := s.Next(first); second.IsZero() || !second.Before(end) {
		return within, within, ""
	}
	shortest = within
	for at := first; at.Before(end); {
		next := s.Next(at)
		if next.IsZero() {
			next = at.Add(within)
		}
		shortest, longest = min(shortest, next.Sub(at)), max(longest, next.Sub(at))
		if shortest < schedule.MinGap {
			return 0, 0, "comes twice within"
		}
		at = next
	}
	return shortest, longest, ""
}

// expressions are five fields of every form, with minutes that are mostly far enough apart.
func expressions() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		minute := rapid.OneOf(rapid.Just("0"), number(0, 59), number(0, 59), rapid.SampledFrom([]string{"*/10", "*/12", "5/20", "0-30/15", "10,40"}), field(0, 59))
		return strings.Join([]string{
			minute.Draw(t, "minute"),
			field(0, 23).Draw(t, "hour"),
			field(1, 31).Draw(t, "day of month"),
			rapid.OneOf(rapid.Just("*"), field(1, 12), rapid.SampledFrom([]string{"feb", "mar-oct", "1,JUL"})).Draw(t, "month"),
			rapid.OneOf(rapid.Just("*"), field(0, 6), rapid.SampledFrom([]string{"?", "7", "sun", "MON-FRI", "fri-1"})).Draw(t, "day of week"),
		}, " ")
	})
}

// field is a number, a range that may go over the end, a step, * or a list of those.
func field(least, most int) *rapid.Generator[string] {
	ranges := rapid.Custom(func(t *rapid.T) string {
		return number(least, most).Draw(t, "first") + "-" + number(least, most).Draw(t, "last")
	})
	steps := rapid.Custom(func(t *rapid.T) string { // which the library wants to be smaller than what they step over
		first := rapid.IntRange(least, most-2).Draw(t, "first")
		last := rapid.IntRange(first+2, most).Draw(t, "last")
		of := rapid.SampledFrom([]string{"*", fmt.Sprint(first), fmt.Sprintf("%d-%d", first, last)}).Draw(t, "of")
		return of + "/" + number(1, last-first).Draw(t, "step")
	})
	one := rapid.OneOf(rapid.Just("*"), number(least, most), ranges, steps)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(one, 1, 3).Draw(t, "list"), ",")
	})
}

func number(least, most int) *rapid.Generator[string] {
	return rapid.Map(rapid.IntRange(least, most), func(n int) string { return fmt.Sprint(n) })
}

// dearest are schedules that come as often as they may, where the clocks are changed most, and those that the
// library takes longest to find.
var dearest = map[string][2]string{
	"every ten minutes":              {"*/10 * * * *", "Africa/Casablanca"},
	"every ten minutes, by half":     {"*/10 * * * *", "Australia/Lord_Howe"},
	"every ten minutes, by two":      {"*/10 * * * *", "Antarctica/Troll"},
	"the last minute of a day":       {"59 23 * * *", "Europe/Berlin"},
	"the last minute, every 2nd day": {"59 23 */2 * *", "Europe/Berlin"},
	"often, on two kinds of days":    {"9-59/10 * 1,3,5,7-31 * 1-5", "America/Nuuk"},
	"refused":                        {"* * * * *", "Europe/Berlin"},
	"refused in the first spring":    {"0,35 2 * * *", "Australia/Lord_Howe"},
}

func TestParsingIsCheapForWhomeverWritesTheSchedule(t *testing.T) {
	const most = 5_000
	for name, c := range dearest {
		t.Run(name, func(t *testing.T) {
			s, err := schedule.Read(c[0], c[1])
			if err != nil {
				t.Fatal(err)
			}
			var calls int
			s.CountCalls(&calls)
			if _, _, err = s.GapsWithin(from, horizon); calls > most {
				t.Errorf("the library is asked %d times, want at most %d (%v)", calls, most, err)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for name, c := range dearest {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = schedule.Parse(c[0], c[1], from)
			}
		})
	}
}
