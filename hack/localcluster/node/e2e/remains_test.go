//go:build linux

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// trace is what tells the remains of one cluster from other things on the machine.
type trace struct {
	dir string
	// namespaces are those that its processes are in, as /proc names them.
	namespaces map[string]bool
	link       string
	groups     []string
}

// traceOf looks at a running cluster, and fails where it sees too little to look for later.
func traceOf(t *testing.T, c cluster) trace {
	t.Helper()
	pid := numberIn(t, filepath.Join(c.dir, "init.pid"))
	seen := trace{dir: c.dir, namespaces: map[string]bool{}}
	for _, kind := range []string{"pid", "mnt", "net"} {
		seen.namespaces[namespace(t, pid, kind)] = true
	}
	if found := len(seen.processes(t)); found < 10 {
		t.Fatalf("only %d processes are in the node's namespaces", found)
	}
	sum := sha256.Sum256([]byte(c.dir)) // as the program names link and control groups
	id := hex.EncodeToString(sum[:4])
	seen.link = "/sys/class/net/node-" + id
	seen.groups = append(glob(t, "/sys/fs/cgroup/apikey-operator-node-"+id), glob(t, "/sys/fs/cgroup/*/apikey-operator-node-"+id)...)
	if _, err := os.Stat(seen.link); err != nil || len(seen.groups) == 0 {
		t.Fatalf("the cluster has no link (%v) or no control groups (%v)", err, seen.groups)
	}
	return seen
}

// processes are those in the node's namespaces.
func (s trace) processes(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, link := range glob(t, "/proc/[0-9]*/ns/*") {
		if target, err := os.Readlink(link); err == nil && s.namespaces[target] {
			found = append(found, link+" "+target)
		}
	}
	return found
}

// mustBeGone fails for everything that is left. The kernel has its end begun, and may take a moment for the rest.
func (s trace) mustBeGone(t *testing.T) {
	t.Helper()
	if left := s.processes(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), s.dir) || strings.Contains(string(mounts), "/run/node") {
		t.Errorf("mounts are left:\n%s", mounts)
	}
	for _, remains := range append(s.groups, s.link) {
		if _, err := os.Lstat(remains); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", remains, err)
		}
	}
	for _, entry := range glob(t, s.dir+"/*") {
		if name := filepath.Base(entry); name != "log" && name != "nodecluster.pid" {
			t.Errorf("%s is left", entry)
		}
	}
}

// machineState is what a kubelet changes on a machine of its own.
type machineState struct {
	overcommit, panic, panicOnOops, forward string
	directories                             string
}

func lookAtMachine(t *testing.T) machineState {
	t.Helper()
	setting := func(name string) string {
		content, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(content))
	}
	return machineState{
		overcommit: setting("vm/overcommit_memory"), panic: setting("kernel/panic"), panicOnOops: setting("kernel/panic_on_oops"),
		forward:     setting("net/ipv4/ip_forward"),
		directories: fmt.Sprint(glob(t, "/var/lib/kubelet*"), glob(t, "/var/log/[cp]o*"), glob(t, "/run/containerd*"), glob(t, "/opt/containerd*")),
	}
}

func TestTwoNodesSideBySide(t *testing.T) {
	one, other := startCluster(t), startCluster(t)
	if one.addresses.Node == other.addresses.Node {
		t.Fatalf("both nodes are at %s", one.addresses.Node)
	}

	t.Run("nothing of one outlives its killed supervisor, and the other runs on", func(t *testing.T) {
		one, other := one.in(t), other.in(t)
		one.importApp()
		one.kubectl("create", "deployment", "app", "--image=localhost/app:1")
		one.kubectl("rollout", "status", "deployment/app", "--timeout=180s")
		remains := traceOf(t, one)
		kill(t, one.supervisor())
		await(t, "the end of the node's processes", func() bool { return len(remains.processes(t)) == 0 })
		if _, stderr := run(t, 0, "nodecluster", "down", "--dir", one.dir); !strings.Contains(stderr, "nothing runs") {
			t.Errorf("down says %q", stderr)
		}
		remains.mustBeGone(t)
		other.kubectl("wait", "node/node", "--for=condition=Ready", "--timeout=10s")
	})

	t.Run("a component that dies ends its node, and is named", func(t *testing.T) {
		c := other.in(t)
		supervisor := c.supervisor()
		kill(t, c.processRunning("kubelet"))
		await(t, "the supervisor's end", func() bool { return syscall.Kill(supervisor, 0) != nil })
		said, err := os.ReadFile(filepath.Join(c.dir, "log", "nodecluster.log"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(said), "kubelet stopped unexpectedly (signal: killed)") {
			t.Errorf("the log does not name the kubelet:\n%s", said)
		}
	})
}

func (c cluster) supervisor() int {
	c.t.Helper()
	return numberIn(c.t, filepath.Join(c.dir, "nodecluster.pid"))
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// processRunning finds the node's process whose first argument is the component's name.
func (c cluster) processRunning(component string) int {
	c.t.Helper()
	of := namespace(c.t, numberIn(c.t, filepath.Join(c.dir, "init.pid")), "pid")
	for _, file := range glob(c.t, "/proc/[0-9]*/cmdline") {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		if arguments := strings.Split(string(content), "\x00"); len(arguments) < 2 || arguments[1] != component {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && namespace(c.t, pid, "pid") == of {
			return pid
		}
	}
	c.t.Fatalf("no process of the node runs %s", component)
	return 0
}

func TestWrongUsageIsRefusedWithExitCodeTwo(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":            {want: "Usage:"},
		"an unknown command":    {args: []string{"start"}, want: `unknown command "start"`},
		"no directory for up":   {args: []string{"up"}, want: "--dir is required"},
		"no directory for down": {args: []string{"down"}, want: "--dir is required"},
		"a time-out below zero": {args: []string{"up", "--dir=x", "--start-timeout=-1s"}, want: "--start-timeout must be positive"},
		"an argument too many":  {args: []string{"down", "--dir=x", "y"}, want: `unexpected argument "y"`},
		"nothing to import":     {args: []string{"import", "--dir=x"}, want: "name the archives"},
		"an archive of nothing": {args: []string{"archive", "--name=x", "--out=y"}, want: "are required"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, stderr := run(t, 2, "nodecluster", c.args...); !strings.Contains(stderr, c.want) {
				t.Errorf("it says %q, want %q in it", stderr, c.want)
			}
		})
	}
}

// numberIn is the number of the process that the file names.
func numberIn(t *testing.T, file string) int {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(content)), " ")
	number, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func namespace(t *testing.T, pid int, kind string) string {
	t.Helper()
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		return fmt.Sprintf("none: %v", err)
	}
	return name
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
