package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// tailLines is how much of a log is shown of a process that did not do as it should.
const tailLines = 20

// Process is a running child whose output goes to a file.
type Process struct {
	Name string
	// LogPath is the file with its standard output and standard error.
	LogPath string

	cmd        *exec.Cmd
	stopSignal syscall.Signal // what Stop asks with
	ended      atomic.Bool    // by us
	exited     chan struct{}
	err        error // how it ended; to be read once exited is closed
}

// spawn runs functions on one thread that lives as long as this program. The kernel sends a child its
// death signal when the thread that started it ends, so that thread must not be one that comes and goes.
var spawn = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range work {
			start()
		}
	}()
	return work
})

// startProcess starts a program. The child is in a process group of its own, so that Ctrl-C does not
// reach it but through us, in order.
func startProcess(name, logPath, program string, args ...string) (*Process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = childEnvironment()
	cmd.SysProcAttr = childAttributes()
	started := make(chan error)
	spawn() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, LogPath: logPath, cmd: cmd, stopSignal: syscall.SIGTERM, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// childEnvironment is ours without NGINX, which is where we find nginx and where nginx looks for the sockets
// that it inherits.
func childEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "NGINX=") })
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process is gone.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Signal sends a signal; to a process that is gone already it does nothing.
func (p *Process) Signal(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", signal, p.Name, err)
	}
	return nil
}

// Kill ends the process at once, as SIGKILL or a lost machine does, and waits until it is gone.
func (p *Process) Kill() error {
	p.ended.Store(true)
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return nil
}

// EndedWell waits until the process is gone, and is nil if its exit code was 0. After it Stop takes the end
// for intended.
func (p *Process) EndedWell() error {
	<-p.exited
	p.ended.Store(true)
	if p.err != nil {
		return fmt.Errorf("%s ended badly: %w%s", p.Name, p.err, p.tail())
	}
	return nil
}

// EndedSaying waits until the process is gone, and is nil if it wrote words to its log at the end. After it Stop
// takes the end for intended.
func (p *Process) EndedSaying(words string) error {
	<-p.exited
	p.ended.Store(true)
	if tail := p.tail(); !strings.Contains(tail, words) {
		return fmt.Errorf("%s ended (%s) without saying %q%s", p.Name, p.cmd.ProcessState, words, tail)
	}
	return nil
}

// Stop asks the process to end, with SIGTERM or what else it understands. It is an error if that takes longer than grace, after which
// the process is killed, if it ends with another exit code than 0, or if it ended by itself before. A
// process that was stopped or killed already is left alone.
func (p *Process) Stop(grace time.Duration) error {
	if p.ended.Swap(true) {
		<-p.exited
		return nil
	}
	select {
	case <-p.exited:
		return fmt.Errorf("%s ended by itself (%s)%s", p.Name, p.cmd.ProcessState, p.tail())
	default:
	}
	if err := p.Signal(p.stopSignal); err != nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not end within %s of %s%s", p.Name, grace, p.stopSignal, p.tail()), p.Kill())
	}
	if p.err != nil {
		return fmt.Errorf("%s ended badly on %s: %w%s", p.Name, p.stopSignal, p.err, p.tail())
	}
	return nil
}

// await is Await for something that the process brings about: it gives up as soon as the process is gone.
func (p *Process) await(ctx context.Context, what string, timeout time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := Await(ctx, what, timeout, check)
	select {
	case <-p.exited:
		p.ended.Store(true) // told here, and need not be told again by Stop
		return fmt.Errorf("waited for %s, but %s ended (%s)%s", what, p.Name, p.cmd.ProcessState, p.tail())
	default:
	}
	if err != nil {
		return fmt.Errorf("%w%s", err, p.tail())
	}
	return nil
}

// tail is the end of the log, to be put after a message.
func (p *Process) tail() string {
	content, err := os.ReadFile(p.LogPath)
	if err != nil {
		return fmt.Sprintf("; its log cannot be read: %v", err)
	}
	lines := strings.Split(string(bytes.TrimSpace(content)), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return "; the end of " + p.LogPath + ":\n    " + strings.Join(lines, "\n    ")
}
