package apikey

import (
	"fmt"
	"strings"

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
	if takesEffect(plan) {
		events = append(events, published(plan.Credential, secretOf(after)))
	}
	for _, c := range plan.Ended {
		events = append(events, notice{corev1.EventTypeNormal, v1alpha1.ReasonCredentialEnded, "Issue",
			fmt.Sprintf("the credential of revision %d (%s) ended before its grace period, since a newer one is published", c.Revision, c.Hint)})
	}
	if ref := before.Status.SecretRef; plan.Concealed && ref != nil && after.Status.SecretRef == nil {
		events = append(events, notice{corev1.EventTypeNormal, v1alpha1.ReasonConcealed, "Conceal",
			fmt.Sprintf("Secret %s is removed, since spec.secret.deleteAfter is over; the credential goes on working", ref.Name)})
	}
	if begins(before, after, v1alpha1.ConditionExpiring) {
		events = append(events, notice{corev1.EventTypeWarning, v1alpha1.ReasonExpiring, "Expire",
			"the key expires at " + expiryText(after) + ": set a later spec.expiresAt to keep it"})
	}
	if begins(before, after, v1alpha1.ConditionAccepted) && meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionAccepted) != nil {
		events = append(events, notice{corev1.EventTypeNormal, v1alpha1.ReasonAccepted, "Grant", "all that the spec asks for is granted now"})
	}
	if before.Status.State != after.Status.State {
		events = append(events, stateChange(before.Status.State, after)...)
	}
	return append(events, troubles(before, after)...)
}

// takesEffect says whether a credential became the current one and is granted: a duplicate's claim is recorded as well.
func takesEffect(plan lifecycle.Plan) bool {
	return plan.Promoted && plan.Denied == lifecycle.NotDenied
}

// begins says whether a condition is True that was not.
func begins(before, after *v1alpha1.ApiKey, kind string) bool {
	return meta.IsStatusConditionTrue(after.Status.Conditions, kind) && !meta.IsStatusConditionTrue(before.Status.Conditions, kind)
}

// origins tell why there is a new credential; those that nobody asked for are warnings.
var origins = map[lifecycle.Cause]struct{ kind, text string }{
	lifecycle.Issued:         {corev1.EventTypeNormal, "published the credential of revision %d (%s) in Secret %s"},
	lifecycle.SecretLost:     {corev1.EventTypeWarning, "published the credential of revision %d (%s) in Secret %s, since the Secret was gone"},
	lifecycle.SecretChanged:  {corev1.EventTypeWarning, "published the credential of revision %d (%s) in Secret %s, since the Secret did not hold the current one"},
	lifecycle.Renewed:        {corev1.EventTypeNormal, "published the credential of revision %d (%s) in Secret %s, since the expired key was given a later expiresAt"},
	lifecycle.Rotated:        {corev1.EventTypeNormal, "published the credential of revision %d (%s) in Secret %s, since it was time to rotate"},
	lifecycle.RevisionRaised: {corev1.EventTypeNormal, "published the credential of revision %d (%s) in Secret %s, since the spec asks for a higher revision"},
	lifecycle.Restored:       {corev1.EventTypeWarning, "took over the credential of revision %d (%s) from Secret %s, since the status was lost and the manager is in restore mode"},
	lifecycle.Imported:       {corev1.EventTypeNormal, "took over the key of revision %d (%s) that spec.source names"},
	lifecycle.SourceChanged:  {corev1.EventTypeNormal, "took over the key of revision %d (%s), since spec.source names another one"},
}

func published(c lifecycle.Credential, secret string) notice {
	origin := origins[c.Cause]
	values := []any{c.Revision, c.Hint, secret}
	return notice{origin.kind, string(c.Cause), "Publish", fmt.Sprintf(origin.text, values[:strings.Count(origin.text, "%")]...)}
}

func stateChange(before v1alpha1.ApiKeyState, after *v1alpha1.ApiKey) []notice {
	switch after.Status.State {
	case v1alpha1.StateRevoked:
		return []notice{{corev1.EventTypeNormal, v1alpha1.ReasonRevoked, "Revoke", "the key was revoked and never works again"}}
	case v1alpha1.StateExpired:
		return []notice{{corev1.EventTypeWarning, v1alpha1.ReasonExpired, "Expire", "the key expired; what was issued so far never works again"}}
	case v1alpha1.StateSuspended:
		return []notice{{corev1.EventTypeNormal, v1alpha1.ReasonSuspended, "Suspend", "the key is suspended"}}
	case v1alpha1.StateActive, v1alpha1.StatePending, v1alpha1.StateExpiring:
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
		if now == nil || now.Reason == v1alpha1.ReasonIssuing || now.Reason == v1alpha1.ReasonRotating || was != nil && was.Reason == now.Reason {
			continue
		}
		ready := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
		events = append(events, notice{corev1.EventTypeWarning, now.Reason, "Publish", ready.Message})
	}
	return events
}
