package apikey

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/policy"
)

// secretNameIndex finds the ApiKeys that have to do with a Secret of a name.
const secretNameIndex = "secretName"

// Indexes are what the cache of ApiKeys must be searchable by.
var Indexes = map[string]client.IndexerFunc{
	HashIndex:       HashesOf,
	secretNameIndex: secretNames,
	sourceHashIndex: sourceHashes,
}

// concurrency is how many ApiKeys are worked on at once; each waits for the API server most of the time.
const concurrency = 8

// CacheOptions say what the manager's caches keep: of Secrets the metadata without what could hold a
// value of theirs, of namespaces the labels, of ApiKeys and ApiKeyPolicies all but the managed fields. What is not watched on purpose cannot be read
// from them: otherwise reading one whole Secret by a slip would cache all.
func CacheOptions() cache.Options {
	return cache.Options{
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}:      {Transform: stripSecret},
			&corev1.Namespace{}:   {Transform: stripNamespace},
			apiobject.New():       {Transform: cache.TransformStripManagedFields()},
			apiobject.NewPolicy(): {Transform: cache.TransformStripManagedFields()},
		},
	}
}

// ClientOptions make the manager's client read ApiKeys from the cache though they are unstructured.
func ClientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{Unstructured: true}}
}

// stripSecret drops what a metadata-only watch still carries of a Secret's contents: kubectl's
// last-applied-configuration is an annotation and can hold the data whole.
func stripSecret(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, fmt.Errorf("strip a Secret before caching: %w", err)
	}
	accessor.SetManagedFields(nil)
	accessor.SetLabels(nil)
	annotations := maps.Clone(accessor.GetAnnotations())
	maps.DeleteFunc(annotations, func(name, _ string) bool {
		return !strings.HasPrefix(name, v1alpha1.GroupName+"/")
	})
	accessor.SetAnnotations(annotations)
	return object, nil
}

// stripNamespace keeps what policy looks at.
func stripNamespace(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, fmt.Errorf("strip a namespace before caching: %w", err)
	}
	accessor.SetManagedFields(nil)
	accessor.SetAnnotations(nil)
	return object, nil
}

// SetupWithManager starts the controller with a manager: on ApiKeys, on the metadata of Secrets, and on the policies
// and labels of namespaces by which a book judges, unless it is blank. The caches of a manager that does not lead hold all of
// it too.
func (r *Reconciler) SetupWithManager(ctx context.Context, manager ctrl.Manager, book *policy.Book) error {
	for name, values := range Indexes {
		if err := manager.GetFieldIndexer().IndexField(ctx, apiobject.New(), name, values); err != nil {
			return fmt.Errorf("index ApiKeys by %s: %w", name, err)
		}
	}
	if err := keepInformed(ctx, manager.GetCache(), book); err != nil {
		return err
	}
	c := ctrl.NewControllerManagedBy(manager).
		Named("apikey").
		For(apiobject.New(), builder.WithPredicates(predicate.Funcs{UpdateFunc: matters})).
		Watches(apiobject.New(), r.rivals()).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.wantersOf)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrency,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		})
	if !book.IsBlank() {
		c = c.WatchesMetadata(&corev1.Namespace{}, book.ApiKeysOfNamespaces(), builder.WithPredicates(policy.LabelsChanged)).
			Watches(apiobject.NewPolicy(), book.ApiKeysOfPolicies())
	}
	return c.Complete(r)
}

// matters leaves out updates that only tell of an outcome: the manager writes conditions itself, and must
// not be woken by its own words.
func matters(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*unstructured.Unstructured)
	after, ok2 := e.ObjectNew.(*unstructured.Unstructured)
	return !ok || !ok2 || before.GetGeneration() != after.GetGeneration() || before.GetUID() != after.GetUID() ||
		!before.GetDeletionTimestamp().Equal(after.GetDeletionTimestamp()) ||
		!reflect.DeepEqual(withoutConditions(before), withoutConditions(after))
}

func withoutConditions(object *unstructured.Unstructured) map[string]any {
	status, ok := object.Object["status"].(map[string]any)
	if !ok {
		return nil
	}
	rest := maps.Clone(status)
	delete(rest, "conditions")
	return rest
}

// secretNames is secretOf for an object that may not decode.
func secretNames(object client.Object) []string {
	content, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	if name, _, _ := unstructured.NestedString(content.Object, "spec", "source", "secretRef", "name"); name != "" {
		return []string{name}
	}
	if name, _, _ := unstructured.NestedString(content.Object, "spec", "secret", "name"); name != "" {
		return []string{name}
	}
	return []string{object.GetName()}
}

// wantersOf are the ApiKeys that a Secret of this name concerns, whoever owns it: the way out of a
// conflict is that the other Secret goes.
func (r *Reconciler) wantersOf(ctx context.Context, secret client.Object) []reconcile.Request {
	list := apiobject.NewList()
	err := r.Cached.List(ctx, list, client.InNamespace(secret.GetNamespace()),
		client.MatchingFields{secretNameIndex: secret.GetName()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "find the ApiKeys of a Secret", "secret", secret.GetName())
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, requestFor(&list.Items[i]))
	}
	return requests
}
