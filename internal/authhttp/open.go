package authhttp

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// openLanes are the lanes in service.
type openLanes struct {
	stopped atomic.Bool

	mu    sync.Mutex
	lanes map[*lane]struct{}
	empty chan struct{} // closed once there are none and no more come; nil before stop
}

// add must not be called after stop.
func (o *openLanes) add(l *lane) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lanes == nil {
		o.lanes = map[*lane]struct{}{}
	}
	o.lanes[l] = struct{}{}
}

func (o *openLanes) remove(l *lane) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.lanes, l)
	o.closeIfEmpty()
}

func (o *openLanes) closeIfEmpty() {
	if o.empty != nil && len(o.lanes) == 0 {
		close(o.empty)
		o.empty = nil
	}
}

// stopping reports whether lanes that are between two requests are to end: after a last look, and no more than one request.
func (o *openLanes) stopping() bool { return o.stopped.Load() }

// lastLook is how long a lane that is between two requests has until it ends: for a request that has arrived and that nobody
// has noticed yet, which a deadline in the past would leave unread. A process that is throttled may stand still for longer
// than 100 ms.
const lastLook = 250 * time.Millisecond

// stop ends the lanes that are between two requests, and waits for the others until they have answered theirs, or ctx ends.
func (o *openLanes) stop(ctx context.Context) error {
	soon := time.Now().Add(lastLook)
	empty := make(chan struct{})
	o.mu.Lock()
	o.stopped.Store(true)
	for l := range o.lanes {
		if l.between.Load() {
			_ = l.conn.SetReadDeadline(soon) // it ends by itself then
		}
	}
	o.empty = empty
	o.closeIfEmpty()
	o.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
