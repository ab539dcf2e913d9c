// Package apikey holds the controller that issues credentials for ApiKeys. Caches tell it only when to
// look; whatever matters is decided on live reads and written with the resource version that it was
// decided on, since a manager that lost its lease can wake up and go on writing.
package apikey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// +kubebuilder:rbac:groups=apikey-operator.dev,resources=apikeys,verbs=get;list;watch
// +kubebuilder:rbac:groups=apikey-operator.dev,resources=apikeys/status,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Options are what a Reconciler works with. All are required.
type Options struct {
	Cached   client.Reader // informer caches: when to look
	Live     client.Reader // the API server: what to decide on
	Writer   client.Client // Secrets and statuses; always with a resource version
	Clock    clock.PassiveClock
	Random   io.Reader // where keys come from
	Events   events.EventRecorder
	Metrics  *Metrics
	Settings lifecycle.Settings
	Judge    Judge

	// WriteWindow is how old the live reads may be that a write of the Secret is decided on; a process
	// that was paused for longer starts over. It must be shorter than the time in which another manager
	// can take over: lease duration less renew deadline less retry period, since a leader works on for
	// the latter two after its last renewal.
	WriteWindow time.Duration

	// ClockOffset is by how much the API server's clock was ahead of ours at its last answer.
	ClockOffset func() time.Duration

	// RestoreMode adopts the key that a Secret of ours holds where the status was lost. Whoever can write
	// Secrets can then choose keys, so it is for the time of a restore alone.
	RestoreMode bool
}

// Judge says what policy makes of an ApiKey. It may go by caches: where they are stale, the event that mends them
// brings another look, and no key is published before the publish delay is over.
type Judge interface {
	Judge(ctx context.Context, key *v1alpha1.ApiKey, now time.Time) (policy.Verdict, error)
}

// Reconciler issues, heals and ends the credentials of ApiKeys.
type Reconciler struct {
	Options

	held      *heldKeys
	attempts  *attempts
	rotations apispec.Rotations
}

// New makes a Reconciler that holds no plaintext yet.
func New(options Options) *Reconciler {
	return &Reconciler{Options: options, held: newHeldKeys(), attempts: newAttempts()}
}

// errChanged says that what a step was planned on is not there any more: look again.
var errChanged = errors.New("the ApiKey or its Secret has changed meanwhile")

// lookAgain is how soon a pass that lost a race is repeated, if no event brings it about earlier.
const lookAgain = time.Second

// Reconcile brings one ApiKey a step further: look, plan, at most one write of the Secret, at most one
// write of the status.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	key, err := fetch(ctx, r.Cached, req.NamespacedName)
	if apierrors.IsNotFound(err) {
		r.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return r.unreadable(ctx, req, err)
	}
	r.Metrics.readable(req.NamespacedName)
	wake, err := r.step(ctx, key)
	return r.result(ctx, wake, err)
}

// forget lets go of what is kept for an ApiKey that is gone.
func (r *Reconciler) forget(name types.NamespacedName) {
	r.held.forget(name)
	r.attempts.forget(name)
	r.Metrics.readable(name)
}

// step looks, plans and acts, and says when to come back.
func (r *Reconciler) step(ctx context.Context, key *v1alpha1.ApiKey) (time.Time, error) {
	v, err := r.cachedView(ctx, key)
	if err != nil {
		return time.Time{}, err
	}
	plan := r.plan(&v)
	if plan.Action == lifecycle.Look || ends(key, plan) {
		if v, err = r.viewToRecord(ctx, nameOf(key)); err != nil {
			return time.Time{}, err
		}
		plan = r.plan(&v)
	}
	switch plan.Action {
	case lifecycle.Mint:
		return r.mint(ctx, v, plan)
	case lifecycle.Publish, lifecycle.Tidy:
		return r.publish(ctx, v, plan)
	case lifecycle.Conceal:
		return r.conceal(ctx, v, plan)
	case lifecycle.Settle:
		// What was minted and is not wanted any more, of a revoked key for one, is not kept in memory.
		r.held.forget(nameOf(key))
		r.attempts.forget(nameOf(key))
	case lifecycle.Wait, lifecycle.Look:
	}
	return plan.Wake, r.record(ctx, v, plan, nil)
}

// ends says whether a plan ends something for good. It is then made again on a live look, whose answers tell how far
// our clock is from the API server's by now.
func ends(key *v1alpha1.ApiKey, plan lifecycle.Plan) bool {
	state := key.Status.State
	recorded := state == v1alpha1.StateExpired || state == v1alpha1.StateRevoked
	return plan.Expired && !recorded || len(plan.Credentials) < len(key.Status.Credentials)
}

// result turns errors into retries: quick and quiet ones for races that somebody else won.
func (r *Reconciler) result(ctx context.Context, wake time.Time, err error) (ctrl.Result, error) {
	switch {
	case err == nil && wake.IsZero():
		return ctrl.Result{}, nil
	case err == nil:
		return ctrl.Result{RequeueAfter: max(wake.Sub(r.Clock.Now()), time.Millisecond)}, nil
	case errors.Is(err, errChanged), apierrors.IsConflict(err):
		log.FromContext(ctx).V(1).Info("lost a race, looking again", "cause", err.Error())
		return ctrl.Result{RequeueAfter: lookAgain}, nil
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil // deleted between two reads; its deletion comes by the watch
	default:
		return ctrl.Result{}, err
	}
}

// unreadable leaves an ApiKey alone that this version cannot decode: trying again would not help.
func (r *Reconciler) unreadable(ctx context.Context, req ctrl.Request, err error) (ctrl.Result, error) {
	var undecodable *apiobject.DecodeError
	if !errors.As(err, &undecodable) {
		return ctrl.Result{}, fmt.Errorf("read the ApiKey: %w", err)
	}
	r.forget(req.NamespacedName)
	r.Metrics.unreadable(req.NamespacedName)
	log.FromContext(ctx).Error(err, "this ApiKey is left alone until it is corrected")
	return ctrl.Result{}, nil
}
