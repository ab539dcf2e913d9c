package apikey

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// event is one event to be made; its note names hints and revisions, never a key.
type event struct {
	kind, reason, action, note string
}

// changes are the events of one status write, told by comparing the status before and after.
func changes(before, after *v1alpha1.ApiKey, plan lifecycle.Plan) []event {
	var events []event
	if plan.Promoted {
		events = append(events, published(plan.Credential, after.SecretName()))
	}
	for _, c := range plan.Ended {
		events = append(events, event{corev1.EventTypeNormal, v1alpha1.ReasonCredentialEnded, "Issue",
			fmt.Sprintf("the credential of revision %d (%s) ended before its grace period, since a newer one is issued", c.Revision, c.Hint)})
	}
	if before.Status.State != after.Status.State {
		events = append(events, stateChange(before.Status.State, after)...)
	}
	return append(events, troubles(before, after)...)
}

func published(c lifecycle.Credential, secret string) event {
	kind, why := corev1.EventTypeNormal, ""
	switch c.Cause {
	case lifecycle.SecretLost:
		kind, why = corev1.EventTypeWarning, ", since the Secret was gone"
	case lifecycle.SecretChanged:
		kind, why = corev1.EventTypeWarning, ", since the Secret did not hold the current one"
	case lifecycle.Renewed:
		why = ", since the expired key was given a later expiresAt"
	case lifecycle.Issued:
	}
	return event{kind, string(c.Cause), "Publish",
		fmt.Sprintf("published the credential of revision %d (%s) in Secret %s%s", c.Revision, c.Hint, secret, why)}
}

func stateChange(before v1alpha1.ApiKeyState, after *v1alpha1.ApiKey) []event {
	switch after.Status.State {
	case v1alpha1.StateRevoked:
		return []event{{corev1.EventTypeNormal, v1alpha1.ReasonRevoked, "Revoke", "the key was revoked and never works again"}}
	case v1alpha1.StateExpired:
		return []event{{corev1.EventTypeWarning, v1alpha1.ReasonExpired, "Expire", "the key expired and never works again"}}
	case v1alpha1.StateSuspended:
		return []event{{corev1.EventTypeNormal, v1alpha1.ReasonSuspended, "Suspend", "the key is suspended"}}
	case v1alpha1.StateActive, v1alpha1.StatePending:
		if before == v1alpha1.StateSuspended {
			return []event{{corev1.EventTypeNormal, v1alpha1.ReasonResumed, "Resume", "the key works again"}}
		}
	}
	return nil
}

// troubles are what somebody should look at: a new reason for Stalled, or for a failed publish.
func troubles(before, after *v1alpha1.ApiKey) []event {
	var events []event
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling} {
		now := meta.FindStatusCondition(after.Status.Conditions, kind)
		was := meta.FindStatusCondition(before.Status.Conditions, kind)
		if now == nil || now.Reason == v1alpha1.ReasonIssuing || was != nil && was.Reason == now.Reason {
			continue
		}
		ready := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
		events = append(events, event{corev1.EventTypeWarning, now.Reason, "Publish", ready.Message})
	}
	return events
}
