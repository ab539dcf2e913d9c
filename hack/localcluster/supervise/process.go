// Package supervise starts the processes of a cluster one after the other, watches them, and stops them; it keeps a
// supervisor from being started twice, and stops one from outside.
package supervise

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// tailLines is how much of the log is shown of a process that died.
	tailLines = 15
	// lifelineVariable tells a child that descriptor 3 is its lifeline.
	lifelineVariable = "LOCALCLUSTER_LIFELINE"
)

// process is a running child.
type process struct {
	name    string
	logPath string
	cmd     *exec.Cmd
	// exited is closed once the process is gone; exitErr is to be read after that only.
	exited  chan struct{}
	exitErr error
}

// startProcess runs a command with its output in logPath. The child is in a process group of
// its own, so that Ctrl-C reaches it through its parent, in order. It ends when lifeline's other end closes.
func startProcess(name, logPath string, lifeline *os.File, command []string) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(command[0], command[1:]...) // #nosec G204 -- the caller names the program
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lifeline}
	cmd.Env = append(withoutEtcdSettings(os.Environ()), lifelineVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, logPath: logPath, cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.exitErr = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// withoutEtcdSettings drops the variables that etcd reads as flags: it refuses to start where one contradicts a real flag.
func withoutEtcdSettings(environment []string) []string {
	return slices.DeleteFunc(environment, func(variable string) bool { return strings.HasPrefix(variable, "ETCD_") })
}

// stop asks the process for its end, and kills it after the grace.
func (p *process) stop(grace time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// deathError says how the process ended and shows the end of its log. To be called once exited is closed.
func (p *process) deathError() error {
	how := "exit status 0"
	if p.exitErr != nil {
		how = p.exitErr.Error()
	}
	tail, err := tailOf(p.logPath, tailLines)
	if err != nil {
		return fmt.Errorf("%s stopped unexpectedly (%s); its log cannot be read: %w", p.name, how, err)
	}
	return fmt.Errorf("%s stopped unexpectedly (%s); the end of %s:\n%s", p.name, how, p.logPath, tail)
}

// tailOf returns the last lines of a file, each indented.
func tailOf(path string, lines int) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	all := strings.Split(string(bytes.TrimRight(content, "\n")), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return "    " + strings.Join(all, "\n    "), nil
}

// FollowLifeline makes a process that a supervisor started end when that supervisor is gone, however it ended.
// It does nothing in a process that was started otherwise.
func FollowLifeline() {
	if os.Getenv(lifelineVariable) == "" {
		return
	}
	// A child of this process has no such descriptor.
	if err := os.Unsetenv(lifelineVariable); err != nil {
		panic(err)
	}
	lifeline := os.NewFile(3, "lifeline")
	go func() {
		_, _ = io.Copy(io.Discard, lifeline) // nothing is ever written: it returns when the other end is closed
		fmt.Fprintln(os.Stderr, "the supervisor that started this process is gone; ending")
		os.Exit(1)
	}()
}
