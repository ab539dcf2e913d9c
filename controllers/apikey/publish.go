package apikey

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// mint makes a key and records its hash. The plaintext stays in this process until the hash has had
// time to reach the verifiers.
func (r *Reconciler) mint(ctx context.Context, v view, plan lifecycle.Plan) (time.Time, error) {
	plaintext, err := keys.Generate(r.Random, keys.Format{
		Prefix: v.key.Spec.Format.Prefix,
		Bytes:  int(v.key.Spec.Format.Bytes),
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("generate a key: %w", err)
	}
	minted := plan.Credential
	minted.Hash, minted.Hint = plaintext.Hash().Encode(), plaintext.Hint()
	minted.IssuedAt = r.Clock.Now().Truncate(time.Second)
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
	return apierrors.IsConflict(err) || apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsNotFound(err)
}

// publish writes the Secret on fresh live reads, and then records what it holds now.
func (r *Reconciler) publish(ctx context.Context, v view, planned lifecycle.Plan) (time.Time, error) {
	v, plan, err := r.replan(ctx, v, planned)
	if err != nil {
		return time.Time{}, err
	}
	written, err := r.writeSecret(ctx, v, plan)
	if err != nil {
		return time.Time{}, r.publishFailed(ctx, v, plan, err)
	}
	v = r.liveView(v.key, written)
	plan = r.plan(v)
	return plan.Wake, r.record(ctx, v, plan, nil)
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
	plan := r.plan(v)
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
	left := r.WriteWindow - r.Clock.Since(v.lookedAt)
	if !ok || left <= 0 {
		return nil, errChanged
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	secret := wantedSecret(v.key, v.secret, value)
	write := func() error { return r.Writer.Update(ctx, secret) }
	if v.secret == nil {
		write = func() error { return r.Writer.Create(ctx, secret) }
	}
	if err := write(); err != nil {
		return nil, sanitize(err, value)
	}
	return secret, nil
}

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

// publishFailed tells the ApiKey's author why its Secret could not be written, unless it was a race.
func (r *Reconciler) publishFailed(ctx context.Context, v view, plan lifecycle.Plan, cause error) error {
	if errors.Is(cause, errChanged) || apierrors.IsConflict(cause) || apierrors.IsAlreadyExists(cause) || apierrors.IsNotFound(cause) {
		return cause
	}
	if apierrors.HasStatusCause(cause, corev1.NamespaceTerminatingCause) {
		return nil // nothing is created in a namespace that goes away, and no retry would change that
	}
	r.Metrics.publishFailures.Inc()
	return errors.Join(cause, r.record(ctx, v, plan, cause))
}

// sanitizedError is an API server's refusal of a Secret without the key in its text: an admission
// webhook may quote what it refuses.
type sanitizedError struct {
	text  string
	cause error
}

func (e *sanitizedError) Error() string { return e.text }

// As lets callers classify the error without being able to print what it hides.
func (e *sanitizedError) As(target any) bool {
	status, ok := target.(*apierrors.APIStatus)
	return ok && errors.As(e.cause, status)
}

func sanitize(err error, value []byte) error {
	text := strings.NewReplacer(
		string(value), "[redacted]",
		base64.StdEncoding.EncodeToString(value), "[redacted]",
	).Replace(err.Error())
	return &sanitizedError{text: "write the Secret: " + text, cause: err}
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
	if plan.Promoted {
		r.Metrics.issued.WithLabelValues(string(plan.Credential.Cause)).Inc()
	}
}
