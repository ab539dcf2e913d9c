package cluster

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// supervisorName names the log of a detached supervisor.
const supervisorName = "localcluster"

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
	log, err := os.OpenFile(l.log(supervisorName), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(options.Binary, "up", "--dir", l.dir, "--start-timeout", options.StartTimeout.String())
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // outlives this process's terminal
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("create a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	return awaitDetached(cmd, stdout, l, options)
}

// awaitDetached waits for the one line that "up" prints, the kubeconfig's path, which says that it is ready.
func awaitDetached(cmd *exec.Cmd, stdout io.Reader, l layout, options Options) error {
	line, err := bufio.NewReader(stdout).ReadString('\n')
	said, readErr := os.ReadFile(l.log(supervisorName))
	if readErr == nil {
		_, _ = options.Progress.Write(said)
	}
	if err != nil {
		_ = cmd.Wait() // what went wrong has been printed above
		return fmt.Errorf("not started: %s; see %s", cmd.ProcessState, l.logDir())
	}
	options.Ready(strings.TrimSuffix(line, "\n"))
	return cmd.Process.Release()
}
