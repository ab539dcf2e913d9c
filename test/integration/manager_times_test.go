package integration

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

func TestAnExpiryIsAnnouncedOnceAndReachedOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	expiry := l.clock.Now().Add(labExpiringWindow + time.Hour)
	l.edit(`{"spec":{"expiresAt":"` + expiry.Format(time.RFC3339) + `"}}`)
	l.work()
	l.takeEvents()
	l.expectNoCondition(v1alpha1.ConditionExpiring)
	l.expectQuiet()

	l.advance(time.Hour)
	l.work().expectWrites("put status")
	l.expectState(v1alpha1.StateExpiring, v1alpha1.ConditionExpiring, metav1.ConditionTrue, v1alpha1.ReasonExpiring)
	l.expectState(v1alpha1.StateExpiring, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectMessage(v1alpha1.ConditionExpiring, expiry.Format(time.RFC3339))
	l.expectEvents("Warning Expiring the key expires at " + expiry.Format(time.RFC3339))
	l.expectAccepted(l.value(), "a key that expires soon")
	l.expectQuiet()

	l.clock.SetTime(expiry)
	l.expectRefused(l.value(), "an expired key")
	l.work().expectWrites("put status")
	l.expectState(v1alpha1.StateExpired, v1alpha1.ConditionUsable, metav1.ConditionFalse, v1alpha1.ReasonExpired)
	l.expectNoCondition(v1alpha1.ConditionExpiring)
	l.expectEvents("Warning Expired")
	l.expectQuiet()
	l.expectEvents()
}

func TestAKeyThatIsGivenMoreTimeIsNoLongerExpiring(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.edit(`{"spec":{"expiresAt":"2027-01-20T00:00:00Z"}}`)
	l.work()
	l.expectState(v1alpha1.StateExpiring, v1alpha1.ConditionExpiring, metav1.ConditionTrue, v1alpha1.ReasonExpiring)
	l.edit(`{"spec":{"expiresAt":"2028-01-20T00:00:00Z"}}`)
	l.work()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectNoCondition(v1alpha1.ConditionExpiring)
	l.expectPublished(1)
}

// beforeRecheck is less than the time after which a manager looks again whether two clocks agree.
const beforeRecheck = 10 * time.Second

func TestClocksThatDisagreeHoldARotationByTimeAndNoOther(t *testing.T) {
	t.Parallel()
	offsets := map[string]time.Duration{"the API server's clock is ahead": 40 * time.Second, "it is behind": -40 * time.Second}
	for name, offset := range offsets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLabOf(t, `{"permissions":["read"],"rotation":{"every":"24h"}}`)
			l.work()
			l.takeEvents()
			l.offset = offset
			l.clock.SetTime(l.nextRotation())
			l.start(fault{}).settleWithin(beforeRecheck)
			l.expectPublished(1)
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClockSkew)
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonClockSkew)
			l.expectNoCondition(v1alpha1.ConditionStalled)
			l.expectEvents("Warning ClockSkew")
			l.expectAccepted(l.value(), "a key whose rotation is held")

			l.edit(`{"spec":{"revision":7}}`)
			l.start(fault{}).settleWithin(beforeRecheck)
			l.expectCredentials("7 Current, 1 Previous")
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)

			l.clock.SetTime(l.nextRotation().Add(time.Hour))
			l.start(fault{}).settleWithin(beforeRecheck)
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClockSkew)
			l.offset = 0
			l.work()
			l.expectPublished(3)
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
		})
	}
}

func TestClocksThatDifferLittleHoldNothing(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, `{"permissions":["read"],"rotation":{"every":"24h"}}`)
	l.work()
	l.offset = 30 * time.Second
	l.clock.SetTime(l.nextRotation())
	l.work()
	l.expectPublished(2)
}

func TestAnImmutableSecretKeepsARotationOutUntilItIsDeleted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work()
	l.takeEvents()
	l.makeImmutable()
	l.work()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectQuiet()

	l.edit(`{"spec":{"revision":2}}`)
	l.expectStaysImmutable()
	l.expectAccepted(l.value(), "the key in an immutable Secret")
	l.deleteSecret()
	l.work()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectNoCondition(v1alpha1.ConditionStalled)
	l.expectCredentials("2 Current, 1 Previous")
	l.expectPublished(2)
	l.expectQuiet()
}

func TestAnImmutableSecretWithAnotherDataKeyStaysStalled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work()
	l.takeEvents()
	value := l.value()
	l.makeImmutable()
	l.tampered = true // the key does not stand where it is wanted
	l.edit(`{"spec":{"secret":{"key":"token"}}}`)
	l.expectStaysImmutable()
	l.expectAccepted(value, "the key in an immutable Secret")
	l.deleteSecret()
	l.work()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectCredentials("2 Current, 1 Previous")
	l.expectQuiet()
}

func (l *lab) makeImmutable() {
	l.t.Helper()
	l.tamper(func(s *corev1.Secret) { s.Immutable = new(true) })
	l.tampered = false
}

// expectStaysImmutable holds that the ApiKey is stalled, is told of once, and does not become Ready by being
// looked at again.
func (l *lab) expectStaysImmutable() {
	l.t.Helper()
	l.work().expectWrites("put status")
	l.expectEvents("Warning SecretImmutable")
	for range 3 {
		l.expectState(v1alpha1.StateActive, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretImmutable)
		l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretImmutable)
		l.work().expectWrites("")
	}
}
