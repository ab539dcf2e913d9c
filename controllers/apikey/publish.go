package apikey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// mint makes a key and records its hash. The plaintext stays in this process until the hash has had
// time to reach the verifiers.
func (r *Reconciler) mint(ctx context.Context, v view, plan lifecycle.Plan) (time.Time, error) {
	plaintext, err := keys.Generate(r.Random, formatOf(v))
	if err != nil {
		return time.Time{}, fmt.Errorf("generate a key: %w", err)
	}
	minted := plan.Credential
	minted.Hash, minted.Hint = plaintext.Hash().Encode(), plaintext.Hint()
	plan.Credentials = append(plan.Credentials, minted)

	err = r.record(ctx, v, plan, nil)
	if definitelyRefused(err) {
		plaintext.Wipe()
		return time.Time{}, err
	}
	var answered time.Time // stays zero where no answer came: the record may stand all the same
	if err == nil {
		answered = r.Clock.Now()
	}
	r.held.hold(v.key, minted.Hash, plaintext, answered)
	return answered.Add(r.Settings.PublishDelay), err
}

// definitelyRefused says whether a failed write has certainly not been done and never will be.
func definitelyRefused(err error) bool {
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return false
	}
	code := answer.Status().Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError
}

// publish writes the Secret on fresh live reads, and then records what it holds now.
func (r *Reconciler) publish(ctx context.Context, v view, planned lifecycle.Plan) (time.Time, error) {
	if last, early := r.attempts.waiting(v.key, planned.Credential.Hash, r.Clock.Now()); early {
		return last.next, r.record(ctx, v, planned, last.failure)
	}
	v, plan, err := r.replan(ctx, v, planned)
	if err != nil {
		return time.Time{}, err
	}
	written, err := r.writeSecret(ctx, v, plan)
	if err != nil {
		return r.publishFailed(ctx, v, plan, err)
	}
	return r.recordSecret(ctx, v.key, written)
}

// recordSecret records what came of a write of the Secret; nil where it was removed.
func (r *Reconciler) recordSecret(ctx context.Context, key *v1alpha1.ApiKey, secret *corev1.Secret) (time.Time, error) {
	v, err := r.liveView(ctx, key, secret)
	if err != nil {
		return time.Time{}, err
	}
	plan := r.plan(&v)
	return plan.Wake, r.record(ctx, v, plan, nil)
}

// conceal removes the Secret whose time is over.
func (r *Reconciler) conceal(ctx context.Context, v view, planned lifecycle.Plan) (time.Time, error) {
	if last, early := r.attempts.waiting(v.key, planned.Credential.Hash, r.Clock.Now()); early {
		return last.next, r.record(ctx, v, planned, last.failure)
	}
	v, plan, err := r.replan(ctx, v, planned)
	if err != nil {
		return time.Time{}, err
	}
	if err := r.removeSecret(ctx, v); err != nil {
		return r.publishFailed(ctx, v, plan, err)
	}
	return r.recordSecret(ctx, v.key, nil)
}

// removeSecret removes the very state of the Secret that was looked at, or none.
func (r *Reconciler) removeSecret(ctx context.Context, v view) error {
	ctx, cancel := r.withinWindow(ctx, v)
	defer cancel()
	if ctx.Err() != nil {
		return errChanged
	}
	err := r.Writer.Delete(ctx, v.secret, client.Preconditions{UID: &v.secret.UID, ResourceVersion: &v.secret.ResourceVersion})
	if err != nil {
		// A webhook may quote the Secret that it does not let go, so its words are left out.
		return &sanitizedError{text: fmt.Sprintf("remove the Secret, whose time is over: refused as %q", apierrors.ReasonForError(err)), cause: err}
	}
	return nil
}

// replan looks again, live and in the order that a write of the Secret needs, and goes on only if the
// same write is still called for: not if our Pending is gone, nor if the Secret holds another's value.
func (r *Reconciler) replan(ctx context.Context, v view, planned lifecycle.Plan) (view, lifecycle.Plan, error) {
	started := r.Clock.Now()
	v, err := r.viewToPublish(ctx, v.key)
	if err != nil {
		return v, planned, err
	}
	v.lookedAt = started
	plan := r.plan(&v)
	if plan.Action != planned.Action || plan.Credential.Hash != planned.Credential.Hash {
		return v, plan, errChanged
	}
	return v, plan, nil
}

// writeSecret creates a Secret that was seen to be absent and updates one with the resource version it
// was seen with; either fails if another writer came first. A patch or an apply would not. What resource
// versions cannot tell, a Secret that came and went meanwhile, is kept out by the age of the look.
func (r *Reconciler) writeSecret(ctx context.Context, v view, plan lifecycle.Plan) (*corev1.Secret, error) {
	value, ok := r.valueToWrite(v, plan)
	ctx, cancel := r.withinWindow(ctx, v)
	defer cancel()
	if !ok || ctx.Err() != nil {
		return nil, errChanged
	}
	secret := wantedSecret(v.key, v.secret, plan.Credential, value)
	write := func() error { return r.Writer.Update(ctx, secret) }
	if v.secret == nil {
		write = func() error { return r.Writer.Create(ctx, secret) }
	}
	if err := write(); err != nil {
		return nil, sanitize(err, append(ownValues(v), value)...)
	}
	if !bytes.Equal(secret.Data[v.key.SecretKey()], value) || !isTidy(v.key, secret, plan.Credential) {
		return nil, errRewritten
	}
	return secret, nil
}

// withinWindow gives a write of the Secret the time in which the look that it was decided on is still good.
func (r *Reconciler) withinWindow(ctx context.Context, v view) (context.Context, context.CancelFunc) {
	left := r.WriteWindow - r.Clock.Since(v.lookedAt)
	return context.WithTimeout(ctx, left)
}

// ownValues are the keys that the Secret holds now: a webhook sees and may quote them too.
func ownValues(v view) [][]byte {
	var values [][]byte
	if v.secret != nil {
		for _, value := range v.secret.Data {
			if isOurs(v.key, value) {
				values = append(values, value)
			}
		}
	}
	return values
}

// errRewritten says that what was stored is not what was sent.
var errRewritten = errors.New("write the Secret: the API server stored another value than it was sent, of the key or of what spec.secret asks for: " +
	"exempt the Secrets of ApiKeys from the mutating admission webhook that changes them")

// valueToWrite is the plaintext: of a key that this process holds, or of one that the Secret holds
// under another data key.
func (r *Reconciler) valueToWrite(v view, plan lifecycle.Plan) ([]byte, bool) {
	if plan.Action == lifecycle.Tidy {
		value := findValue(v.secret, plan.Credential.Hash)
		return value, value != nil
	}
	plaintext, ok := r.held.plaintext(v.key, plan.Credential.Hash)
	return plaintext.Reveal(), ok
}

// publishFailed says when to try again, and tells the ApiKey's author why its Secret could not be written,
// unless that looks like a race.
func (r *Reconciler) publishFailed(ctx context.Context, v view, plan lifecycle.Plan, cause error) (time.Time, error) {
	if apierrors.HasStatusCause(cause, corev1.NamespaceTerminatingCause) {
		return time.Time{}, nil // nothing is created in a namespace that goes away, and no retry would change that
	}
	last := r.attempts.failed(v.key, plan.Credential.Hash, cause, r.mayLand(v, cause), r.Clock.Now())
	if last.failure == nil {
		return last.next, nil
	}
	r.Metrics.publishFailures.Inc()
	log.FromContext(ctx).Error(last.failure, "the key could not be published", "retry", last.next)
	return last.next, r.record(ctx, v, plan, last.failure)
}

// mayLand is for how long a write of the Secret that failed may still land. A create of a key is not repeated
// meanwhile: if one landed twice, the second could come when the key was replaced and its Secret removed, and put
// an ended key back. For one create alone its Pending stands long enough. An update loses by its resource version.
func (r *Reconciler) mayLand(v view, cause error) time.Duration {
	unsent, done := errors.Is(cause, errChanged), errors.Is(cause, errRewritten)
	if v.secret != nil || unsent || done || definitelyRefused(cause) {
		return 0
	}
	return r.Settings.Fence
}

// record computes the status that a plan calls for and writes it if it differs from what stands.
func (r *Reconciler) record(ctx context.Context, v view, plan lifecycle.Plan, failure error) error {
	if !v.key.DeletionTimestamp.IsZero() {
		return nil
	}
	wanted := v.key.DeepCopy()
	wanted.Status = nextStatus(v, plan, failure, r.Clock.Now())
	if sameStatus(v.key.Status, wanted.Status) {
		return nil
	}
	if err := r.Writer.Status().Update(ctx, wanted); err != nil {
		return fmt.Errorf("record the status: %w", err)
	}
	r.report(v.key, wanted, plan)
	return nil
}

// report makes events and counts of what a status write has just changed.
func (r *Reconciler) report(before, after *v1alpha1.ApiKey, plan lifecycle.Plan) {
	for _, e := range changes(before, after, plan) {
		r.Events.Eventf(after, nil, e.kind, e.reason, e.action, "%s", e.note)
	}
	if takesEffect(plan) {
		r.Metrics.issued.WithLabelValues(string(plan.Credential.Cause)).Inc()
	}
}
