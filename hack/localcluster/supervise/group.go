package supervise

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	// pollInterval is how often a starting or stopping process is looked at.
	pollInterval = 50 * time.Millisecond
	// stopGrace is how long a process may take to end by itself before it is killed.
	stopGrace = 10 * time.Second
	// failedGrace is the same after another process has died.
	failedGrace = time.Second
)

// Component is one process of a cluster.
type Component struct {
	// Name is what messages call it, and the name of its log.
	Name string
	// Command is the program and its arguments.
	Command []string
	// Check returns nil once it is ready; it is called repeatedly from its start on.
	Check func(context.Context) error
}

// Group is the processes of one cluster. It is used by one goroutine at a time.
type Group struct {
	logDir       string
	startTimeout time.Duration
	say          func(format string, args ...any)
	// childEnd and ourEnd are the lifeline, which ends the children when this process does, and is never written to.
	childEnd, ourEnd *os.File
	processes        []*process
	died             chan *process
}

// NewGroup returns an empty group. Logs are written below logDir, startTimeout bounds the time that each component has to
// become ready, and say is called with a line for each step.
func NewGroup(logDir string, startTimeout time.Duration, say func(format string, args ...any)) (*Group, error) {
	childEnd, ourEnd, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("create the children's lifeline: %w", err)
	}
	return &Group{
		logDir: logDir, startTimeout: startTimeout, say: say,
		childEnd: childEnd, ourEnd: ourEnd, died: make(chan *process, 1),
	}, nil
}

// Start starts a component and waits until it is ready. It fails where it, or one that was started before, dies meanwhile.
func (g *Group) Start(ctx context.Context, component Component) error {
	began := time.Now()
	p, err := startProcess(component.Name, filepath.Join(g.logDir, component.Name+".log"), g.childEnd, component.Command)
	if err != nil {
		return err
	}
	g.processes = append(g.processes, p)
	go func() {
		<-p.exited
		select {
		case g.died <- p:
		default: // another one died before: what followed tells nothing
		}
	}()
	if err := g.awaitReady(ctx, p, component.Check); err != nil {
		return err
	}
	g.say("%s ready after %.1fs", component.Name, time.Since(began).Seconds())
	return nil
}

// awaitReady polls check until it succeeds, or any process dies, or the time is up.
func (g *Group) awaitReady(ctx context.Context, p *process, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, g.startTimeout, fmt.Errorf("no answer within %s", g.startTimeout))
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		notReady := check(ctx)
		if notReady == nil {
			return nil
		}
		select {
		case <-tick.C:
		case dead := <-g.died:
			return dead.deathError()
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w; last seen: %w; see %s", p.name, context.Cause(ctx), notReady, p.logPath)
		}
	}
}

// Wait returns nil when ctx is done, or an error with the end of the log of the process that has died.
func (g *Group) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case dead := <-g.died:
		return dead.deathError()
	}
}

// Stop ends the processes in the opposite order, so that each finds what it needs until its end. After a failure it
// has little patience: a process without the one it depends on cannot end well, as the API server would wait for etcd.
func (g *Group) Stop(failed bool) {
	grace := stopGrace
	if failed {
		grace = failedGrace
	}
	began := time.Now()
	for i := len(g.processes) - 1; i >= 0; i-- {
		g.processes[i].stop(grace)
	}
	if len(g.processes) > 0 {
		g.say("stopped after %.1fs", time.Since(began).Seconds())
	}
	_ = g.childEnd.Close()
	_ = g.ourEnd.Close()
}
