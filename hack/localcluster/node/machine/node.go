//go:build linux

package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// InitCommand is the first argument with which Options.Binary becomes the first process of the node; see Init.
const InitCommand = "init"

// readyLine is what the node says once everything runs.
const readyLine = "ready\n"

// boot is what the node's first process is told.
type boot struct {
	Dir, Programs, StartTimeout string
	Second                      byte // of the subnet
}

// node is the running first process of a node, seen from outside.
type node struct {
	cmd *exec.Cmd
	// lifeline ends the node when this process does.
	lifeline *os.File
	said     io.ReadCloser
	ready    chan error
	exited   chan struct{}
}

// startInit starts the node's first process in namespaces of its own, and gives it its end of the link.
func startInit(l layout, s subnet, options Options) (*node, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("create the node's lifeline: %w", err)
	}
	defer func() { _ = theirs.Close() }()
	cmd := exec.Command(options.Binary, InitCommand) // #nosec G204 -- this program itself
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = options.Progress
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		Setsid:     true, // Ctrl-C reaches it through this process
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("create a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("start the node's first process (this needs root with CAP_SYS_ADMIN): %w", err)
	}
	n := &node{cmd: cmd, lifeline: ours, said: said, ready: make(chan error, 1), exited: make(chan struct{})}
	go n.follow()
	if err := n.boot(l, s, options); err != nil {
		n.kill()
		return nil, err
	}
	return n, nil
}

// follow waits for the line that says that everything runs, and for the end.
func (n *node) follow() {
	line, err := bufio.NewReader(n.said).ReadString('\n')
	if err == nil && line != readyLine {
		err = fmt.Errorf("the node said %q", line)
	}
	n.ready <- err
	_ = n.cmd.Wait()
	close(n.exited)
}

// boot hands over what the first process waits for.
func (n *node) boot(l layout, s subnet, options Options) error {
	first, ok := identify(n.cmd.Process.Pid)
	if !ok {
		return errors.New("the node's first process ended at once")
	}
	if err := first.write(l.initPID()); err != nil {
		return err
	}
	if err := moveLink(l, n.cmd.Process.Pid); err != nil {
		return err
	}
	return json.NewEncoder(n.lifeline).Encode(boot{
		Dir: string(l), Programs: programsBeside(options.Binary), StartTimeout: options.StartTimeout.String(), Second: s.All.Addr().As4()[1],
	})
}

func (n *node) awaitReady(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.ready:
		if errors.Is(err, io.EOF) {
			return errors.New("the node was not started; it said why above")
		}
		return err
	}
}

// wait returns when ctx is done, or with an error when the node has ended.
func (n *node) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.exited:
		return errors.New("the node has ended; it said why above")
	}
}

// kill ends the first process, with which the kernel ends all others of the node; they are gone when it returns.
func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.lifeline.Close()
	<-n.exited
}
