package policy

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	policyengine "github.com/apikey-operator/apikey-operator/internal/policy"
)

// getting is a cluster from which policies can be had one by one as well.
type getting struct{ *cluster }

func (g getting) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	object, isContent := into.(*unstructured.Unstructured)
	if !isContent {
		return g.cluster.Get(ctx, key, into, options...)
	}
	for i := range g.policies {
		if g.policies[i].GetName() == key.Name {
			g.policies[i].DeepCopyInto(object)
			return nil
		}
	}
	return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("apikeypolicies").GroupResource(), key.Name)
}

// answering is a client that answers every write of a status in the same way.
type answering struct {
	client.Client
	err error
}

func (a answering) Status() client.SubResourceWriter { return statuses{err: a.err} }

type statuses struct {
	client.SubResourceWriter
	err error
}

func (s statuses) Update(context.Context, client.Object, ...client.SubResourceUpdateOption) error {
	return s.err
}

// Neither a label that somebody puts on a policy nor a status of ours brings another look by itself, and both can be
// what a cache had not heard of.
func TestAStatusThatLostARaceIsWrittenAfterAnotherLook(t *testing.T) {
	t.Parallel()
	resource := v1alpha1.GroupVersion.WithResource("apikeypolicies").GroupResource()
	cases := map[string]struct {
		answer    error
		wantAgain bool
		wantErr   bool
	}{
		"it was written":     {nil, false, false},
		"it has changed":     {apierrors.NewConflict(resource, "read", errors.New("changed")), true, false},
		"it is gone":         {apierrors.NewNotFound(resource, "read"), false, false},
		"the server is down": {errors.New("refused"), false, true},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			there := newCluster(t)
			there.policy("read", `{namespaceSelector: {}, permissions: [read]}`)
			r := &Reconciler{
				Book:   NewBook(getting{there}, policyengine.DenyByDefault),
				Writer: answering{err: c.answer},
				Clock:  clocktesting.NewFakePassiveClock(now),
			}
			result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "read"}})
			if (err != nil) != c.wantErr || result.RequeueAfter > 0 != c.wantAgain {
				t.Errorf("got %+v, %v; want another look: %t, an error: %t", result, err, c.wantAgain, c.wantErr)
			}
		})
	}
}

func TestAPolicyIsLookedAtAgainWhenItSaysOtherwiseOrIsAnother(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*unstructured.Unstructured)
		want   bool
	}{
		"its spec":                   {func(p *unstructured.Unstructured) { p.SetGeneration(2) }, true},
		"another one of its name":    {func(p *unstructured.Unstructured) { p.SetUID("another") }, true},
		"its labels":                 {func(p *unstructured.Unstructured) { p.SetLabels(map[string]string{"a": "b"}) }, false},
		"its status, or nothing yet": {func(p *unstructured.Unstructured) { p.SetResourceVersion("2") }, false},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			before := newCluster(t).policy("read", `{namespaceSelector: {}}`)
			after := before.DeepCopy()
			c.change(after)
			if got := saysOtherwise(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}
