package policy

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// statusOf is what a policy's status says. Its conditions are those that kstatus knows.
func statusOf(p *v1alpha1.ApiKeyPolicy, a account, now time.Time) v1alpha1.ApiKeyPolicyStatus {
	next := v1alpha1.ApiKeyPolicyStatus{
		ObservedGeneration: p.Generation,
		Selected:           a.selected,
		Admitted:           a.admitted,
		Refused:            a.selected - a.admitted,
		Conditions:         append([]metav1.Condition(nil), p.Status.Conditions...),
	}
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInForce,
		Message: "ApiKeys of the selected namespaces may have what the policy lists",
	}
	if p.Spec.Enforcement == v1alpha1.EnforcementWarn {
		ready.Reason, ready.Message = v1alpha1.ReasonWarnOnly, "what the policy would refuse is reported; it neither admits nor refuses anything"
	}
	why := contradiction(p)
	if why != "" {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonSelfContradictory, "the policy can never admit anything: "+why
	}
	stamp := func(c metav1.Condition) {
		c.ObservedGeneration, c.LastTransitionTime = p.Generation, metav1.NewTime(now.Truncate(time.Second))
		meta.SetStatusCondition(&next.Conditions, c)
	}
	stamp(ready)
	if why == "" {
		meta.RemoveStatusCondition(&next.Conditions, v1alpha1.ConditionStalled)
		return next
	}
	ready.Type, ready.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
	stamp(ready)
	return next
}
