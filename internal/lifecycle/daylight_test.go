package lifecycle_test

import (
	"testing"
	"time"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/internal/schedule"
)

// TestEveryDateGetsOneRotationWhateverTheClocksDo drives a daily schedule forward over the days at which the clocks
// of its zone change, as a manager does that wakes when the plan says so.
func TestEveryDateGetsOneRotationWhateverTheClocksDo(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	spring := time.Date(2027, 3, 24, 12, 0, 0, 0, berlin)  // on March 28 the hour after 2:00 is left out
	autumn := time.Date(2027, 10, 27, 12, 0, 0, 0, berlin) // on October 31 the hour before 3:00 comes twice
	cases := map[string]struct {
		expression string
		from       time.Time
		wantOn     string // the time on the wall at the day of the change
	}{
		"in spring, before the missing hour":  {"30 1 * * *", spring, "01:30"},
		"in spring, in the missing hour":      {"30 2 * * *", spring, "03:30"},
		"in spring, at its end":               {"0 3 * * *", spring, "03:00"},
		"in autumn, before the repeated hour": {"30 1 * * *", autumn, "01:30"},
		"in autumn, at its begin":             {"0 2 * * *", autumn, "02:00"},
		"in autumn, in the repeated hour":     {"30 2 * * *", autumn, "02:30"},
		"in autumn, at its last minute":       {"59 2 * * *", autumn, "02:59"},
		"in autumn, at its end":               {"0 3 * * *", autumn, "03:00"},
		"in autumn, at midnight":              {"@daily", autumn, "00:00"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			times, err := schedule.Parse(c.expression, "Europe/Berlin", c.from)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, Desired{ID: "uid", Rotation: Rotation{Schedule: times, GracePeriod: time.Hour}})
			w.now = c.from
			w.settle()
			issued := w.promotions
			for day := range 8 {
				date := c.from.AddDate(0, 0, day+1)
				for w.now.Before(date.Add(-time.Second)) {
					w.now = earlier(w.plan(false).Wake, date)
					w.settle()
				}
				if rotations := w.promotions - issued; rotations != day+1 {
					t.Fatalf("until %s there were %d rotations, want %d", date, rotations, day+1)
				}
				rotated := w.current().IssuedAt.In(berlin)
				if date.Format(time.DateOnly) != rotated.Format(time.DateOnly) {
					t.Errorf("the rotation of %s took place at %s", date.Format(time.DateOnly), rotated)
				}
				if day == 3 && (rotated.Before(onWall(t, berlin, rotated, c.wantOn)) || rotated.After(onWall(t, berlin, rotated, c.wantOn).Add(5*time.Minute))) {
					t.Errorf("on the day of the change it took place at %s, want %s and at most 5 minutes of jitter", rotated, c.wantOn)
				}
			}
		})
	}
}

// onWall is the first coming of a time of day.
func onWall(t *testing.T, zone *time.Location, day time.Time, clock string) time.Time {
	t.Helper()
	wanted, err := time.ParseInLocation(time.DateOnly+" 15:04", day.Format(time.DateOnly)+" "+clock, zone)
	if err != nil {
		t.Fatal(err)
	}
	if hourBefore := wanted.Add(-time.Hour); hourBefore.In(zone).Format("15:04") == clock {
		return hourBefore
	}
	return wanted
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
