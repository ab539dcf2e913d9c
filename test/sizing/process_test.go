package sizing

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

const mebibyte = 1 << 20

// usage is what the kernel says of a process.
type usage struct {
	rss, peak int64 // bytes; the peak since resetPeak
	cpu       time.Duration
}

// clockTick is the unit of times in /proc/PID/stat; see proc_pid_stat(5). It is the same on all of Go's ports.
const clockTick = 10 * time.Millisecond

func usageOf(t *testing.T, pid int) usage {
	t.Helper()
	u := usage{
		rss:  statusField(t, pid, "VmRSS:"),
		peak: statusField(t, pid, "VmHWM:"),
	}
	stat, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		t.Fatal(err)
	}
	// utime and stime are the 14th and 15th fields; the 2nd, the command in parentheses, may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		u.cpu += time.Duration(ticks) * clockTick
	}
	return u
}

func procPath(pid int, file string) string { return filepath.Join("/proc", strconv.Itoa(pid), file) }

// statusField reads a size from /proc/PID/status, which tells it in kB.
func statusField(t *testing.T, pid int, name string) int64 {
	t.Helper()
	status, err := os.ReadFile(procPath(pid, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == name {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatalf("process %d has no %s", pid, name)
	return 0
}

// resetPeak has the kernel count the peak from now on; see proc_pid_clear_refs(5).
func resetPeak(t *testing.T, pid int) {
	t.Helper()
	if err := os.WriteFile(procPath(pid, "clear_refs"), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// awaitQuiet waits until a process has used less than a twentieth of a processor for three seconds on end, and returns
// when it last used more.
func awaitQuiet(t *testing.T, pid int) time.Time {
	t.Helper()
	const step, busy = 500 * time.Millisecond, 25 * time.Millisecond
	last, before := time.Now(), usageOf(t, pid).cpu
	for time.Since(last) < 3*time.Second {
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(step):
		}
		now := usageOf(t, pid).cpu
		if now-before > busy {
			last = time.Now()
		}
		before = now
	}
	return last
}

// liveHeap is what the collector found in use when it last looked, by the process's own metrics: without a memory limit
// it collects again at twice that.
func liveHeap(ctx context.Context, metricsAddress string) (int64, error) {
	metrics, err := stack.Scrape(ctx, metricsAddress)
	if err != nil {
		return 0, err
	}
	next, ok := metrics["go_memstats_next_gc_bytes"]
	if !ok {
		return 0, fmt.Errorf("%s does not tell of the heap", metricsAddress)
	}
	return int64(next) / 2, nil
}
