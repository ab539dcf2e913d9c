package policy

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Reconciler says in the status of each policy what it does.
type Reconciler struct {
	Book   *Book
	Writer client.Client
	Clock  clock.PassiveClock

	// Recount is how long ApiKeys may change before the numbers follow, such as 3s: thousands change at once, and each
	// count looks at all of them.
	Recount time.Duration
}

// lookAgain is how soon a status is computed again that lost a race: what won it may be a label, or a status of ours
// that the cache had not heard of, and neither brings another look.
const lookAgain = time.Second

// SetupWithManager starts the controller with a manager.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).
		Named("apikeypolicy").
		For(apiobject.NewPolicy(), builder.WithPredicates(predicate.Funcs{UpdateFunc: saysOtherwise})).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.policies), builder.WithPredicates(LabelsChanged)).
		Watches(apiobject.New(), r.later(), builder.WithPredicates(predicate.Funcs{UpdateFunc: asksOtherwise})).
		Complete(r)
}

// saysOtherwise leaves out what does not change what a policy says. One that came and went unseen may be of the same
// generation.
func saysOtherwise(e event.UpdateEvent) bool {
	return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || e.ObjectOld.GetUID() != e.ObjectNew.GetUID()
}

// asksOtherwise leaves out what does not change what an ApiKey asks for.
func asksOtherwise(e event.UpdateEvent) bool {
	return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
		!e.ObjectOld.GetDeletionTimestamp().Equal(e.ObjectNew.GetDeletionTimestamp())
}

// policies are all of them: a namespace whose labels changed may be selected by others now.
func (r *Reconciler) policies(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.selecting(ctx, func(policy.Policy) bool { return true })
}

func (r *Reconciler) selecting(ctx context.Context, selects func(policy.Policy) bool) []reconcile.Request {
	list := apiobject.NewPolicyList()
	if err := r.Book.reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "find the policies that a change concerns")
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if selects(r.Book.shared.read(&list.Items[i])) {
			requests = append(requests, requestFor(&list.Items[i]))
		}
	}
	return requests
}

// later wakes the policies that select the namespace of an ApiKey after a while, and once for all that happens
// until then.
func (r *Reconciler) later() handler.Funcs {
	add := func(ctx context.Context, key client.Object, q queue) {
		namespace, err := r.Book.namespace(ctx, key.GetNamespace())
		if err != nil {
			return // it is gone, or about to be heard of, which wakes all policies
		}
		for _, request := range r.selecting(ctx, func(p policy.Policy) bool { return p.Selects(namespace.Labels) }) {
			q.AddAfter(request, r.Recount)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { add(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { add(ctx, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { add(ctx, e.Object, q) },
	}
}

// Reconcile brings one policy's status up to date.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	object := apiobject.NewPolicy()
	if err := r.Book.reader.Get(ctx, request.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	decoded, err := apiobject.DecodePolicy(object)
	if err != nil {
		log.FromContext(ctx).Error(err, "this ApiKeyPolicy admits nothing until it is corrected")
		return ctrl.Result{}, nil
	}
	now := r.Clock.Now()
	account, err := r.Book.accountFor(ctx, policyOf(decoded), now)
	if err != nil {
		return ctrl.Result{}, err
	}
	switch err := r.record(ctx, decoded, account, now); {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: lookAgain}, nil
	case err != nil || account.later.IsZero():
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return ctrl.Result{RequeueAfter: max(account.later.Sub(now), time.Second)}, nil
}

func (r *Reconciler) record(ctx context.Context, p *v1alpha1.ApiKeyPolicy, a account, now time.Time) error {
	wanted := p.DeepCopy()
	wanted.Status = statusOf(p, a, now)
	if equality.Semantic.DeepEqual(p.Status, wanted.Status) {
		return nil
	}
	if err := r.Writer.Status().Update(ctx, wanted); err != nil {
		return fmt.Errorf("record the status: %w", err)
	}
	return nil
}
