package integration

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// Whoever may write the Secret can keep it from being written, and so the key from being replaced. Under a policy that
// demands a rotation the key does not work for much longer then.
func TestAKeyWhoseRotationSomebodyHoldsUpIsDeniedUntilItIsDone(t *testing.T) {
	t.Parallel()
	const every = 24 * time.Hour
	l := grantedLab(t, `{"permissions":["read"],"rotation":{"every":"24h","gracePeriod":"1h"}}`, mayRead+`,"requireRotation":{"maxEvery":"24h"}`)
	held := l.value()
	l.tamper(func(s *corev1.Secret) { s.Immutable = new(true) })

	l.advance(every + lifecycle.Overdue/2)
	l.work()
	l.expectAccepted(held, "a key whose rotation may still be done in time")
	l.advance(lifecycle.Overdue)
	l.work()
	l.expectDenied(v1alpha1.ReasonRotationOverdue)
	l.expectMessage(v1alpha1.ConditionAccepted, "policy "+l.policyName("first")+" demands a rotation every 24h0m0s, and the current credential, which is older, cannot be replaced: Secret")

	l.deleteSecret()
	l.work()
	l.expectGrantedBy("first")
	if l.value() == held {
		t.Error("the Secret holds the same key again")
	}
	l.expectAccepted(l.value(), "the key that took its place")
}
