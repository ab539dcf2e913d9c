package integration

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func TestARaisedRevisionRotatesWithGraceInThreeWritesAndOneAtItsEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work()
	l.takeEvents()
	first := l.value()
	l.edit(`{"spec":{"revision":5}}`)
	l.work().expectWrites("put status, update Secret, put status")

	l.expectCredentials("5 Current, 1 Previous")
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectEvents("Normal RevisionRaised published the credential of revision 5")
	key := l.apiKey()
	rotated, end := key.Status.LastRotationTime, key.Status.Credentials[1].NotAfter
	if rotated == nil || end == nil || !end.Time.Equal(rotated.Add(labGrace)) {
		t.Fatalf("the key was rotated at %v, and the replaced credential ends at %v; want %s later", rotated, end, labGrace)
	}
	l.expectQuiet()

	l.clock.SetTime(end.Add(-time.Second))
	l.expectAccepted(first, "the replaced key in its grace period")
	l.clock.SetTime(end.Time)
	l.expectRefused(first, "the replaced key after its grace period")
	l.clock.SetTime(end.Add(lifecycle.ClockTolerance))
	l.work().expectWrites("put status")
	l.expectCredentials("5 Current")
	l.expectPublished(2)
	l.expectQuiet()
}

func TestAMinRevisionAboveTheCurrentRefusesAtOnceAndIssuesAnew(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work()
	l.takeEvents()
	first := l.value()
	l.edit(`{"spec":{"minRevision":3}}`)
	l.expectRefused(first, "a key below minRevision, before the manager has looked")
	l.work()

	if got := l.credential().Revision; got != 3 {
		t.Errorf("the new credential has revision %d, want 3", got)
	}
	l.expectAccepted(l.value(), "the key that was issued anew")
	l.expectRefused(first, "a key below minRevision")
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionUsable, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectEvents("Normal RevisionRaised published the credential of revision 3")
	l.expectPublished(2)
}

func TestAKeyIsReplacedAtItsAgeAndAMissedTimeIsMadeUpForOnce(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, `{"permissions":["read"],"rotation":{"every":"24h","gracePeriod":"1h"}}`)
	l.work()
	l.takeEvents()
	due, published := l.nextRotation(), l.credential().PublishedAt.Time
	if age := due.Sub(published); age < 24*time.Hour || age > 24*time.Hour+5*time.Minute {
		t.Errorf("the key is to be replaced at the age of %s, want 24h and at most 5m more", age)
	}
	l.clock.SetTime(due.Add(-2 * labLanded)) // further away than a process is given to settle
	l.expectQuiet()

	l.clock.SetTime(due)
	p := l.start(fault{})
	p.passes(1)
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonRotating)
	p.settle()
	l.expectCredentials("2 Current, 1 Previous")
	l.expectEvents("Normal Rotated published the credential of revision 2")

	l.clock.SetTime(l.nextRotation().Add(10 * 24 * time.Hour))
	l.work()
	l.expectPublished(3)
	l.expectQuiet()
}

func TestAScheduleRotatesAtItsTimesInItsZone(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, `{"permissions":["read"],"rotation":{"schedule":"0 3 1 * *","timeZone":"Europe/Berlin"}}`)
	l.work()
	due, first := l.nextRotation(), time.Date(2027, 2, 1, 2, 0, 0, 0, time.UTC)
	if due.Before(first) || due.After(first.Add(5*time.Minute)) {
		t.Errorf("the key is to be replaced at %s, want %s and at most 5m more", due, first)
	}
	l.clock.SetTime(due)
	l.work()
	l.expectCredentials("2 Current, 1 Previous")
	l.expectQuiet()
}

// nextRotation is when the status says that the key will be replaced.
func (l *lab) nextRotation() time.Time {
	l.t.Helper()
	next := l.apiKey().Status.NextRotationTime
	if next == nil {
		l.t.Fatal("the status tells no next rotation")
	}
	return next.Time
}

func TestARotationThatCannotBeUnderstoodStallsAndTheKeyGoesOn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ rotation, wantMessage string }{
		"a schedule that does not parse":  {`{"schedule":"61 3 1 * *"}`, "spec.rotation.schedule"},
		"a time zone that does not exist": {`{"schedule":"0 3 1 * *","timeZone":"Mars/Olympus"}`, "spec.rotation.timeZone"},
		"a schedule that never comes":     {`{"schedule":"0 3 30 2 *"}`, "never comes"},
		"a grace longer than the schedule's gap": {`{"schedule":"0 * * * *","gracePeriod":"2h"}`,
			"spec.rotation.gracePeriod is 2h0m0s, longer than the 1h0m0s between two times"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.work()
			l.takeEvents()
			l.edit(`{"spec":{"rotation":` + tt.rotation + `}}`)
			l.work()
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSchedule)
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonInvalidSchedule)
			l.expectMessage(v1alpha1.ConditionReady, tt.wantMessage)
			l.expectEvents("Warning InvalidSchedule")
			l.expectAccepted(l.value(), "the key of a rotation that cannot be understood")
			l.expectQuiet()

			l.deleteSecret()
			l.work()
			l.expectPublished(2)
			l.edit(`{"spec":{"rotation":{"schedule":"0 3 1 * *","timeZone":null,"gracePeriod":null}}}`)
			l.work()
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
			l.expectNoCondition(v1alpha1.ConditionStalled)
			l.nextRotation()
		})
	}
}

func TestWithoutGraceTheReplacedKeyEndsAtThePublish(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, `{"permissions":["read"],"rotation":{"gracePeriod":"0s"}}`)
	l.work()
	first := l.value()
	l.edit(`{"spec":{"revision":2}}`)
	l.work()

	l.expectCredentials("2 Current")
	l.expectRefused(first, "a replaced key without grace")
	l.expectAccepted(l.value(), "the new key")
	l.expectPublished(2)
	l.expectQuiet()
}

func TestAShorterGracePeriodShortensTheOneThatRuns(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work()
	first := l.value()
	l.edit(`{"spec":{"revision":2}}`)
	l.work()
	l.edit(`{"spec":{"rotation":{"gracePeriod":"1h"}}}`)
	l.work().expectWrites("put status")

	end := l.apiKey().Status.Credentials[1].NotAfter.Time
	if want := l.credential().PublishedAt.Add(time.Hour); !end.Equal(want) {
		t.Errorf("the replaced credential ends at %s, want %s", end, want)
	}
	l.expectAccepted(first, "the replaced key in what is left of its grace period")
	l.clock.SetTime(end)
	l.expectRefused(first, "the replaced key after its shortened grace period")
	l.edit(`{"spec":{"rotation":{"gracePeriod":"48h"}}}`)
	l.work()
	l.expectRefused(first, "a key that has ended, since the grace period was lengthened again")
}
