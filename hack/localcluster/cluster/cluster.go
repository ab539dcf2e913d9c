package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// pollInterval is how often a starting or stopping process is looked at.
const pollInterval = 50 * time.Millisecond

// Options say what Run starts.
type Options struct {
	// Dir holds everything of this control plane: data, keys, logs, kubeconfig. It may be of an earlier run:
	// the data is kept then, and so is the API server's address where that is still free.
	Dir string
	// Binary is the program that runs a component when its first argument is the component's name.
	Binary string
	// StartTimeout bounds the time that each component has to become ready.
	StartTimeout time.Duration
	// Progress receives a line for each step.
	Progress io.Writer
	// Ready is called once with the kubeconfig's path when everything runs.
	Ready func(kubeconfig string)
}

// controlPlane is what Run has started so far.
type controlPlane struct {
	options   Options
	layout    layout
	etcd      *reservation
	apiserver *reservation
	// lifeline ends the children when this process does, and is never written to.
	lifeline  *os.File
	processes []*process
	died      chan *process
}

// Run starts a control plane, tells when it is ready, and keeps it running until ctx is done (nil is
// returned then) or one of its processes dies (an error with the end of its log).
func Run(ctx context.Context, options Options) error {
	l, err := newLayout(options.Dir)
	if err != nil {
		return err
	}
	if err := l.create(); err != nil {
		return err
	}
	lock, err := lockPID(l.pidFile())
	if err != nil {
		return err
	}
	defer lock.release()
	c := &controlPlane{options: options, layout: l, died: make(chan *process, len(components))}
	if err := c.run(ctx); err != nil && ctx.Err() == nil {
		// A process without the one it depends on cannot end well: the API server would wait for etcd.
		c.stop(failedGrace)
		return err
	}
	c.stop(stopGrace)
	return nil
}

func (c *controlPlane) run(ctx context.Context) error {
	if err := c.prepare(); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	return c.supervise(ctx)
}

// prepare makes what the processes need before the first is started.
func (c *controlPlane) prepare() error {
	if err := c.layout.removeReadyMarks(); err != nil {
		return err
	}
	if err := preparePKI(c.layout, time.Now()); err != nil {
		return err
	}
	var err error
	if c.etcd, err = reservePort(); err != nil {
		return err
	}
	c.apiserver, err = reserveSamePort(c.layout.apiServerPort())
	return err
}

// start starts the components one after the other and waits for each. The kubeconfig is written last: where it stands, everything is ready.
func (c *controlPlane) start(ctx context.Context) error {
	childEnd, ourEnd, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("create the children's lifeline: %w", err)
	}
	defer func() { _ = childEnd.Close() }()
	c.lifeline = ourEnd
	if err := writeKubeconfig(c.layout.controllersKubeconfig(), c.layout, controllersName, c.apiserver.hostPort()); err != nil {
		return err
	}
	for _, component := range components {
		if err := c.startComponent(ctx, component, childEnd); err != nil {
			return err
		}
	}
	return writeKubeconfig(c.layout.kubeconfig(), c.layout, adminName, c.apiserver.hostPort())
}

func (c *controlPlane) startComponent(ctx context.Context, component component, lifeline *os.File) error {
	began := time.Now()
	p, err := startProcess(c.options.Binary, component.name, c.layout.log(component.name), lifeline, component.args(c))
	if err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	go func() {
		<-p.exited
		c.died <- p
	}()
	if err := c.awaitReady(ctx, p, component); err != nil {
		return err
	}
	c.say("%s ready after %.1fs", component.name, time.Since(began).Seconds())
	return nil
}

// awaitReady polls the component's check until it succeeds, or any process dies, or the time is up.
func (c *controlPlane) awaitReady(ctx context.Context, p *process, component component) error {
	check, err := component.check(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.StartTimeout, fmt.Errorf("no answer within %s", c.options.StartTimeout))
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
		case dead := <-c.died:
			return dead.deathError()
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w; last seen: %w; see %s", component.name, context.Cause(ctx), notReady, p.logPath)
		}
	}
}

// supervise reports readiness and waits for the end.
func (c *controlPlane) supervise(ctx context.Context) error {
	c.options.Ready(c.layout.kubeconfig())
	select {
	case <-ctx.Done():
		return nil
	case dead := <-c.died:
		return dead.deathError()
	}
}

// stop ends the processes in the opposite order, so that each finds what it needs until its end.
func (c *controlPlane) stop(grace time.Duration) {
	if err := c.layout.removeReadyMarks(); err != nil {
		c.say("%v", err)
	}
	began := time.Now()
	for i := len(c.processes) - 1; i >= 0; i-- {
		c.processes[i].stop(grace)
	}
	if len(c.processes) > 0 {
		c.say("stopped after %.1fs", time.Since(began).Seconds())
	}
	if c.lifeline != nil {
		_ = c.lifeline.Close()
	}
	for _, port := range []*reservation{c.etcd, c.apiserver} {
		if port != nil {
			port.release()
		}
	}
}

func (c *controlPlane) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.options.Progress, "localcluster: "+format+"\n", args...)
}
