package apikey

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// notice is one event to be made; its note names hints and revisions, never a key.
type notice struct {
	kind, reason, action, note string
}

// changes are the events of one status write, told by comparing the status before and after.
func changes(before, after *v1alpha1.ApiKey, plan lifecycle.Plan) []notice {
	var events []notice
	if plan.Promoted {
		events = append(events, published(plan.Credential, after.SecretName()))
	}
	for _, c := range plan.Ended {
		events = append(events, notice{corev1.EventTypeNormal, v1alpha1.ReasonCredentialEnded, "Issue",
			fmt.Sprintf("the credential of revision %d (%s) ended before its grace period, since a newer one is published", c.Revision, c.Hint)})
	}
	if before.Status.State != after.Status.State {
		events = append(events, stateChange(before.Status.State, after)...)
	}
	return append(events, troubles(before, after)...)
}

func published(c lifecycle.Credential, secret string) notice {
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
	return notice{kind, string(c.Cause), "Publish",
		fmt.Sprintf("published the credential of revision %d (%s) in Secret %s%s", c.Revision, c.Hint, secret, why)}
}

func stateChange(before v1alpha1.ApiKeyState, after *v1alpha1.ApiKey) []notice {
	switch after.Status.State {
	case v1alpha1.StateRevoked:
		return []notice{{corev1.EventTypeNormal, v1alpha1.ReasonRevoked, "Revoke", "the key was revoked and never works again"}}
	case v1alpha1.StateExpired:
		return []notice{{corev1.EventTypeWarning, v1alpha1.ReasonExpired, "Expire", "the key expired; what was issued so far never works again"}}
	case v1alpha1.StateSuspended:
		return []notice{{corev1.EventTypeNormal, v1alpha1.ReasonSuspended, "Suspend", "the key is suspended"}}
	case v1alpha1.StateActive, v1alpha1.StatePending:
		if before == v1alpha1.StateSuspended {
			return []notice{{corev1.EventTypeNormal, v1alpha1.ReasonResumed, "Resume", "the key is no longer suspended"}}
		}
	}
	return nil
}

// troubles are what somebody should look at: a new reason for Stalled, or for a failed publish.
func troubles(before, after *v1alpha1.ApiKey) []notice {
	var events []notice
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling} {
		now := meta.FindStatusCondition(after.Status.Conditions, kind)
		was := meta.FindStatusCondition(before.Status.Conditions, kind)
		if now == nil || now.Reason == v1alpha1.ReasonIssuing || was != nil && was.Reason == now.Reason {
			continue
		}
		ready := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
		events = append(events, notice{corev1.EventTypeWarning, now.Reason, "Publish", ready.Message})
	}
	return events
}
