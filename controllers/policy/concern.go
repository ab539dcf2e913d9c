package policy

import (
	"context"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// ApiKeysOfPolicies wakes the ApiKeys of the namespaces that a policy selects, or selected before it was changed, and
// no others. The cache that it reads holds namespaces and ApiKeys.
func (b *Book) ApiKeysOfPolicies() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { b.wake(ctx, q, e.Object) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if saysOtherwise(e) {
				b.wake(ctx, q, e.ObjectOld, e.ObjectNew)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { b.wake(ctx, q, e.Object) },
	}
}

func (b *Book) wake(ctx context.Context, q queue, objects ...client.Object) {
	var policies []policy.Policy
	for _, object := range objects {
		if content, ok := object.(*unstructured.Unstructured); ok {
			policies = append(policies, read(content))
		}
	}
	keys, err := b.concerned(ctx, policies...)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "find the ApiKeys that a policy concerns")
	}
	for i := range keys {
		q.Add(requestFor(&keys[i]))
	}
}

// concerned are the ApiKeys of the namespaces that one of the policies selects.
func (b *Book) concerned(ctx context.Context, policies ...policy.Policy) ([]unstructured.Unstructured, error) {
	var keys []unstructured.Unstructured
	err := b.eachNamespace(ctx, policies, func(namespace policy.Namespace) error {
		found, err := b.apiKeysIn(ctx, namespace.Name)
		keys = append(keys, found...)
		return err
	})
	return keys, err
}

// eachNamespace visits the namespaces that one of the policies selects.
func (b *Book) eachNamespace(ctx context.Context, policies []policy.Policy, visit func(policy.Namespace) error) error {
	namespaces := newNamespaceList()
	if err := b.reader.List(ctx, namespaces, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list the namespaces: %w", err)
	}
	for i := range namespaces.Items {
		namespace := &namespaces.Items[i]
		if !selectedByAny(policies, namespace.Labels) {
			continue
		}
		if err := visit(policy.Namespace{Name: namespace.Name, Labels: namespace.Labels}); err != nil {
			return err
		}
	}
	return nil
}

func selectedByAny(policies []policy.Policy, labels map[string]string) bool {
	for i := range policies {
		if policies[i].Selects(labels) {
			return true
		}
	}
	return false
}

func (b *Book) apiKeysIn(ctx context.Context, namespace string) ([]unstructured.Unstructured, error) {
	list := apiobject.NewList()
	if err := b.reader.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the ApiKeys of namespace %s: %w", namespace, err)
	}
	return list.Items, nil
}

// ApiKeysOfNamespaces wakes the ApiKeys of a namespace.
func (b *Book) ApiKeysOfNamespaces() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, namespace client.Object) []reconcile.Request {
		keys, err := b.apiKeysIn(ctx, namespace.GetName())
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "find the ApiKeys of a namespace")
			return nil
		}
		requests := make([]reconcile.Request, 0, len(keys))
		for i := range keys {
			requests = append(requests, requestFor(&keys[i]))
		}
		return requests
	})
}

// LabelsChanged leaves out what happens to a namespace that policy does not look at.
var LabelsChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		return !maps.Equal(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels())
	},
	DeleteFunc: func(event.DeleteEvent) bool { return false },
}

func requestFor(object client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)}
}
