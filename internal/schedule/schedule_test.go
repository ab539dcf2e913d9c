package schedule_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/schedule"
)

var from = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

func parse(t *testing.T, expression, zone string) *schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(expression, zone, from)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// times are the first n times after one that is given in RFC 3339.
func times(t *testing.T, s *schedule.Schedule, after string, n int) []string {
	t.Helper()
	at, err := time.Parse(time.RFC3339, after)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for range n {
		at = s.Next(at)
		list = append(list, at.Format(time.RFC3339))
	}
	return list
}

func TestTimesFollowTheClockOnTheWall(t *testing.T) {
	cases := map[string]struct {
		expression, zone, after string
		want                    []string
	}{
		"without a zone it is UTC": {
			"0 3 1 * *", "", "2027-03-15T00:00:00Z",
			[]string{"2027-04-01T03:00:00Z", "2027-05-01T03:00:00Z"},
		},
		"a descriptor": {
			"@daily", "Europe/Berlin", "2027-03-26T12:00:00Z",
			[]string{"2027-03-27T00:00:00+01:00", "2027-03-28T00:00:00+01:00", "2027-03-29T00:00:00+02:00"},
		},
		"where both day fields are given either may match": {
			"0 0 13 * 5", "", "2027-02-01T00:00:00Z",
			[]string{"2027-02-05T00:00:00Z", "2027-02-12T00:00:00Z", "2027-02-13T00:00:00Z"},
		},
		"in spring an hour is missing: a time in it comes an hour later, once": {
			"30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z",
			[]string{"2027-03-28T03:30:00+02:00", "2027-03-29T02:30:00+02:00"},
		},
		"in spring a time after the missing hour comes when the wall says so": {
			"0 3 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z",
			[]string{"2027-03-28T03:00:00+02:00", "2027-03-29T03:00:00+02:00"},
		},
		"in autumn an hour comes twice: a time in it comes once": {
			"30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z",
			[]string{"2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"},
		},
		"the same from within the hour": {
			"30 2 * * *", "Europe/Berlin", "2027-10-31T00:30:00Z",
			[]string{"2027-11-01T02:30:00+01:00"},
		},
		"and from within its second coming": {
			"30 2 * * *", "Europe/Berlin", "2027-10-31T01:10:00Z",
			[]string{"2027-11-01T02:30:00+01:00"},
		},
		"in autumn an hourly schedule pauses for the repeated hour": {
			"0 * * * *", "America/New_York", "2027-11-07T04:30:00Z",
			[]string{"2027-11-07T01:00:00-04:00", "2027-11-07T02:00:00-05:00", "2027-11-07T03:00:00-05:00"},
		},
		"a zone that changes by half an hour": {
			"45 1 * * *", "Australia/Lord_Howe", "2027-04-03T00:00:00Z",
			[]string{"2027-04-04T01:45:00+11:00", "2027-04-05T01:45:00+10:30"},
		},
		"a zone on the southern half": {
			"30 2 * * *", "Australia/Sydney", "2027-10-02T00:00:00Z",
			[]string{"2027-10-03T03:30:00+11:00", "2027-10-04T02:30:00+11:00"},
		},
		"a zone that leaves out the hour after midnight: a time in it comes an hour later": {
			"30 0 * * *", "Africa/Cairo", "2027-04-28T12:00:00Z",
			[]string{"2027-04-29T00:30:00+02:00", "2027-04-30T01:30:00+03:00", "2027-05-01T00:30:00+03:00"},
		},
		"and so does midnight": {
			"@daily", "Africa/Cairo", "2027-04-28T12:00:00Z",
			[]string{"2027-04-29T00:00:00+02:00", "2027-04-30T01:00:00+03:00", "2027-05-01T00:00:00+03:00"},
		},
		"a zone that repeats the hour before midnight": {
			"30 23 * * *", "Africa/Cairo", "2027-10-28T12:00:00Z",
			[]string{"2027-10-28T23:30:00+03:00", "2027-10-29T23:30:00+02:00"},
		},
		"a missing time, from the hour in which it comes": {
			"30 2 * * *", "Europe/Berlin", "2027-03-28T01:10:00Z",
			[]string{"2027-03-28T03:30:00+02:00", "2027-03-29T02:30:00+02:00"},
		},
		"a missing time, from the moment at which it came": {
			"30 2 * * *", "Europe/Berlin", "2027-03-28T01:30:00Z",
			[]string{"2027-03-29T02:30:00+02:00"},
		},
		"in spring a missing time and one in the hour after it are one": {
			"0 2,3 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z",
			[]string{"2027-03-28T03:00:00+02:00", "2027-03-29T02:00:00+02:00"},
		},
		"the same where the clock is west of Greenwich": {
			"30 2 * * *", "America/New_York", "2027-03-13T12:00:00Z",
			[]string{"2027-03-14T03:30:00-04:00", "2027-03-15T02:30:00-04:00"},
		},
		"a leap day": {
			"0 0 29 2 *", "", "2027-01-01T00:00:00Z",
			[]string{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := times(t, parse(t, c.expression, c.zone), c.after, len(c.want)); !slices.Equal(got, c.want) {
				t.Errorf("the times are %v, want %v", got, c.want)
			}
		})
	}
}

func TestWhatIsNotUnderstoodIsRefusedWithAWayOut(t *testing.T) {
	cases := map[string]struct{ expression, zone, want string }{
		"no cron":             {"every monday", "", `such as "0 3 1 * *"`},
		"too few fields":      {"0 3 *", "", "write five cron fields"},
		"six fields":          {"0 0 3 1 * *", "", "write five cron fields"},
		"no minute at all":    {", * * * *", "", "write five cron fields"},
		"no day of the week":  {"0 3 1 * ,,", "", "nothing between its commas"},
		"an hour of 24":       {"0 24 * * *", "", "write five cron fields"},
		"an interval":         {"@every 1h", "", "spec.rotation.every"},
		"a reboot":            {"@reboot", "", "@daily"},
		"a zone in the text":  {"CRON_TZ=Asia/Tokyo 0 3 * * *", "", "spec.rotation.timeZone"},
		"the same, otherwise": {"TZ=Asia/Tokyo 0 3 * * *", "", "spec.rotation.timeZone"},
		"a day that is not":   {"0 0 30 2 *", "", "a day that exists"},
		"every minute":        {"* * * * *", "", "at least 10m0s between"},
		"two close times":     {"0,5 3 * * *", "", "at least 10m0s between"},
		"an unknown zone":     {"0 3 * * *", "Europe/Atlantis", "such as Europe/Berlin"},
		"the machine's zone":  {"0 3 * * *", "Local", "such as Europe/Berlin"},
		"a path as a zone":    {"0 3 * * *", "../../etc/passwd", "such as Europe/Berlin"},
		"an empty expression": {"", "", "write five cron fields"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := schedule.Parse(c.expression, c.zone, from)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want it to contain %q", err, c.want)
			}
		})
	}
}

// TestNoTimeIsSkippedOrRepeatedWhateverTheZoneDoes holds for daily schedules that every date of the wall's
// calendar has exactly one time, and that times only ever move forward.
func TestNoTimeIsSkippedOrRepeatedWhateverTheZoneDoes(t *testing.T) {
	zones := []string{"Europe/Berlin", "America/New_York", "America/Santiago", "UTC", "Asia/Kathmandu", "Africa/Casablanca",
		"Africa/Cairo", "Australia/Lord_Howe", "Asia/Beirut"}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		expression := time.Date(0, 1, 1, hour, minute, 0, 0, time.UTC).Format("4 15 * * *")
		s, err := schedule.Parse(expression, zone, from)
		if err != nil {
			t.Fatal(err)
		}
		at := s.Next(from.AddDate(0, 0, rapid.IntRange(0, 1000).Draw(t, "days")))
		for range 200 {
			next := s.Next(at)
			if want := time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, time.UTC); next.Year() != want.Year() || next.YearDay() != want.YearDay() {
				t.Fatalf("after %s comes %s", at, next)
			}
			at = next
		}
	})
}

func TestACacheGivesWhatParsingGives(t *testing.T) {
	var cache schedule.Cache
	for range 2 {
		s, err := cache.Parse("0 3 * * *", "Europe/Berlin", from)
		if err != nil || s.ShortestGap() != 23*time.Hour {
			t.Fatalf("the cache gives %v, %v", s, err)
		}
		if _, err := cache.Parse("nonsense", "", from); err == nil {
			t.Fatal("the cache understands nonsense")
		}
	}
}
