package apikey

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// census is what metrics tell of all ApiKeys. It looks at single fields, since decoding whole objects would make a scrape of
// many take seconds.
type census struct {
	now            time.Time
	states, denied map[string]int // by what is known, and one name for the rest
	expiries       []expiry
	overdue        int
	mostOverdue    time.Duration
}

// expiry is when an ApiKey ends.
type expiry struct {
	at              time.Time
	namespace, name string
}

// maxExpiries is how many ApiKeys are told of by name, and maxNamespaceExpiries how many of them are of one namespace: whoever
// may ask for keys in one could otherwise have a hundred granted that end soon, and no alert would tell that another's ends.
// A fifth is more than a team sees to within a week, and leaves room for four such namespaces beside all others.
const (
	maxExpiries          = 100
	maxNamespaceExpiries = 20
)

// endsSoon is how long before its end an ApiKey is missed where it is not told of by name. The alerts begin within it.
const endsSoon = 14 * 24 * time.Hour

const (
	unknownState = "Unknown"
	otherReason  = "Other"
)

var knownStates = zeros(
	v1alpha1.StatePending, v1alpha1.StateActive, v1alpha1.StateExpiring, v1alpha1.StateExpired,
	v1alpha1.StateDenied, v1alpha1.StateSuspended, v1alpha1.StateRevoked, unknownState,
)

// knownDenials are the reasons for which an ApiKey is Denied.
var knownDenials = zeros(
	v1alpha1.ReasonNoPolicy, v1alpha1.ReasonPolicyUnreadable, v1alpha1.ReasonPermissionNotAllowed, v1alpha1.ReasonTenantRequired,
	v1alpha1.ReasonTenantNotAllowed, v1alpha1.ReasonScopeRequired, v1alpha1.ReasonScopeNotAllowed, v1alpha1.ReasonExpiryRequired,
	v1alpha1.ReasonLifetimeTooLong, v1alpha1.ReasonRotationRequired, v1alpha1.ReasonRotationTooRare, v1alpha1.ReasonRotationOverdue,
	v1alpha1.ReasonGracePeriodTooLong, v1alpha1.ReasonRateLimitRequired, v1alpha1.ReasonRateLimitTooHigh,
	v1alpha1.ReasonImportNotAllowed, v1alpha1.ReasonFormatNotAllowed,
	v1alpha1.ReasonDuplicateKey, v1alpha1.ReasonWeakKey, v1alpha1.ReasonMalformedKey, otherReason,
)

func zeros[S ~string](names ...S) map[string]int {
	counts := map[string]int{}
	for _, name := range names {
		counts[string(name)] = 0
	}
	return counts
}

func newCensus(now time.Time) *census {
	return &census{now: now, states: maps.Clone(knownStates), denied: maps.Clone(knownDenials)}
}

func (c *census) add(object *unstructured.Unstructured) {
	state := textAt(object, "status", "state")
	count(c.states, state, unknownState)
	reason := ""
	if state == string(v1alpha1.StateDenied) {
		reason = denialOf(object)
		count(c.denied, reason, otherReason)
	}
	if object.GetDeletionTimestamp() != nil {
		return
	}
	c.addExpiry(object, v1alpha1.ApiKeyState(state))
	c.addRotation(object, v1alpha1.ApiKeyState(state), reason)
}

func count(counts map[string]int, name, rest string) {
	if _, known := counts[name]; !known {
		name = rest
	}
	counts[name]++
}

// addExpiry takes the earlier of what is asked for and what was granted, as verifiers do. What works for nobody is left out;
// otherwise whoever may ask for keys could push those that work off the list, with a hundred that policy refuses.
func (c *census) addExpiry(object *unstructured.Unstructured, state v1alpha1.ApiKeyState) {
	at := timeAt(object, "spec", "expiresAt")
	if granted := timeAt(object, "status", "grant", "expiresAt"); at.IsZero() || !granted.IsZero() && granted.Before(at) {
		at = granted
	}
	works := state != v1alpha1.StateRevoked && state != v1alpha1.StateExpired && state != v1alpha1.StateDenied
	if works && at.After(c.now) {
		c.expiries = append(c.expiries, expiry{at: at, namespace: object.GetNamespace(), name: object.GetName()})
	}
}

// addRotation leaves out what is not rotated any more, or not before it is granted again.
func (c *census) addRotation(object *unstructured.Unstructured, state v1alpha1.ApiKeyState, denial string) {
	switch state {
	case v1alpha1.StateRevoked, v1alpha1.StateExpired:
		return
	case v1alpha1.StateDenied:
		if denial != v1alpha1.ReasonRotationOverdue {
			return
		}
	case v1alpha1.StatePending, v1alpha1.StateActive, v1alpha1.StateExpiring, v1alpha1.StateSuspended:
	}
	due := timeAt(object, "status", "nextRotationTime")
	if late := c.now.Sub(due); !due.IsZero() && late > 0 {
		c.overdue++
		c.mostOverdue = max(c.mostOverdue, late)
	}
}

// soonest are those that end next, and how many others end soon.
func (c *census) soonest() (told []expiry, omitted int) {
	slices.SortFunc(c.expiries, func(a, b expiry) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	})
	soon := c.now.Add(endsSoon)
	ofNamespace := map[string]int{}
	for _, e := range c.expiries {
		switch {
		case len(told) < maxExpiries && ofNamespace[e.namespace] < maxNamespaceExpiries:
			told = append(told, e)
			ofNamespace[e.namespace]++
		case e.at.After(soon):
			if len(told) == maxExpiries {
				return told, omitted
			}
		default:
			omitted++
		}
	}
	return told, omitted
}

func denialOf(object *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedFieldNoCopy(object.Object, "status", "conditions")
	list, _ := conditions.([]any)
	for _, item := range list {
		if condition, ok := item.(map[string]any); ok && condition["type"] == v1alpha1.ConditionAccepted {
			reason, _ := condition["reason"].(string)
			return reason
		}
	}
	return ""
}

func textAt(object *unstructured.Unstructured, fields ...string) string {
	text, _, _ := unstructured.NestedString(object.Object, fields...)
	return text
}

// timeAt is zero where there is no time.
func timeAt(object *unstructured.Unstructured, fields ...string) time.Time {
	at, err := time.Parse(time.RFC3339, textAt(object, fields...))
	if err != nil {
		return time.Time{}
	}
	return at
}
