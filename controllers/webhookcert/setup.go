package webhookcert

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// How soon and how late a pass that failed is repeated.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = time.Minute
)

// SetupWithManager has the manager keep certificates, while it leads, and gives what it serves in any case.
func SetupWithManager(ctx context.Context, manager ctrl.Manager, options Options) (*Source, error) {
	if err := options.Durations.Validate(); err != nil {
		return nil, err
	}
	own, err := newCache(manager, options)
	if err != nil {
		return nil, err
	}
	served := &Source{dnsName: options.DNSName}
	informer, err := own.GetInformer(ctx, &corev1.Secret{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watch Secret %s: %w", options.Secret, err)
	}
	if _, err := informer.AddEventHandler(served.eventHandler()); err != nil {
		return nil, fmt.Errorf("watch Secret %s: %w", options.Secret, err)
	}
	return served, New(options, own, manager.GetAPIReader(), manager.GetClient()).start(manager, own)
}

// ownCache runs on every replica, unlike what a manager starts only once it leads.
type ownCache struct{ cache.Cache }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (ownCache) NeedLeaderElection() bool { return false }

// newCache makes a cache of a few named objects alone. The manager's own keeps of Secrets only the metadata.
func newCache(manager ctrl.Manager, options Options) (cache.Cache, error) {
	named := func(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }
	byObject := map[client.Object]cache.ByObject{
		&corev1.Secret{}: {
			Field:      named(options.Secret.Name),
			Namespaces: map[string]cache.Config{options.Secret.Namespace: {}},
		},
	}
	for _, kind := range configurationKinds {
		byObject[newConfiguration(kind)] = cache.ByObject{Field: named(options.Configuration)}
	}
	own, err := cache.New(manager.GetConfig(), cache.Options{
		HTTPClient: manager.GetHTTPClient(), Scheme: manager.GetScheme(), Mapper: manager.GetRESTMapper(),
		ByObject: byObject, DefaultTransform: cache.TransformStripManagedFields(), ReaderFailOnMissingInformer: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make a cache for the webhook's certificates: %w", err)
	}
	return own, manager.Add(ownCache{own})
}

// start has the manager run the reconciler: once at first, at each event, and when it asks for it.
func (r *Reconciler) start(manager ctrl.Manager, own cache.Cache) error {
	request := reconcile.Request{NamespacedName: r.Secret}
	builder := ctrl.NewControllerManagedBy(manager).
		Named("webhookcert").
		WithOptions(controller.Options{
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		WatchesRawSource(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			queue.Add(request)
			return nil
		})).
		WatchesRawSource(source.Kind(own, &corev1.Secret{}, handler.TypedEnqueueRequestsFromMapFunc(
			func(context.Context, *corev1.Secret) []reconcile.Request { return []reconcile.Request{request} })))
	for _, kind := range configurationKinds {
		builder.WatchesRawSource(source.Kind(own, newConfiguration(kind), handler.TypedEnqueueRequestsFromMapFunc(
			func(context.Context, *unstructured.Unstructured) []reconcile.Request {
				return []reconcile.Request{request}
			})))
	}
	return builder.Complete(r)
}
