package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func TestAReplacedCredentialGetsItsGrace(t *testing.T) {
	current, pending := credential(1, Current, "a"), credential(2, Pending, "b")
	cases := map[string]struct {
		grace time.Duration
		at    time.Time
		want  []Credential // what is left of the old one
	}{
		"none at all":                  {0, now, nil},
		"none at all, within a second": {0, now.Add(300 * time.Millisecond), nil},
		"a second":                     {time.Second, now, []Credential{until(now.Add(time.Second)).on(as(Previous).on(current))}},
		"three days":                   {72 * time.Hour, now, []Credential{until(now.Add(72 * time.Hour)).on(as(Previous).on(current))}},
		"rounded up":                   {time.Hour, now.Add(time.Nanosecond), []Credential{until(now.Add(time.Hour + time.Second)).on(as(Previous).on(current))}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := Desired{Rotation: Rotation{GracePeriod: c.grace}}
			plan := Next(d, seen(ours("b"), current, pending), settings, c.at)
			if !plan.Promoted || plan.Credential.Revision != 2 {
				t.Fatalf("the plan is %+v, want to make revision 2 the current one", plan)
			}
			if diff := cmp.Diff(c.want, plan.Credentials[1:]); diff != "" && len(c.want)+len(plan.Credentials) > 1 {
				t.Errorf("beside it stand (-want +got):\n%s", diff)
			}
			again := Next(d, seen(ours("b"), plan.Credentials...), settings, c.at)
			if diff := cmp.Diff(plan.Credentials, again.Credentials); diff != "" {
				t.Errorf("planned again, the record changes (-first +second):\n%s", diff)
			}
		})
	}
}

func TestARunningGraceFollowsTheSpecDownwardsOnly(t *testing.T) {
	took := now.Add(-3 * time.Hour) // when the current one took over, with a grace of 24 hours
	current := published(took).on(credential(2, Current, "a"))
	previous := func(end time.Time) Credential { return until(end).on(credential(1, Previous, "p")) }
	running := previous(took.Add(24 * time.Hour))
	retired := func(at time.Time) Credential { return retiredAt(at).on(credential(3, Pending, "b")) }
	cases := map[string]struct {
		grace    time.Duration
		standing []Credential
		want     []Credential
		wantWake time.Time
	}{
		"unchanged": {
			24 * time.Hour, []Credential{current, running}, []Credential{current, running}, running.NotAfter.Add(ClockTolerance),
		},
		"lowered: counted from the replacement": {
			6 * time.Hour, []Credential{current, running}, []Credential{current, previous(took.Add(6 * time.Hour))}, took.Add(6*time.Hour + ClockTolerance),
		},
		"lowered to what is over by now: it leaves the record in the same write": {
			time.Hour, []Credential{current, running}, []Credential{current}, time.Time{},
		},
		"lowered to what ended just now: it stays for the clocks' sake": {
			3 * time.Hour, []Credential{current, running}, []Credential{current, previous(now)}, now.Add(ClockTolerance),
		},
		"lowered to nothing": {
			0, []Credential{current, running}, []Credential{current}, time.Time{},
		},
		"raised": {
			72 * time.Hour, []Credential{current, running}, []Credential{current, running}, running.NotAfter.Add(ClockTolerance),
		},
		"raised after it was lowered": {
			72 * time.Hour, []Credential{current, previous(took.Add(6 * time.Hour))},
			[]Credential{current, previous(took.Add(6 * time.Hour))}, took.Add(6*time.Hour + ClockTolerance),
		},
		"an end that only a wrong clock could have written": {
			24 * time.Hour, []Credential{current, previous(now.AddDate(3, 0, 0))},
			[]Credential{current, running}, running.NotAfter.Add(ClockTolerance),
		},
		"the same where that clock also said when it took over": {
			24 * time.Hour, []Credential{published(now.AddDate(3, 0, 0)).on(current), previous(now.AddDate(3, 0, 1))},
			[]Credential{published(now.AddDate(3, 0, 0)).on(current), previous(now.Add(24 * time.Hour))}, now.Add(24*time.Hour + ClockTolerance),
		},
		"a key that only a wrong clock can have retired counts from now": {
			24 * time.Hour, []Credential{current, retired(now.AddDate(3, 0, 0))}, []Credential{current, retired(now)}, now.Add(lands),
		},
		"the same where nobody recorded when it took over": {
			24 * time.Hour, []Credential{published(time.Time{}).on(current), previous(now.AddDate(3, 0, 0))},
			[]Credential{published(time.Time{}).on(current), previous(now.Add(24 * time.Hour))}, now.Add(24*time.Hour + ClockTolerance),
		},
		"a retired key is not bounded by it": {
			0, []Credential{current, retired(now.Add(-time.Minute))}, []Credential{current, retired(now.Add(-time.Minute))}, now.Add(lands - time.Minute),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			plan := Next(Desired{Rotation: Rotation{GracePeriod: c.grace}}, recorded(c.standing...), settings, now)
			want := Plan{Credentials: c.want, Wake: c.wantWake}
			if diff := cmp.Diff(want, plan); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAGraceThatIsLoweredToNothingIsRecordedBeforeAPublish is about what the status lists, and verifiers accept, while
// the plan lists it no more.
func TestAGraceThatIsLoweredToNothingIsRecordedBeforeAPublish(t *testing.T) {
	current, pending := published(now.Add(-time.Hour)).on(credential(2, Current, "a")), credential(3, Pending, "b")
	previous := until(now.Add(23 * time.Hour)).on(credential(1, Previous, "p"))
	o := seen(ours("a"), current, previous, pending)
	o.Held = held("b", now.Add(-time.Minute))
	want := Plan{Action: Wait, Credentials: []Credential{current, pending}, Ended: []Credential{previous}, Wake: now}
	if diff := cmp.Diff(want, Next(Desired{Revision: 3}, o, settings, now)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestABoundedGraceDoesNotFlap plans again every 100 milliseconds, as events may have it: what was written once
// stays, or each pass would write a status.
func TestABoundedGraceDoesNotFlap(t *testing.T) {
	d := Desired{Rotation: Rotation{GracePeriod: time.Minute}}
	for start := range 10 {
		at := now.Add(time.Duration(start) * 100 * time.Millisecond)
		first := Next(d, seen(ours("b"), credential(1, Current, "a"), credential(2, Pending, "b")), settings, at)
		for range 50 {
			at = at.Add(100 * time.Millisecond)
			if again := Next(d, recorded(first.Credentials...), settings, at); !cmp.Equal(again.Credentials, first.Credentials) {
				t.Fatalf("begun %d00 ms after the second, at %s the record changes:\n%s", start, at, cmp.Diff(first.Credentials, again.Credentials))
			}
		}
	}
}
