package supervise

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Detach runs a command in the background, with its messages in logPath, returns the line that it prints when what it
// runs is ready, and leaves it running. What it said until then is copied to progress. It fails where the
// command ends before it is ready.
func Detach(command []string, logPath string, progress io.Writer) (line string, err error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return "", fmt.Errorf("open the log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(command[0], command[1:]...) // #nosec G204 -- the caller names the program
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // outlives this process's terminal
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("create a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start in the background: %w", err)
	}
	line, err = bufio.NewReader(stdout).ReadString('\n')
	if said, readErr := os.ReadFile(logPath); readErr == nil {
		_, _ = progress.Write(said)
	}
	if err != nil {
		_ = cmd.Wait() // what went wrong has been printed above
		return "", fmt.Errorf("not started: %s; see %s", cmd.ProcessState, logPath)
	}
	return strings.TrimSuffix(line, "\n"), cmd.Process.Release()
}
