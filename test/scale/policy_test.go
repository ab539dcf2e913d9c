package scale

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// share is a namespace with a policy of its own, which is called the same, and some of the keys.
type share struct {
	namespace   string
	first, keys int
}

// shares are a hundredth of all keys, a tenth, and all others.
func shares() []share {
	hundredth, tenth := settings.restartKeys/100, settings.restartKeys/10
	return []share{
		{"a-hundredth", 0, hundredth},
		{"a-tenth", hundredth, tenth},
		{"the-rest", hundredth + tenth, settings.restartKeys - hundredth - tenth},
	}
}

// namespaceOf is where the nth key lives.
func namespaceOf(n int) string {
	for _, s := range shares() {
		if n < s.first+s.keys {
			return s.namespace
		}
	}
	return ""
}

func (l *lab) makeShares(t *testing.T) {
	t.Helper()
	for _, s := range shares() {
		policy := &v1alpha1.ApiKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
		policy.Spec.NamespaceSelector.MatchLabels = map[string]v1alpha1.SelectorValue{corev1.LabelMetadataName: v1alpha1.SelectorValue(s.namespace)}
		policy.Spec.Permissions = []v1alpha1.Permission{"read"}
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace, Labels: map[string]string{"own-policies": ""}}}
		for _, object := range []client.Object{namespace, policy} {
			if err := l.kube.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// awaitCounts waits until the status of each policy tells of all its keys.
func (l *lab) awaitCounts(t *testing.T) {
	t.Helper()
	for _, s := range shares() {
		await(t, "the numbers of policy "+s.namespace, func(ctx context.Context) error {
			policy := &v1alpha1.ApiKeyPolicy{}
			err := l.kube.Get(ctx, types.NamespacedName{Name: s.namespace}, policy)
			if err == nil && policy.Status.Admitted != int64(s.keys) {
				err = fmt.Errorf("it admits %d", policy.Status.Admitted)
			}
			return err
		})
	}
}

// changePolicies takes the grants of each share away and gives them back.
func (l *lab) changePolicies(t *testing.T) {
	for _, s := range shares() {
		before := l.credentials(t)
		l.proxy.Take()
		l.changePolicy(t, s, `{"spec":{"permissions":["write"]}}`, v1alpha1.StateDenied)
		l.changePolicy(t, s, `{"spec":{"permissions":["read"]}}`, v1alpha1.StateActive)
		if diff := cmp.Diff(before, l.credentials(t)); diff != "" {
			t.Errorf("the grants of %s came back with other credentials (-before +after):\n%s", s.namespace, diff)
		}
	}
}

// changePolicy changes the policy of a share, and waits until all its keys are in a state.
func (l *lab) changePolicy(t *testing.T, s share, patch string, want v1alpha1.ApiKeyState) {
	t.Helper()
	before, err := stack.Scrape(t.Context(), l.manager.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	series := fmt.Sprintf("apikey_operator_apikeys{state=%q}", want)
	began := time.Now()
	policy := &v1alpha1.ApiKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	if err := l.kube.Patch(t.Context(), policy, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
	l.awaitMetric(t, series, before[series]+float64(s.keys))
	took := time.Since(began)
	written := map[string]int{}
	requests := l.proxy.Take()
	l.report(t, fmt.Sprintf("%s of all ApiKeys, %d, became %s within %.2f s of the change of their policy", s.namespace, s.keys, want, took.Seconds()), requests, s.keys)
	for _, r := range requests {
		if isKeyWrite(r) {
			written[r.Verb+" "+r.Resource]++
		}
	}
	if diff := cmp.Diff(map[string]int{"update apikeys/status": s.keys}, written); diff != "" {
		t.Errorf("what was written after the change of %s (-want +got):\n%s", s.namespace, diff)
	}
}

// credentials are the hashes of all current ones, by the names of their keys.
func (l *lab) credentials(t *testing.T) map[string]string {
	t.Helper()
	current := map[string]string{}
	for _, key := range l.list(t).Items {
		for _, c := range key.Status.Credentials {
			if c.State == v1alpha1.CredentialCurrent {
				current[key.Name] = c.Hash
			}
		}
	}
	return current
}
