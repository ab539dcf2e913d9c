//go:build linux

package machine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// Init is the node's first process. It waits for what to do on descriptor 3, which is also its lifeline: it ends when the
// other end is closed. It makes the node's mounts and network, runs the supervisor, and waits for processes that lost
// their parent, as every first process has to. It returns the exit code.
func Init(stderr io.Writer) int {
	if os.Getpid() != 1 {
		_, _ = fmt.Fprintln(stderr, "nodecluster: init is run by up, as the first process of a node")
		return 2
	}
	lifeline := bufio.NewReader(os.NewFile(3, "lifeline"))
	line, err := lifeline.ReadBytes('\n')
	if err != nil {
		return 1 // whoever started this process is gone
	}
	go func() {
		_, _ = io.Copy(io.Discard, lifeline) // nothing more is written: it returns when the other end is closed
		os.Exit(1)
	}()
	code, err := initNode(line)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "nodecluster: set up the node: %v\n", err)
		return 1
	}
	return code
}

func initNode(line []byte) (exitCode int, err error) {
	var b boot
	if err := json.Unmarshal(line, &b); err != nil {
		return 0, fmt.Errorf("read what to do: %w", err)
	}
	if err := setUpMounts(layout(b.Dir)); err != nil {
		return 0, err
	}
	if err := setUpNetwork(layout(b.Dir), newSubnet(b.Second)); err != nil {
		return 0, err
	}
	if err := setSysctls(); err != nil {
		return 0, err
	}
	supervisor := exec.Command("/proc/self/exe", SuperviseCommand, string(line))
	supervisor.Stdout, supervisor.Stderr = os.Stdout, os.Stderr
	if err := supervisor.Start(); err != nil {
		return 0, fmt.Errorf("start the supervisor: %w", err)
	}
	return reap(supervisor.Process.Pid)
}

// reap waits for all processes that end until the one of interest does, whose exit code it returns.
func reap(pid int) (exitCode int, err error) {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for the supervisor: %w", err)
		case ended == pid && status.Exited():
			return status.ExitStatus(), nil
		case ended == pid && status.Signaled():
			return 1, nil
		}
	}
}
