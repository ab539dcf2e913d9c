package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// manager is a manager that is started again whenever it has ended, as the kubelet does.
type manager struct {
	name string

	mu      sync.Mutex
	process *stack.Manager
	busy    bool // it is being stopped or started
	killed  bool // by us
}

// start starts the manager for the first time or again, with the token of the first time.
func (m *manager) start(ctx context.Context, w *world) error {
	o := stack.Options{Name: m.name, LogLevel: "DEBUG"}
	if m.process != nil {
		o.TokenOf = m.name
	}
	process, err := w.StartManager(ctx, o)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.process, m.busy, m.killed = process, false, false
	return nil
}

// take reserves the manager for a fault, if it runs.
func (m *manager) take() (*stack.Manager, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.process.Exited():
		return nil, false
	default:
	}
	if m.busy {
		return nil, false
	}
	m.busy = true
	return m.process, true
}

func (m *manager) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy = false
}

// keep starts the manager again after a while whenever it has ended, until ctx ends. By itself it may end for one
// reason: it has lost its lease.
func (m *manager) keep(ctx context.Context, w *world, r *rand.Rand) {
	for {
		select {
		case <-m.process.Exited():
		case <-ctx.Done():
			return
		}
		m.mu.Lock()
		m.busy = true
		process, killed := m.process, m.killed
		m.mu.Unlock()
		if !killed {
			w.counts.lostLeases.Add(1)
			w.problem(process.EndedSaying("leader election lost"))
		}
		if !pause(ctx, between(r, 0, 6*time.Second)) {
			return
		}
		if err := m.start(ctx, w); err != nil {
			if ctx.Err() == nil {
				w.problem(err)
			}
			return
		}
	}
}

// kill kills the manager, if it runs; keep starts it again.
func (m *manager) kill(w *world) {
	process, ok := m.take()
	if !ok {
		return
	}
	m.mu.Lock()
	m.killed = true
	m.mu.Unlock()
	w.counts.kills.Add(1)
	w.problem(process.Kill())
}

// stop keeps the manager from running for a while, if it runs.
func (m *manager) stop(ctx context.Context, w *world, d time.Duration) {
	process, ok := m.take()
	if !ok {
		return
	}
	defer m.release()
	w.counts.stops.Add(1)
	w.problem(process.Signal(syscall.SIGSTOP))
	pause(ctx, d)
	w.problem(process.Signal(syscall.SIGCONT))
}

// verifier is a verifier that stands behind the address of all while it is ready.
type verifier struct {
	name    string
	process atomic.Pointer[stack.Verifier]
}

func (v *verifier) start(ctx context.Context, w *world) error {
	o := stack.Options{Name: v.name, LogLevel: "DEBUG", Args: []string{"--drain-delay=0s"}}
	if v.process.Load() != nil {
		o.TokenOf = v.name
	}
	process, err := w.StartVerifier(ctx, o)
	if err == nil {
		v.process.Store(process)
	}
	return err
}

// serve puts the verifiers behind their address that run, which are ready then.
func (w *world) serve() {
	var addresses []string
	for _, v := range w.verifiers {
		select {
		case <-v.process.Load().Exited():
		default:
			addresses = append(addresses, v.process.Load().Address)
		}
	}
	w.service.PointAt(addresses...)
}

// kill kills the verifier, and starts it again after a while.
func (v *verifier) kill(ctx context.Context, w *world, d time.Duration) {
	w.counts.kills.Add(1)
	w.problem(v.process.Load().Kill())
	w.serve()
	pause(ctx, d)
	w.problem(v.start(context.WithoutCancel(ctx), w))
	w.serve()
}

// stopTime draws for how long a manager is stopped: every second time for longer than its lease of 20 s and the
// 2 s in which another tries to get it.
func stopTime(r *rand.Rand) time.Duration {
	const overtaken, most = 22 * time.Second, 28 * time.Second
	if r.IntN(2) == 0 {
		return between(r, overtaken, most)
	}
	return between(r, time.Second, overtaken)
}

// leader is the number of the manager that leads, since that is where it hurts; if none says so, the one that was drawn.
func (w *world) leader(ctx context.Context, drawn int) int {
	for i, m := range w.managers {
		process, free := m.take()
		if !free {
			continue
		}
		leads, err := process.Leads(ctx)
		m.release()
		if err == nil && leads {
			return i
		}
	}
	return drawn
}

// harm kills and stops processes until ctx ends, and returns when all run again or are about to. One verifier
// is always left, so that there is somebody to judge. One manager at a time is stopped, and meanwhile none is killed,
// so that the other can take over before it wakes.
func (w *world) harm(ctx context.Context) {
	r := random(1)
	var oneManager, oneVerifier sync.Mutex
	var group sync.WaitGroup
	defer group.Wait()
	for pause(ctx, between(r, 2*time.Second, 8*time.Second)) {
		which, kind := r.IntN(2), r.IntN(5)
		stopFor, downFor := stopTime(r), between(r, 0, 4*time.Second)
		switch {
		case kind < 3 && oneManager.TryLock():
			m := w.managers[w.leader(ctx, which)]
			group.Go(func() {
				defer oneManager.Unlock()
				if kind == 0 {
					m.kill(w)
				} else {
					m.stop(ctx, w, stopFor)
				}
			})
		case oneVerifier.TryLock():
			group.Go(func() {
				defer oneVerifier.Unlock()
				w.verifiers[which].kill(ctx, w, downFor)
			})
		}
	}
}
