package apikey

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// This file alone sets conditions; conditions.go says what they are. They are computed from what was
// observed and planned, and never read back as input.

// nextStatus is the status that a view and the plan made for it call for. A failure is that of a write
// of the Secret, already free of plaintext.
func nextStatus(v view, plan lifecycle.Plan, failure error, now time.Time) v1alpha1.ApiKeyStatus {
	was := v.key.Status
	next := v1alpha1.ApiKeyStatus{
		ObservedGeneration: v.key.Generation,
		State:              stateOf(v.key, plan),
		Hint:               hintOf(plan),
		Grant:              grantOf(v, plan),
		Credentials:        toAPI(plan.Credentials),
		SecretRef:          secretRefOf(v, plan),
		LastRotationTime:   lastRotation(plan),
		NextRotationTime:   toTime(plan.NextRotation),
		Conditions:         append([]metav1.Condition(nil), was.Conditions...),
	}
	s := situation{key: v.key, plan: plan, failure: failure, invalid: v.invalid, state: next.State, verdict: v.verdict}
	for _, c := range []metav1.Condition{ready(s), usable(s), accepted(s), expiring(s), policyWarning(s), reconciling(s), stalled(s)} {
		setCondition(&next.Conditions, c, v.key.Generation, now)
	}
	return next
}

// sameStatus compares by meaning: equal instants are equal, and an empty list is none.
func sameStatus(a, b v1alpha1.ApiKeyStatus) bool {
	return equality.Semantic.DeepEqual(a, b)
}

// grantOf is what the manager accepts of a spec: all of it, or nothing. The expiry that a key died of stays on
// record until it is issued anew, and one that it may have died of until that is certain.
func grantOf(v view, plan lifecycle.Plan) *v1alpha1.Grant {
	if deniesAll(plan) {
		return withdrawn(v.key, plan)
	}
	was, spec := v.key.Status.Grant, v.key.Spec
	until := toTime(timeOf(spec.ExpiresAt))
	switch {
	case plan.Lapsed:
		return was
	case plan.Undecided && was != nil:
		until = was.ExpiresAt
	case plan.Undecided:
		until = nil
	}
	return &v1alpha1.Grant{
		Tenant:       spec.Tenant,
		Permissions:  spec.Permissions,
		Scopes:       spec.Scopes,
		ExpiresAt:    until,
		AllowedCIDRs: spec.AllowedCIDRs,
		RateLimit:    spec.RateLimit,
		Policy:       v.verdict.Policy,
	}
}

// withdrawn is what is left of a grant that is taken back: until when it was, or until when the spec asks since, if that is
// sooner. Without that nobody could tell later that a key had expired meanwhile, and it would come back to life with its
// next grant.
func withdrawn(key *v1alpha1.ApiKey, plan lifecycle.Plan) *v1alpha1.Grant {
	until, was := timeOf(key.Spec.ExpiresAt), key.Status.Grant
	switch {
	case plan.Expired:
	case was != nil:
		if granted := timeOf(was.ExpiresAt); until.IsZero() || !granted.IsZero() && granted.Before(until) {
			until = granted
		}
	case len(plan.Credentials) == 0:
		return nil // nothing was issued that could come back
	}
	if until.IsZero() {
		return nil
	}
	return &v1alpha1.Grant{ExpiresAt: toTime(until)}
}

// deniesAll says whether nothing that the spec asks for is granted.
func deniesAll(plan lifecycle.Plan) bool {
	switch plan.Denied {
	case lifecycle.DeniedByPolicy, lifecycle.DeniedOverdue, lifecycle.DeniedShort, lifecycle.DeniedDuplicate:
		return true
	case lifecycle.NotDenied, lifecycle.DeniedWeak, lifecycle.DeniedMalformed:
	}
	return false
}

func stateOf(key *v1alpha1.ApiKey, plan lifecycle.Plan) v1alpha1.ApiKeyState {
	_, issued := lifecycle.FindCurrent(plan.Credentials)
	switch {
	case key.Spec.Revoked:
		return v1alpha1.StateRevoked
	case plan.Expired, plan.Lapsed:
		return v1alpha1.StateExpired
	case isDenied(plan):
		return v1alpha1.StateDenied
	case key.Spec.Suspended:
		return v1alpha1.StateSuspended
	case issued && plan.Expiring:
		return v1alpha1.StateExpiring
	case issued:
		return v1alpha1.StateActive
	default:
		return v1alpha1.StatePending
	}
}

// isDenied says whether nothing of an ApiKey works since it was not granted. Verifiers refuse all credentials then,
// so one that was replaced by a value that is no key keeps its grace only while the state is another.
func isDenied(plan lifecycle.Plan) bool {
	switch plan.Denied {
	case lifecycle.NotDenied:
		return false
	case lifecycle.DeniedWeak, lifecycle.DeniedMalformed:
		return len(plan.Credentials) == 0
	case lifecycle.DeniedByPolicy, lifecycle.DeniedOverdue, lifecycle.DeniedShort, lifecycle.DeniedDuplicate:
	}
	return true
}

func hintOf(plan lifecycle.Plan) string {
	current, _ := lifecycle.FindCurrent(plan.Credentials)
	return current.Hint
}

// lastRotation is when the current credential took the place of another.
func lastRotation(plan lifecycle.Plan) *metav1.Time {
	current, issued := lifecycle.FindCurrent(plan.Credentials)
	switch current.Cause {
	case lifecycle.Issued, lifecycle.Imported, lifecycle.Restored:
		return nil
	case lifecycle.SecretLost, lifecycle.SecretChanged, lifecycle.Renewed, lifecycle.Rotated, lifecycle.RevisionRaised, lifecycle.SourceChanged:
	}
	if !issued {
		return nil
	}
	return toTime(current.PublishedAt)
}

// secretRefOf records a Secret that was read live and found to hold the current credential. One that
// holds something else is recorded without a resource version if it is the object that we made, so that it
// stays known as ours and yet is looked at again.
func secretRefOf(v view, plan lifecycle.Plan) *v1alpha1.SecretReference {
	recorded := v.key.Status.SecretRef
	if apispec.SourceOf(v.key).Kind == lifecycle.FromHash {
		return nil
	}
	settled := v.seen.Tidy || v.seen.Immutable
	switch v.seen.State {
	case lifecycle.SecretUnread:
		if v.key.Status.ObservedGeneration != v.key.Generation {
			return unsettled(recorded) // another spec may want it otherwise
		}
		return recorded
	case lifecycle.SecretAsRecorded:
		return recorded
	case lifecycle.SecretOffered:
		settled = !v.seen.Short
	case lifecycle.SecretOurs:
	case lifecycle.SecretAbsent, lifecycle.SecretGoneAsRecorded, lifecycle.SecretForeign, lifecycle.SecretOfPredecessor, lifecycle.SecretNotOffered:
		return nil
	}
	if current, ok := lifecycle.FindCurrent(plan.Credentials); ok && current.Hash == v.seen.Hash && settled {
		return referenceTo(v.secret, v.minLength())
	}
	if recorded != nil && recorded.UID == string(v.secret.UID) {
		return unsettled(recorded)
	}
	return nil
}

// unsettled keeps which Secret is ours, and has it looked at again.
func unsettled(recorded *v1alpha1.SecretReference) *v1alpha1.SecretReference {
	if recorded == nil {
		return nil
	}
	return &v1alpha1.SecretReference{Name: recorded.Name, UID: recorded.UID}
}

func condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: shorten(message)}
}

// abnormal are the conditions that stand only while they are True, as kstatus wants it of the last two.
var abnormal = []string{v1alpha1.ConditionExpiring, v1alpha1.ConditionPolicyWarning, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled}

// setCondition keeps the time of the last transition.
func setCondition(conditions *[]metav1.Condition, c metav1.Condition, generation int64, now time.Time) {
	if slices.Contains(abnormal, c.Type) && c.Status == metav1.ConditionFalse {
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
