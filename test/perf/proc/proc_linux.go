// Package proc tells what processes take of the processor, and keeps them on one.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the time that all threads of a process have run, those that ended included, to the nanosecond: the clock that
// clock_getcpuclockid(3) names, whose number is made of the process's as the kernel's include/linux/posix-timers.h does.
func CPU(pid int) (time.Duration, error) {
	const scheduler = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &ts); err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// Cores are processors that this process may run on, one for servers and one for the client. Where there is only one, it is
// both.
type Cores struct{ Server, Client int }

// Shared reports whether servers and client have one processor together.
func (c Cores) Shared() bool { return c.Server == c.Client }

// UsableCores finds them.
func UsableCores() (Cores, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return Cores{}, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var usable []int
	for cpu := 0; cpu < len(set)*64 && len(usable) < 2; cpu++ {
		if set.IsSet(cpu) {
			usable = append(usable, cpu)
		}
	}
	return Cores{Client: usable[0], Server: usable[len(usable)-1]}, nil
}

// PinSelf keeps all threads of this process, and those that they will start, on one processor.
func PinSelf(cpu int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list the threads: %w", err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return fmt.Errorf("list the threads: %w", err)
		}
		if err := pin(tid, cpu); err != nil {
			return err
		}
	}
	return nil
}

func pin(tid, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("sched_setaffinity: %w", err)
	}
	return nil
}

// Spawner starts processes from one thread that stays on one processor. They stay there too, and count one processor from
// their beginning, as the Go runtime does. The kernel sends a child its death signal when the thread that started it
// ends, so the thread lives as long as this program.
type Spawner struct{ work chan func() }

// NewSpawner returns a Spawner for a processor.
func NewSpawner(cpu int) (*Spawner, error) {
	s := &Spawner{work: make(chan func())}
	pinned := make(chan error)
	go func() {
		runtime.LockOSThread()
		pinned <- pin(0, cpu)
		for start := range s.work {
			start()
		}
	}()
	return s, <-pinned
}

// Start starts cmd, which ends with this program however that ends.
func (s *Spawner) Start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	done := make(chan error)
	s.work <- func() { done <- cmd.Start() }
	if err := <-done; err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return nil
}

// Children are the processes that a process has started and that still run.
func Children(pid int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var children []int
	for _, stat := range stats {
		content, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended since
		}
		// PID (NAME) STATE PPID …, where the name may hold anything, parentheses too.
		fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			return nil, fmt.Errorf("list the processes: %w", err)
		}
		children = append(children, child)
	}
	return children, nil
}
