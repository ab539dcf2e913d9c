package apikey

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// This file alone sets conditions. They are computed from what was observed and planned, and never read
// back as input.

// nextStatus is the status that a view and the plan made for it call for. A failure is that of a write
// of the Secret, already free of plaintext.
func nextStatus(v view, plan lifecycle.Plan, failure error, now time.Time) v1alpha1.ApiKeyStatus {
	was := v.key.Status
	next := v1alpha1.ApiKeyStatus{
		ObservedGeneration: v.key.Generation,
		State:              stateOf(v.key, plan),
		Hint:               hintOf(plan),
		Grant:              grantOf(v.key, plan),
		Credentials:        toAPI(plan.Credentials),
		SecretRef:          secretRefOf(v, plan),
		Conditions:         append([]metav1.Condition(nil), was.Conditions...),
	}
	s := situation{key: v.key, plan: plan, failure: failure, state: next.State}
	for _, c := range []metav1.Condition{ready(s), usable(s), reconciling(s), stalled(s)} {
		setCondition(&next.Conditions, c, v.key.Generation, now)
	}
	return next
}

// sameStatus compares by meaning: equal instants are equal, and an empty list is none.
func sameStatus(a, b v1alpha1.ApiKeyStatus) bool {
	return equality.Semantic.DeepEqual(a, b)
}

// grantOf is what the manager accepts of a spec: all of it, as long as there is no policy to ask. The
// expiry that a key died of stays on record until it is issued anew.
func grantOf(key *v1alpha1.ApiKey, plan lifecycle.Plan) *v1alpha1.Grant {
	if plan.Lapsed {
		return key.Status.Grant
	}
	spec := key.Spec
	return &v1alpha1.Grant{
		Tenant:      spec.Tenant,
		Permissions: spec.Permissions,
		Scopes:      spec.Scopes,
		ExpiresAt:   toTime(timeOf(spec.ExpiresAt)),
	}
}

func stateOf(key *v1alpha1.ApiKey, plan lifecycle.Plan) v1alpha1.ApiKeyState {
	_, issued := lifecycle.FindCurrent(plan.Credentials)
	switch {
	case key.Spec.Revoked:
		return v1alpha1.StateRevoked
	case plan.Expired, plan.Lapsed:
		return v1alpha1.StateExpired
	case key.Spec.Suspended:
		return v1alpha1.StateSuspended
	case issued:
		return v1alpha1.StateActive
	default:
		return v1alpha1.StatePending
	}
}

func hintOf(plan lifecycle.Plan) string {
	current, _ := lifecycle.FindCurrent(plan.Credentials)
	return current.Hint
}

// secretRefOf records a Secret that was read live and found to hold the current credential. One that
// holds something else keeps the old record if it is the object that we made, so that it stays known as
// ours and yet is looked at again.
func secretRefOf(v view, plan lifecycle.Plan) *v1alpha1.SecretReference {
	recorded := v.key.Status.SecretRef
	if v.seen.State == lifecycle.SecretUnread || v.seen.State == lifecycle.SecretAsRecorded {
		return recorded
	}
	if v.seen.State != lifecycle.SecretOurs {
		return nil
	}
	settled := v.seen.Tidy || v.seen.Immutable
	if current, ok := lifecycle.FindCurrent(plan.Credentials); ok && current.Hash == v.seen.Hash && settled {
		return referenceTo(v.secret)
	}
	if recorded != nil && recorded.UID == string(v.secret.UID) {
		return recorded
	}
	return nil
}

// situation is what the conditions are computed from.
type situation struct {
	key     *v1alpha1.ApiKey
	plan    lifecycle.Plan
	state   v1alpha1.ApiKeyState
	failure error
}

// dead says whether the key is past mending: nothing is issued for it any more.
func (s situation) dead() bool {
	return s.state == v1alpha1.StateRevoked || s.plan.Expired
}

// settled says whether the Secret holds the current credential and nothing is under way.
func (s situation) settled() bool {
	_, issued := lifecycle.FindCurrent(s.plan.Credentials)
	return issued && s.plan.Action == lifecycle.Settle && s.plan.Blocked == lifecycle.NotBlocked && s.failure == nil
}

// blocks are the reasons and messages of what keeps a credential from being published.
var blocks = map[lifecycle.Block]struct{ reason, message string }{
	lifecycle.BlockedForeign: {v1alpha1.ReasonSecretConflict,
		"Secret %s exists and does not belong to this ApiKey: remove or rename that Secret, or create an ApiKey with another spec.secret.name"},
	lifecycle.BlockedPredecessor: {v1alpha1.ReasonSecretConflict,
		"Secret %s still belongs to an earlier ApiKey of this name: it goes when the garbage collector comes by; or remove it"},
	lifecycle.BlockedImmutable: {v1alpha1.ReasonSecretImmutable,
		"Secret %s is immutable and does not hold the current credential where spec.secret.key says: delete it, and it is made anew with a new credential"},
}

func (s situation) blocked() (reason, message string, ok bool) {
	if s.dead() || s.plan.Blocked == lifecycle.NotBlocked {
		return "", "", false
	}
	block := blocks[s.plan.Blocked]
	return block.reason, fmt.Sprintf(block.message, s.key.SecretName()), true
}

// ending is the reason and message of a key that does not work because of what its spec says.
func (s situation) ending() (reason, message string, ok bool) {
	switch s.state {
	case v1alpha1.StateRevoked:
		return v1alpha1.ReasonRevoked, "the key was revoked and never works again", true
	case v1alpha1.StateExpired:
		return v1alpha1.ReasonExpired, "the key expired; what was issued so far never works again", true
	case v1alpha1.StateSuspended:
		return v1alpha1.ReasonSuspended, "the key is suspended: unset spec.suspended to resume it", true
	}
	return "", "", false
}

func ready(s situation) metav1.Condition {
	if reason, message, ok := s.blocked(); ok {
		return condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	}
	if s.failure != nil {
		return condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPublishFailed, s.failure.Error())
	}
	if !s.dead() && !s.settled() {
		return condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonIssuing, "a credential is being issued")
	}
	if reason, message, ok := s.ending(); ok {
		return condition(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)
	}
	return condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive,
		"Secret "+s.key.SecretName()+" holds the current credential")
}

func usable(s situation) metav1.Condition {
	if reason, message, ok := s.ending(); ok {
		return condition(v1alpha1.ConditionUsable, metav1.ConditionFalse, reason, message)
	}
	if current, ok := lifecycle.FindCurrent(s.plan.Credentials); ok {
		return condition(v1alpha1.ConditionUsable, metav1.ConditionTrue, v1alpha1.ReasonActive,
			fmt.Sprintf("verifiers accept the credential of revision %d", current.Revision))
	}
	return condition(v1alpha1.ConditionUsable, metav1.ConditionFalse, v1alpha1.ReasonIssuing, "no credential was published yet")
}

func reconciling(s situation) metav1.Condition {
	_, _, blocked := s.blocked()
	if s.dead() || blocked || s.settled() {
		return condition(v1alpha1.ConditionReconciling, metav1.ConditionFalse, "", "")
	}
	if s.failure != nil {
		return condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonPublishFailed, "writing the Secret is tried again")
	}
	return condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonIssuing, "a credential is being issued")
}

func stalled(s situation) metav1.Condition {
	if reason, message, ok := s.blocked(); ok {
		return condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
	}
	return condition(v1alpha1.ConditionStalled, metav1.ConditionFalse, "", "")
}

func condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: shorten(message)}
}

// setCondition keeps the time of the last transition, and drops Reconciling and Stalled when they are
// False, as kstatus wants it.
func setCondition(conditions *[]metav1.Condition, c metav1.Condition, generation int64, now time.Time) {
	abnormal := c.Type == v1alpha1.ConditionReconciling || c.Type == v1alpha1.ConditionStalled
	if abnormal && c.Status == metav1.ConditionFalse {
		meta.RemoveStatusCondition(conditions, c.Type)
		return
	}
	c.ObservedGeneration = generation
	c.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
	meta.SetStatusCondition(conditions, c)
}

// shorten keeps a message within what an event may hold, which is less than a condition may, whatever an
// admission webhook answered.
func shorten(message string) string {
	const most, ellipsis = 1024, "…"
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most-len(ellipsis)], "") + ellipsis
}
