package integration

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// concealedSpec is of a key that is revealed for an hour.
const concealedSpec = `{"permissions":["read"],"secret":{"deleteAfter":"1h"}}`

func TestARevealedSecretIsRemovedAndTheKeyGoesOn(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, concealedSpec)
	l.work()
	l.takeEvents()
	value, secret := l.value(), l.secret()
	l.clock.SetTime(l.credential().PublishedAt.Add(time.Hour - 2*labLanded))
	l.expectQuiet()

	l.clock.SetTime(l.credential().PublishedAt.Add(time.Hour))
	p := l.work()
	p.expectWrites("delete Secret, put status")
	l.expectNoSecret()
	if len(p.deletions) != 1 || p.deletions[0].UID == nil || *p.deletions[0].UID != secret.UID ||
		p.deletions[0].ResourceVersion == nil || *p.deletions[0].ResourceVersion != secret.ResourceVersion {
		t.Errorf("the Secret was removed with the preconditions %+v, want its UID and resource version", p.deletions)
	}
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectMessage(v1alpha1.ConditionReady, "removed after spec.secret.deleteAfter")
	l.expectEvents("Normal Concealed Secret probe is removed, since spec.secret.deleteAfter is over; the credential goes on working")
	l.expectAccepted(value, "a key whose Secret was removed")
	l.expectQuiet()

	l.advance(1000 * time.Hour)
	l.expectQuiet()
	l.expectPublished(1)
}

func TestASecretThatIsLostBeforeItsTimeIsReplacedAndGetsItsWholeTime(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, concealedSpec)
	l.work()
	l.advance(30 * time.Minute)
	l.deleteSecret()
	l.work()
	l.expectPublished(2)
	l.advance(55 * time.Minute)
	if l.work(); l.secret() == nil {
		t.Errorf("the second Secret was removed before its time")
	}
	l.advance(5 * time.Minute)
	l.work()
	l.expectNoSecret()
	l.expectPublished(2)
}

func TestARotationRevealsAConcealedKeyAnew(t *testing.T) {
	t.Parallel()
	l := concealedLab(t)
	first := l.published[0]
	l.edit(`{"spec":{"revision":2}}`)
	l.work().expectWrites("put status, create Secret, put status")
	l.expectAccepted(l.value(), "the new key")
	l.expectAccepted(first, "the replaced key in its grace period")
	l.expectPublished(2)
	l.advance(time.Hour)
	l.work()
	l.expectNoSecret()
	l.expectCredentials("2 Current, 1 Previous")
	l.expectQuiet()
}

func TestASecretThatChangesWhileItIsRemovedIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, concealedSpec)
	l.work()
	l.clock.SetTime(l.credential().PublishedAt.Add(time.Hour))
	p := l.start(fault{})
	p.beforeDelete = func() { l.tamper(func(s *corev1.Secret) { s.Labels["example.com/note"] = "x" }) }
	p.settle()
	p.expectWrites("delete Secret, delete Secret, put status")
	l.expectNoSecret()
	l.expectPublished(1)
	l.expectQuiet()
}

func TestASecretThatSomebodyElsePutsInTheRemovedOnesPlaceIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := concealedLab(t)
	foreign := foreignSecret(l)
	l.must(l.admin.Create(t.Context(), foreign))
	l.work().expectWrites("")
	if got := l.secret(); got.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the Secret of somebody else was written: %+v", got.ObjectMeta)
	}
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
}

// concealedLab is of a key whose Secret has had its time.
func concealedLab(t *testing.T) *lab {
	t.Helper()
	l := newLabOf(t, concealedSpec)
	l.work()
	l.clock.SetTime(l.credential().PublishedAt.Add(time.Hour))
	l.work()
	l.takeEvents()
	return l
}
