//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/files"
	"github.com/apikey-operator/apikey-operator/hack/localcluster/supervise"
)

// Options say what Run starts.
type Options struct {
	// Dir holds everything of this cluster: data, keys, logs, kubeconfig. What an earlier run left there is removed.
	Dir string
	// Binary is this program, which runs itself inside the node. Beside it are the other programs.
	Binary string
	// StartTimeout bounds the time that each component has to become ready.
	StartTimeout time.Duration
	// Progress receives a line for each step.
	Progress io.Writer
	// Ready is called once with the kubeconfig's path when everything runs.
	Ready func(kubeconfig string)
}

// Run starts a cluster, tells when it is ready, and keeps it running until ctx is done (nil is returned then)
// or one of its processes dies. Nothing but files is left when it returns.
func Run(ctx context.Context, options Options) error {
	l, err := newLayout(options.Dir)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("a node needs root: it makes namespaces, mounts and control groups. Run this as root; elsewhere, kind (https://kind.sigs.k8s.io) gives a node in Docker")
	}
	if err := os.MkdirAll(string(l), 0o700); err != nil {
		return fmt.Errorf("create the cluster's directory: %w", err)
	}
	lock, err := supervise.LockPID(l.pidFile())
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := cleanUp(l); err != nil {
		return err
	}
	err = start(ctx, l, options)
	if ctx.Err() != nil {
		err = nil // asked to stop, maybe before everything was ready
	}
	return errors.Join(err, cleanUp(l))
}

// Down stops the cluster whose files are below dir and removes what is left of it, also of one whose supervisor was
// killed. It returns false, without an error, where none ran. One that has not stopped by the time ctx is
// done is killed, and an error says so.
func Down(ctx context.Context, dir string) (stopped bool, err error) {
	l, err := newLayout(dir)
	if err != nil {
		return false, err
	}
	stopped, err = supervise.Down(ctx, l.pidFile())
	if _, statErr := os.Stat(string(l)); errors.Is(statErr, os.ErrNotExist) {
		return stopped, err
	}
	// Held, so that no other supervisor begins meanwhile in what is being removed.
	lock, lockErr := supervise.LockPID(l.pidFile())
	if lockErr != nil {
		return stopped, errors.Join(err, lockErr)
	}
	defer lock.Release()
	return stopped, errors.Join(err, cleanUp(l))
}

// Detach runs "Binary up" in the background, returns when that is ready, and leaves it running; Down stops it.
// It fails, with what the background process said, where that ends before it is ready.
func Detach(options Options) error {
	l, err := newLayout(options.Dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.logDir(), 0o700); err != nil {
		return fmt.Errorf("create the cluster's directory: %w", err)
	}
	up := []string{options.Binary, "up", "--dir", string(l), "--start-timeout", options.StartTimeout.String()}
	kubeconfig, err := supervise.Detach(up, l.path("log/nodecluster.log"), options.Progress)
	if err != nil {
		return err
	}
	options.Ready(kubeconfig)
	return nil
}

// Socket is containerd's, reached from outside the node.
func Socket(dir string) (string, error) {
	l, err := newLayout(dir)
	if err != nil {
		return "", err
	}
	first, err := readIdentity(l.initPID())
	if err != nil || !first.runs() {
		return "", fmt.Errorf("no cluster runs in %s", dir)
	}
	return fmt.Sprintf("/proc/%d/root%s", first.pid, containerdSocket), nil
}

// cleanUp removes what a run left behind. Its processes have ended or are about to: a killed supervisor's node follows it.
func cleanUp(l layout) error {
	if err := awaitEnd(l); err != nil {
		return err
	}
	if err := removeLink(l); err != nil {
		return err
	}
	if err := removeControlGroups(controlGroup(l)); err != nil {
		return err
	}
	return l.removeRun()
}

// start makes the node and waits for its end, after which no process of it is left.
func start(ctx context.Context, l layout, options Options) error {
	if err := l.create(); err != nil {
		return err
	}
	subnet, err := claimSubnet(l)
	if err != nil {
		return err
	}
	if err := writeConfiguration(l, subnet, programsBeside(options.Binary)); err != nil {
		return err
	}
	if err := createControlGroups(controlGroup(l)); err != nil {
		return err
	}
	say(options.Progress, "node at %s, pods in %s, services in %s", subnet.Node, subnet.Pods, subnet.Services)
	n, err := startInit(l, subnet, options)
	if err != nil {
		return err
	}
	defer n.kill()
	if err := n.awaitReady(ctx); err != nil {
		return err
	}
	if err := l.pki().WriteKubeconfig(l.kubeconfig(), adminName, subnet.apiServer()); err != nil {
		return err
	}
	options.Ready(l.kubeconfig())
	return n.wait(ctx)
}

// writeConfiguration writes all files that the components read.
func writeConfiguration(l layout, s subnet, programs string) error {
	if err := l.pki().Prepare(serviceAccountsName, leaves(s), time.Now()); err != nil {
		return err
	}
	for _, user := range []string{controllersName, schedulerName, kubeletName, proxyName, dnsName, adminName} {
		if err := l.pki().WriteKubeconfig(l.config(user+".kubeconfig"), user, localAPIServer); err != nil {
			return err
		}
	}
	if err := renderConfiguration(l, s, programs); err != nil {
		return err
	}
	addresses, err := s.json()
	if err != nil {
		return err
	}
	return files.Write(l.addresses(), addresses)
}

func say(progress io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(progress, "nodecluster: "+format+"\n", args...)
}
