package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/test/sim/apimodel"
)

// fault is what happens at one call of a process to the API server.
type fault int

const (
	noFault      fault = iota
	refused            // the API server answers with an error and has done nothing
	unanswered         // it is done, but the answer is lost
	landsLate          // it is given up, and done when nobody expects it any more
	killedBefore       // the process is gone before the call
	killedAfter        // the process is gone before it sees the answer
	killedLate         // it is gone, and its call is done later
	paused             // the process is paused before the call while another takes over, and goes on
	meddled            // somebody edits or meddles right before the call
	faultKinds
)

// errKilled is what a call returns in a process that is gone; nobody is there to see it.
var errKilled = errors.New("the process is gone")

// processClient makes the calls of one process, and lets faults happen.
type processClient struct {
	apimodel.Client
	process *process
}

// Get implements client.Reader.
func (c processClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return c.process.call(ctx, nil, func(ctx context.Context) error { return c.Client.Get(ctx, key, object, options...) })
}

// Create implements client.Writer.
func (c processClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	return c.process.write(ctx, object, func(ctx context.Context, o client.Object) error { return c.Client.Create(ctx, o, options...) })
}

// Update implements client.Writer.
func (c processClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	return c.process.write(ctx, object, func(ctx context.Context, o client.Object) error { return c.Client.Update(ctx, o, options...) })
}

// Delete implements client.Writer.
func (c processClient) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	return c.process.write(ctx, object, func(ctx context.Context, o client.Object) error { return c.Client.Delete(ctx, o, options...) })
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
func (s statusWriter) Update(ctx context.Context, object client.Object, options ...client.SubResourceUpdateOption) error {
	return s.process.write(ctx, object, func(ctx context.Context, o client.Object) error {
		return s.SubResourceWriter.Update(ctx, o, options...)
	})
}

// write makes a call that changes something, and has the world checked when it has landed.
func (p *process) write(ctx context.Context, object client.Object, do func(context.Context, client.Object) error) error {
	w := p.manager.world
	p.writes++
	admitted := p.admitted
	landed := func(ctx context.Context, o client.Object) error {
		err := do(ctx, o)
		if err == nil {
			w.ledger.wrote(o, admitted)
			w.observe()
		}
		return err
	}
	later := func() {
		copied, ok := object.DeepCopyObject().(client.Object)
		if !ok {
			w.Fatalf("%T is no object", object)
		}
		w.landLate(func() { _ = landed(context.Background(), copied) }) // that it is refused is a fine end for it
	}
	return p.call(ctx, later, func(ctx context.Context) error { return landed(ctx, object) })
}

// landLate keeps a write back, for less than a fence.
func (w *world) landLate(land func()) {
	delay := time.Duration(w.draw("seconds until it lands", int(fence/time.Second))) * time.Second
	w.late = append(w.late, lateWrite{deadline: w.now().Add(delay), land: land})
	slices.SortStableFunc(w.late, func(a, b lateWrite) int { return a.deadline.Compare(b.deadline) })
}

// call makes a call with what happens before and after it. Later makes it land late; nil for a read.
func (p *process) call(ctx context.Context, later func(), do func(context.Context) error) error {
	p.calls++
	if p.dead {
		return errKilled
	}
	f := p.drawFault()
	fellAsleep := p.manager.world.now()
	switch f {
	case refused:
		return apierrors.NewInternalError(fmt.Errorf("no leader in etcd"))
	case landsLate, killedLate:
		if later != nil {
			later()
		}
		if p.dead = f == killedLate; p.dead {
			return errKilled
		}
		return apierrors.NewTimeoutError("the request was given up", 0)
	case killedBefore:
		p.dead = true
		return errKilled
	case paused:
		p.pause()
	case meddled:
		p.manager.world.meddle()
	case noFault, unanswered, killedAfter, faultKinds:
	}
	if deadline, bounded := ctx.Deadline(); bounded && p.outOfTime(deadline, fellAsleep) {
		return context.DeadlineExceeded
	}
	err := do(ctx)
	switch f {
	case unanswered:
		return apierrors.NewTimeoutError("the answer was lost", 0)
	case killedAfter:
		p.dead = true
		return errKilled
	default:
		return err
	}
}

// outOfTime says whether a deadline has passed while the process was asleep: no request is sent then. The deadline
// was set by the wall's clock, which stands still here, so it is taken as a duration from when it was set.
func (p *process) outOfTime(deadline, fellAsleep time.Time) bool {
	return p.manager.world.now().Sub(fellAsleep) >= time.Until(deadline)
}

func (p *process) drawFault() fault {
	w := p.manager.world
	const oneIn = 10
	if p.faultless || w.nested || w.faults == 0 || w.draw("fault", oneIn) < oneIn-1 {
		return noFault
	}
	w.faults--
	return fault(1 + w.draw("kind of fault", int(faultKinds)-1))
}

// pause lets time pass in which the other manager takes over and works. It may be very long.
func (p *process) pause() {
	w := p.manager.world
	w.nested = true
	defer func() { w.nested = false }()
	for _, other := range w.managers {
		if other == p.manager {
			continue
		}
		w.advance(takeover)
		patience := []time.Duration{writeWindow / 2, fence + time.Second}[w.draw("patience", 2)]
		other.settle(patience)
		if w.draw("a long pause", 3) == 0 {
			w.advance(10 * fence)
			other.settle(fence + time.Second)
		}
	}
	if w.draw("woken by a loss", 2) == 0 {
		w.loseSecret()
	}
}
