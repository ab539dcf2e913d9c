//go:build linux

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/files"
)

// initPatience bounds the wait for a node whose end has begun.
const initPatience = 10 * time.Second

// identity tells a process from one that is given its number later.
type identity struct {
	pid     int
	started string // in ticks since the machine's start, as /proc gives it
}

func (i identity) write(file string) error {
	return files.Write(file, fmt.Appendf(nil, "%d %s\n", i.pid, i.started))
}

// readIdentity returns an error that matches fs.ErrNotExist where nothing was written.
func readIdentity(file string) (identity, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return identity{}, err
	}
	var i identity
	if _, err := fmt.Sscanf(string(content), "%d %s\n", &i.pid, &i.started); err != nil {
		return identity{}, fmt.Errorf("read %s: %w", file, err)
	}
	return i, nil
}

// identify returns false where no process of that number runs. One that nobody has waited for yet runs no more: the
// first process of a node gets there after all others of it.
func identify(pid int) (identity, bool) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return identity{}, false
	}
	// The second field is a name in brackets, which may hold anything; the first after it is the third.
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return identity{}, false
	}
	return identity{pid: pid, started: fields[19]}, true
}

func (i identity) runs() bool {
	now, ok := identify(i.pid)
	return ok && now == i
}

// awaitEnd waits for the node of a supervisor that is gone: its lifeline has been cut, and the kernel ends it.
func awaitEnd(l layout) error {
	first, err := readIdentity(l.initPID())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(initPatience); first.runs(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("the node of an earlier run does not end: look at process %d", first.pid)
		}
	}
	return nil
}
