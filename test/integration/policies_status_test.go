package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/policy"
	policyengine "github.com/apikey-operator/apikey-operator/internal/policy"
)

// policyStatus lets the manager look at a policy of the lab once, and returns when it would look again and what the
// status says.
func (l *lab) policyStatus(name string) (time.Duration, v1alpha1.ApiKeyPolicyStatus) {
	l.t.Helper()
	r := &policy.Reconciler{Book: policy.NewBook(l.manager, l.byDefault), Writer: l.manager, Clock: l.clock}
	named := types.NamespacedName{Name: l.policyName(name)}
	result, err := r.Reconcile(l.t.Context(), ctrl.Request{NamespacedName: named})
	l.must(err)
	p := &v1alpha1.ApiKeyPolicy{}
	l.must(l.admin.Get(l.t.Context(), named, p))
	return result.RequeueAfter, p.Status
}

// staffedLab is a lab with several ApiKeys: one that reads, two that do so for a day and a week, and one that writes.
func staffedLab(t *testing.T) *lab {
	t.Helper()
	l := newPolicyLab(t, `{"permissions":["read"]}`)
	l.sibling("day", `{"permissions":["read"],"expiresAt":"2027-01-11T12:00:00Z"}`)
	l.sibling("week", `{"permissions":["read"],"expiresAt":"2027-01-17T12:00:00Z"}`)
	l.sibling("writer", `{"permissions":["write"]}`)
	l.sibling("revoked", `{"permissions":["write"],"revoked":true}`)
	return l
}

func TestThePolicyStatusSaysWhatThePolicyDoes(t *testing.T) {
	t.Parallel()
	const read = `"permissions":["read"]`
	type counts struct{ Selected, Admitted, Refused int64 }
	cases := map[string]struct {
		members     string
		want        counts
		wantReady   metav1.ConditionStatus
		wantReason  string
		wantMessage string
		wantLater   time.Duration
	}{
		"one that admits some": {read, counts{4, 3, 1}, metav1.ConditionTrue, v1alpha1.ReasonInForce, "may have what the policy lists", 0},
		"one that admits none": {"", counts{4, 0, 4}, metav1.ConditionTrue, v1alpha1.ReasonInForce, "may have what the policy lists", 0},
		"one that only warns": {
			read + `,"enforcement":"Warn"`, counts{4, 3, 1}, metav1.ConditionTrue, v1alpha1.ReasonWarnOnly, "neither admits nor refuses", 0,
		},
		"one of which time will admit more": {
			read + `,"maxLifetime":"48h"`, counts{4, 1, 3}, metav1.ConditionTrue, v1alpha1.ReasonInForce, "may have what", 5 * day,
		},
		"one that demands more scopes than there can be": {
			`"scopes":{` + manyScopes(9) + `}`, counts{4, 0, 4}, metav1.ConditionFalse, v1alpha1.ReasonSelfContradictory,
			"the policy can never admit anything: spec.scopes names 9 that an ApiKey has to give, and it can give 8", 0,
		},
	}
	l := staffedLab(t)
	number := 0
	for title, c := range cases {
		number++
		name := objectName(number)
		t.Run(title, func(t *testing.T) {
			l.policy(name, c.members)
			later, status := l.policyStatus(name)
			if got := (counts{status.Selected, status.Admitted, status.Refused}); got != c.want || status.ObservedGeneration != 1 {
				t.Errorf("the counts are %+v of generation %d, want %+v of 1", got, status.ObservedGeneration, c.want)
			}
			ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
			if ready == nil || ready.Status != c.wantReady || ready.Reason != c.wantReason || ready.ObservedGeneration != 1 || !strings.Contains(ready.Message, c.wantMessage) {
				t.Errorf("Ready is %+v, want %s for %s with %q", ready, c.wantReady, c.wantReason, c.wantMessage)
			}
			stalled := meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionStalled)
			if wantStalled := c.wantReady == metav1.ConditionFalse; stalled != wantStalled || len(status.Conditions) > 1 != wantStalled {
				t.Errorf("Stalled: %t, want %t; the conditions are %+v", stalled, wantStalled, status.Conditions)
			}
			if later != c.wantLater {
				t.Errorf("the manager comes back after %s, want %s", later, c.wantLater)
			}
		})
	}
}

// day is one of the labs' clock.
const day = 24 * time.Hour

// manyScopes are n of them, JSON without the braces.
func manyScopes(n int) string {
	var scopes []string
	for i := range n {
		scopes = append(scopes, fmt.Sprintf(`"s%d":["x"]`, i))
	}
	return strings.Join(scopes, ",")
}

func TestThePolicyStatusFollowsAndIsNotWrittenForNothing(t *testing.T) {
	t.Parallel()
	l := staffedLab(t)
	version := func() string {
		p := &v1alpha1.ApiKeyPolicy{}
		l.must(l.admin.Get(t.Context(), types.NamespacedName{Name: l.policyName("probe")}, p))
		return p.ResourceVersion
	}
	l.policy("probe", `"scopes":{`+manyScopes(9)+`}`)
	_, before := l.policyStatus("probe")
	was := version()
	l.advance(time.Hour)
	if _, again := l.policyStatus("probe"); version() != was {
		t.Errorf("the status was written though nothing changed (-before +after):\n%s", cmp.Diff(before, again))
	}
	l.policy("probe", `"permissions":["read"]`)
	_, after := l.policyStatus("probe")
	ready := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionReady)
	if len(after.Conditions) != 1 || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != 2 || !ready.LastTransitionTime.Equal(&metav1.Time{Time: l.clock.Now()}) {
		t.Errorf("the conditions of a mended policy are %+v, want Ready alone, since now", after.Conditions)
	}
}

func TestNamespacesAreSelectedByTheirLabels(t *testing.T) {
	t.Parallel()
	l := staffedLab(t)
	const own = "example.com/selected"
	l.policy("probe", "")
	selector := fmt.Sprintf(`{"spec":{"namespaceSelector":{"matchLabels":{%q:%q}}}}`, own, l.name.Namespace)
	admin(t).send(t, request{method: "PATCH", path: policyPath(l.policyName("probe")), contentType: string(mergePatch), body: selector})
	if _, status := l.policyStatus("probe"); status.Selected != 0 {
		t.Errorf("%d are selected before the namespace has the label", status.Selected)
	}
	l.labelNamespace(own, l.name.Namespace)
	if _, status := l.policyStatus("probe"); status.Selected != 4 {
		t.Errorf("%d are selected when the namespace has the label, want 4", status.Selected)
	}
}

func TestTheColumnsOfAPolicyTellWhatItDoes(t *testing.T) {
	t.Parallel()
	l := staffedLab(t)
	l.policy("probe", `"permissions":["read"],"tenants":["acme"]`)
	l.policyStatus("probe")
	for _, name := range []string{"akp", "apikeypolicies", "apikeypolicy"} {
		lines := strings.Split(strings.TrimSpace(kubectl(t, "", "get", name, l.policyName("probe"), "-o", "wide")), "\n")
		if len(lines) != 2 {
			t.Fatalf("got %q, want a header and one row", lines)
		}
		if diff := cmp.Diff([]string{"NAME", "ENFORCEMENT", "READY", "SELECTED", "ADMITTED", "REFUSED", "AGE", "PERMISSIONS", "TENANTS"}, columns(lines[0])); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
		row := columns(lines[1])
		row = slices.Delete(row, 6, 7) // the age
		if diff := cmp.Diff([]string{l.policyName("probe"), "Deny", "True", "4", "0", "4", `["read"]`, `["acme"]`}, row); diff != "" {
			t.Errorf("row (-want +got):\n%s", diff)
		}
	}
}

// runPolicyManager runs the controller of policies until the test ends, over the lab's namespace and one policy.
func (l *lab) runPolicyManager(name string) {
	l.t.Helper()
	options := l.managerOptions()
	for object, of := range options.Cache.ByObject {
		switch {
		case object.GetObjectKind().GroupVersionKind() == v1alpha1.ApiKeyPolicyKind:
			of.Field = fields.OneTermEqualSelector("metadata.name", l.policyName(name))
		case fmt.Sprintf("%T", object) == fmt.Sprintf("%T", &corev1.Namespace{}):
			of.Field = fields.OneTermEqualSelector("metadata.name", l.name.Namespace)
		}
		options.Cache.ByObject[object] = of
	}
	options.Cache.DefaultNamespaces = map[string]cache.Config{l.name.Namespace: {}}
	m, err := ctrl.NewManager(manager(l.t).config, options)
	l.must(err)
	ctx, stop := context.WithCancel(l.t.Context())
	r := &policy.Reconciler{Book: policy.NewBook(m.GetClient(), l.byDefault), Writer: m.GetClient(), Clock: clock.RealClock{}, Recount: 50 * time.Millisecond}
	l.must(r.SetupWithManager(m))
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	l.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			l.t.Errorf("the manager ended with %v", err)
		}
	})
}

func TestARunningManagerKeepsThePolicyStatusUpToDate(t *testing.T) {
	t.Parallel()
	l := staffedLab(t)
	l.policy("probe", `"permissions":["read"],"tenantFromNamespaceLabel":"`+tenantLabel+`"`)
	l.runPolicyManager("probe")
	expect := func(when string, selected, admitted int64) {
		t.Helper()
		l.await(fmt.Sprintf("%d of %d admitted %s", admitted, selected, when), func() bool {
			p := &v1alpha1.ApiKeyPolicy{}
			l.must(l.admin.Get(t.Context(), types.NamespacedName{Name: l.policyName("probe")}, p))
			return p.Status.Selected == selected && p.Status.Admitted == admitted && p.Status.ObservedGeneration == p.Generation
		})
	}
	expect("at the start", 4, 0)
	further := l.sibling("further", `{"permissions":["read"],"tenant":"acme"}`)
	expect("with a further ApiKey", 5, 1)
	l.edit(`{"spec":{"tenant":"acme"}}`)
	expect("after a change of an ApiKey", 5, 2)
	l.labelNamespace(tenantLabel, "globex")
	expect("after a change of the namespace's labels", 5, 0)
	l.policy("probe", `"permissions":["read"],"tenants":["*"]`)
	expect("after a change of the policy", 5, 2)
	l.must(l.admin.Delete(t.Context(), further.apiKey()))
	expect("without the further ApiKey", 4, 1)
	l.edit(`{"spec":{"revoked":true}}`)
	expect("after a revocation", 3, 0)
}

// It runs while no other test does: what nobody can read concerns all namespaces.
func TestAPolicyThatWasStoredBeforeTheSchemaWasTightenedFailsClosed(t *testing.T) {
	unreadable := map[string]string{
		"a list of words":           `{"namespaceSelector":{},"permissions":"*"}`,
		"a lifetime in words":       `{"namespaceSelector":{},"permissions":["*"],"maxLifetime":"2 weeks"}`,
		"a selector that cannot be": `{"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"Gt","values":["1"]}]},"permissions":["*"]}`,
	}
	number := 0
	for title, spec := range unreadable {
		number++
		name := objectName(number)
		t.Run(title, func(t *testing.T) {
			l := newPolicyLab(t, `{"permissions":["read"]}`)
			l.byDefault = policyengine.AllowByDefault
			name := l.policyName(name)
			storePolicy(t, name, spec)
			l.await("the stored policy", func() bool {
				_, err := admin(t).do(t.Context(), request{method: "GET", path: policyPath(name)})
				return err == nil
			})
			l.work().expectWrites("put status")
			l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonPolicyUnreadable)
			l.expectMessage(v1alpha1.ConditionAccepted, "ApiKeyPolicy "+name+" cannot be read (")
			l.policy("readable", `"permissions":["read"]`)
			l.work()
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		})
	}
}
