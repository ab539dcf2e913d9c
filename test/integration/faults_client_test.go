package integration

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fault is what happens at one call of a process to the API server.
type fault struct {
	call int // from 1; 0: none
	kind faultKind
}

type faultKind string

const (
	// refused: the API server answers with an error and has done nothing.
	refused faultKind = "refused"
	// unanswered: it is done, but the answer is lost.
	unanswered faultKind = "done but reported failed"
	// landsLate: it is given up, and done when nobody expects it any more.
	landsLate faultKind = "landed late"
	// landsLateKilled: the same, of a process that is gone before it could try again.
	landsLateKilled faultKind = "landed late, after the process was killed"
	// killedBefore: the process is gone before the call.
	killedBefore faultKind = "killed before the call"
	// killedAfter: the process is gone before it sees the answer.
	killedAfter faultKind = "killed after the call"
	// pausedShort: the process is paused before the call while another takes over, and goes on.
	pausedShort faultKind = "paused while another works"
	// pausedLong: the same, until long after the fence.
	pausedLong faultKind = "paused for very long while another works"
	// pausedSecretLost: the same, and when it goes on the Secret has just been deleted.
	pausedSecretLost faultKind = "paused, and woken when the Secret has just been deleted"
	// pausedLongSecretLost: the same, long after the fence.
	pausedLongSecretLost faultKind = "paused for very long, and woken when the Secret has just been deleted"
	// revokedMeanwhile: the key is revoked just before the call.
	revokedMeanwhile faultKind = "the key is revoked just before the call"
)

// processClient makes the calls of one process, and lets its fault happen.
type processClient struct {
	client.Client
	process *process
}

// Get implements client.Reader.
func (c processClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return c.process.call(ctx, fmt.Sprintf("get %T", object), false, func() error {
		return c.Client.Get(ctx, key, object, options...)
	})
}

// Create implements client.Writer.
func (c processClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	return c.process.write(ctx, "create Secret", object, func(ctx context.Context, o client.Object) error {
		return c.Client.Create(ctx, o, options...)
	})
}

// Update implements client.Writer.
func (c processClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	return c.process.write(ctx, "update Secret", object, func(ctx context.Context, o client.Object) error {
		return c.Client.Update(ctx, o, options...)
	})
}

// Delete implements client.Writer.
func (c processClient) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	asked := (&client.DeleteOptions{}).ApplyOptions(options)
	if asked.Preconditions != nil {
		c.process.deletions = append(c.process.deletions, client.Preconditions(*asked.Preconditions))
	}
	if happen := c.process.beforeDelete; happen != nil {
		c.process.beforeDelete = nil
		happen()
	}
	return c.process.write(ctx, "delete Secret", object, func(ctx context.Context, o client.Object) error {
		return c.Client.Delete(ctx, o, options...)
	})
}

// Status implements client.StatusClient.
func (c processClient) Status() client.SubResourceWriter {
	return statusWriter{SubResourceWriter: c.Client.Status(), process: c.process}
}

type statusWriter struct {
	client.SubResourceWriter
	process *process
}

// Update implements client.SubResourceWriter.
func (w statusWriter) Update(ctx context.Context, object client.Object, options ...client.SubResourceUpdateOption) error {
	return w.process.write(ctx, "put status", object, func(ctx context.Context, o client.Object) error {
		return w.SubResourceWriter.Update(ctx, o, options...)
	})
}

// write makes a call that changes something, and checks the world when it has landed.
func (p *process) write(ctx context.Context, what string, object client.Object, do func(context.Context, client.Object) error) error {
	l := p.lab
	landed := func(ctx context.Context, o client.Object) error {
		err := do(ctx, o)
		if err == nil {
			if _, ok := o.(*corev1.Secret); ok {
				l.tampered = l.rewriting
			}
			l.hear()
			l.check()
		}
		return err
	}
	if p.due() && !p.dead && (p.fault.kind == landsLate || p.fault.kind == landsLateKilled) {
		copied, ok := object.DeepCopyObject().(client.Object)
		if !ok {
			return fmt.Errorf("%T is no object", object)
		}
		p.calls = append(p.calls, what)
		p.dead = p.fault.kind == landsLateKilled
		l.late = append(l.late, func() { _ = landed(l.t.Context(), copied) }) // a conflict is a fine end for it
		return apierrors.NewTimeoutError("the request was given up", 0)
	}
	return p.call(ctx, what, true, func() error { return landed(ctx, object) })
}

// due says whether the next call is the one at which the fault happens.
func (p *process) due() bool { return p.fault.call == len(p.calls)+1 }

// call makes a call with what happens before and after it.
func (p *process) call(ctx context.Context, what string, writes bool, do func() error) error {
	due := p.due()
	p.calls = append(p.calls, what)
	if p.dead {
		return errKilled
	}
	if !due {
		return do()
	}
	if err := p.before(ctx, writes); err != nil {
		return err
	}
	err := do()
	switch p.fault.kind {
	case unanswered:
		return apierrors.NewTimeoutError("the answer was lost", 0)
	case killedAfter:
		p.dead = true
		return errKilled
	default:
		return err
	}
}

// before lets happen what a fault brings about before its call; an error is the end of the call.
func (p *process) before(ctx context.Context, writes bool) error {
	l := p.lab
	fellAsleep := l.clock.Now()
	switch p.fault.kind {
	case refused:
		return apierrors.NewInternalError(fmt.Errorf("no leader in etcd"))
	case landsLate: // of a read: it is just lost
		return apierrors.NewTimeoutError("the request was given up", 0)
	case killedBefore, landsLateKilled:
		p.dead = true
		return errKilled
	case revokedMeanwhile:
		l.edit(`{"spec":{"revoked":true}}`)
	case pausedShort, pausedSecretLost:
		l.advance(labTakeover)
		l.start(fault{}).settleWithin(labWriteWindow / 2)
	case pausedLong, pausedLongSecretLost:
		l.advance(labTakeover)
		l.start(fault{}).settle()
		l.advance(10 * labFence)
		l.start(fault{}).settle()
	case unanswered, killedAfter:
	}
	if p.fault.kind == pausedSecretLost || p.fault.kind == pausedLongSecretLost {
		l.loseSecret()
	}
	if _, bounded := ctx.Deadline(); writes && bounded && l.clock.Since(fellAsleep) >= l.window {
		// The client sends no request whose context has ended. The context goes by the wall clock, which
		// stands still here, so this does for the lab's clock what it does for that.
		return context.DeadlineExceeded
	}
	return nil
}

// loseSecret deletes the Secret, which is a reason for another credential only where it holds the newest one: where
// that is still to be written, there is one reason for it already.
func (l *lab) loseSecret() {
	l.t.Helper()
	value, ok := l.ownValue(l.apiKey(), l.secret())
	if ok && value == l.published[len(l.published)-1] {
		l.lost++
	}
	l.deleteSecret()
}

// foreignSecret is a Secret for tests that need one which is not ours.
func foreignSecret(l *lab) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.name.Namespace, Name: l.name.Name},
		StringData: map[string]string{"api-key": "not ours"},
	}
}
