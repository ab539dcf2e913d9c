package cluster

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/supervise"
)

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
	lock, err := supervise.LockPID(l.pidFile())
	if err != nil {
		return err
	}
	defer lock.Release()
	c := &controlPlane{options: options, layout: l}
	defer c.releasePorts()
	if err := c.prepare(); err != nil {
		return err
	}
	return c.run(ctx)
}

// Down stops the control plane whose files are below dir and waits until its processes are gone.
// It returns false, without an error, where none runs. One that has not stopped by the time ctx
// is done is killed, and an error says so.
func Down(ctx context.Context, dir string) (stopped bool, err error) {
	l, err := newLayout(dir)
	if err != nil {
		return false, err
	}
	return supervise.Down(ctx, l.pidFile())
}

// Detach runs "Binary up" in the background, returns when that is ready, and leaves it running; Down stops it.
// It fails, with what the background process said, where that ends before it is ready.
func Detach(options Options) error {
	l, err := newLayout(options.Dir)
	if err != nil {
		return err
	}
	if err := l.create(); err != nil {
		return err
	}
	up := []string{options.Binary, "up", "--dir", l.dir, "--start-timeout", options.StartTimeout.String()}
	kubeconfig, err := supervise.Detach(up, l.log("localcluster"), options.Progress)
	if err != nil {
		return err
	}
	options.Ready(kubeconfig)
	return nil
}

// prepare makes what the processes need before the first is started.
func (c *controlPlane) prepare() error {
	if err := c.layout.removeReadyMarks(); err != nil {
		return err
	}
	if err := c.layout.pki().Prepare(serviceAccountsName, leaves(), time.Now()); err != nil {
		return err
	}
	var err error
	if c.etcd, err = reservePort(); err != nil {
		return err
	}
	if c.apiserver, err = reserveSamePort(c.layout.apiServerPort()); err != nil {
		return err
	}
	return c.layout.pki().WriteKubeconfig(c.layout.controllersKubeconfig(), controllersName, c.apiserver.hostPort())
}

func (c *controlPlane) run(ctx context.Context) error {
	group, err := supervise.NewGroup(c.layout.logDir(), c.options.StartTimeout, c.say)
	if err != nil {
		return err
	}
	err = c.serve(ctx, group)
	if ctx.Err() != nil {
		err = nil // asked to stop, maybe before everything was ready
	}
	if removeErr := c.layout.removeReadyMarks(); removeErr != nil {
		c.say("%v", removeErr)
	}
	group.Stop(err != nil)
	return err
}

// serve starts the components one after the other, tells that they are ready, and waits for the end. The kubeconfig is
// written last: where it stands, everything is ready.
func (c *controlPlane) serve(ctx context.Context, group *supervise.Group) error {
	components, err := c.components()
	if err != nil {
		return err
	}
	for _, component := range components {
		if err := group.Start(ctx, component); err != nil {
			return err
		}
	}
	if err := c.layout.pki().WriteKubeconfig(c.layout.kubeconfig(), adminName, c.apiserver.hostPort()); err != nil {
		return err
	}
	c.options.Ready(c.layout.kubeconfig())
	return group.Wait(ctx)
}

func (c *controlPlane) releasePorts() {
	for _, port := range []*reservation{c.etcd, c.apiserver} {
		if port != nil {
			port.release()
		}
	}
}

func (c *controlPlane) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.options.Progress, "localcluster: "+format+"\n", args...)
}
