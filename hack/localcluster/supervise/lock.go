package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// PIDLock is the pid file of a running supervisor. Its lock, which the kernel drops with the
// process, tells whether that still runs; the number alone could belong to another program by now.
type PIDLock struct{ file *os.File }

// LockPID takes the lock and writes this process's number. It fails where another supervisor runs in the directory.
func LockPID(path string) (*PIDLock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the pid file: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer func() { _ = file.Close() }()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("a cluster runs in this directory already (process %s): stop it with the command `down`, or use another --dir", readPID(path))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := file.Truncate(0); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	if _, err := fmt.Fprintf(file, "%d\n", os.Getpid()); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return &PIDLock{file: file}, nil
}

// Release empties the file instead of removing it: a name that is removed while another process waits for it would be locked twice.
func (p *PIDLock) Release() {
	_ = p.file.Truncate(0)
	_ = p.file.Close()
}

func readPID(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(content))
}

// Down stops the supervisor whose pid file is given and waits until it is gone. It returns false, without an error,
// where none runs. One that has not stopped by the time ctx is done is killed, and an error says so.
func Down(ctx context.Context, pidFile string) (stopped bool, err error) {
	file, err := os.Open(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the pid file: %w", err)
	}
	defer func() { _ = file.Close() }()
	if free(file) {
		return false, nil
	}
	pid, err := strconv.Atoi(readPID(pidFile))
	if err != nil {
		return false, fmt.Errorf("read the process number in %s: %w", pidFile, err)
	}
	return true, terminate(ctx, pid, file)
}

// terminate asks the process for its end and waits for its lock on file.
func terminate(ctx context.Context, pid int, file *os.File) error {
	if err := signalProcess(pid, unix.SIGTERM); err != nil {
		return err
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !free(file) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			if err := signalProcess(pid, unix.SIGKILL); err != nil {
				return err
			}
			return fmt.Errorf("process %d did not stop in time and was killed", pid)
		}
	}
	return nil
}

// signalProcess takes a process that has ended meanwhile for a success.
func signalProcess(pid int, signal unix.Signal) error {
	if err := unix.Kill(pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", signal, pid, err)
	}
	return nil
}

// free reports whether nobody holds the lock on file, and does not keep it.
func free(file *os.File) bool {
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return false
	}
	return unix.Flock(int(file.Fd()), unix.LOCK_UN) == nil
}
