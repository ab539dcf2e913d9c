// Package e2e tests the built localcluster program, whose path the variable LOCALCLUSTER gives
// (make test-localcluster sets it): control planes that really run.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that takes seconds.
const patience = 2 * time.Minute

func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("LOCALCLUSTER")
	if path == "" {
		t.Fatal("LOCALCLUSTER is not set to the path of the built program: run `make test-localcluster`")
	}
	return path
}

// run returns what the program prints, and fails the test where its exit code is not the wanted one.
func run(t *testing.T, wantCode int, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != wantCode {
		t.Fatalf("localcluster %s exited with %d, want %d\n%s%s", strings.Join(args, " "), code, wantCode, out.String(), errOut.String())
	}
	return strings.TrimSpace(out.String()), errOut.String()
}

// plane is a running control plane.
type plane struct {
	t               *testing.T
	dir, kubeconfig string
}

func startPlane(t *testing.T, dir string) plane {
	t.Helper()
	kubeconfig, _ := run(t, 0, "up", "--dir", dir, "--detach")
	t.Cleanup(func() { run(t, 0, "down", "--dir", dir) })
	return plane{t: t, dir: dir, kubeconfig: kubeconfig}
}

// in returns the plane for use in a subtest.
func (p plane) in(t *testing.T) plane {
	p.t = t
	return p
}

// kubectl runs the kubectl that is linked in, as the plane's administrator.
func (p plane) kubectl(args ...string) string {
	p.t.Helper()
	stdout, _ := run(p.t, 0, append([]string{"kubectl", "--kubeconfig", p.kubeconfig}, args...)...)
	return stdout
}

// eventually polls until what kubectl prints is want.
func (p plane) eventually(want string, args ...string) {
	p.t.Helper()
	await(p.t, fmt.Sprintf("%q from kubectl %s", want, strings.Join(args, " ")), func() bool { return p.kubectl(args...) == want })
}

// may asks the API server whether a user may do something in the namespace team.
func (p plane) may(user, verb, resource string) bool {
	p.t.Helper()
	resource, group, _ := strings.Cut(resource, ".")
	review := fmt.Sprintf(`{apiVersion: authorization.k8s.io/v1, kind: SubjectAccessReview, spec: {user: %s, resourceAttributes: {
		namespace: team, verb: %s, group: "%s", resource: %s}}}`, user, verb, group, resource)
	return p.kubectl("create", "-f", p.file(review), "-o", "jsonpath={.status.allowed}") == "true"
}

// eventuallyMay polls until the answer to may is want: controllers and the authorizer learn of roles from watches.
func (p plane) eventuallyMay(want bool, user, verb, resource string) {
	p.t.Helper()
	await(p.t, fmt.Sprintf("the answer %v to whether %s may %s %s", want, user, verb, resource), func() bool {
		return p.may(user, verb, resource) == want
	})
}

func (p plane) apply(manifest string) {
	p.t.Helper()
	p.kubectl("apply", "-f", p.file(manifest))
}

// file writes a manifest to where kubectl can read it.
func (p plane) file(manifest string) string {
	p.t.Helper()
	file := filepath.Join(p.dir, "manifest.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

func (p plane) server() *url.URL {
	p.t.Helper()
	server, err := url.Parse(p.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"))
	if err != nil {
		p.t.Fatal(err)
	}
	return server
}

func TestTwoControlPlanesRunSideBySide(t *testing.T) {
	first, second := startPlane(t, t.TempDir()), startPlane(t, t.TempDir())
	if first.server().Host == second.server().Host {
		t.Fatalf("both serve at %s", first.server().Host)
	}
	first.kubectl("create", "namespace", "only-in-the-first")
	if got := second.kubectl("get", "namespace", "only-in-the-first", "--ignore-not-found"); got != "" {
		t.Errorf("the second one has the first one's data: %s", got)
	}
}

func TestAControlPlaneHasWhatTheOperatorNeeds(t *testing.T) {
	p := startPlane(t, t.TempDir())
	p.kubectl("create", "namespace", "team")

	t.Run("tokens of ServiceAccounts that may do what RBAC lets them", func(t *testing.T) {
		p := p.in(t)
		p.kubectl("create", "serviceaccount", "reader", "--namespace=team")
		p.kubectl("create", "role", "reader", "--namespace=team", "--verb=get", "--resource=configmaps")
		p.kubectl("create", "rolebinding", "reader", "--namespace=team", "--role=reader", "--serviceaccount=team:reader")
		token := p.kubectl("create", "token", "reader", "--namespace=team")
		as := []string{"kubectl", "--kubeconfig", p.withToken(token), "auth", "can-i", "--namespace=team"}
		if got, _ := run(t, 0, append(as, "get", "configmaps")...); got != "yes" {
			t.Errorf("get configmaps, which the role allows: %q", got)
		}
		if got, _ := run(t, 1, append(as, "get", "secrets")...); got != "no" {
			t.Errorf("get secrets, which no role allows: %q", got)
		}
	})

	t.Run("garbage collection, also of owners whose kind was added later", func(t *testing.T) {
		p := p.in(t)
		p.apply(widgetCRD)
		p.kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=60s")
		p.eventually("widgets.example.com", "api-resources", "--api-group=example.com", "--output=name") // Established may come before discovery tells of it
		p.apply("{apiVersion: example.com/v1, kind: Widget, metadata: {name: owner, namespace: team}}")
		uid := p.kubectl("get", "widget", "owner", "--namespace=team", "-o", "jsonpath={.metadata.uid}")
		p.apply(fmt.Sprintf(`{apiVersion: v1, kind: ConfigMap, metadata: {name: dependent, namespace: team, ownerReferences: [
			{apiVersion: example.com/v1, kind: Widget, name: owner, uid: %s}]}}`, uid))
		p.kubectl("delete", "widget", "owner", "--namespace=team")
		p.eventually("", "get", "configmap", "dependent", "--namespace=team", "--ignore-not-found")
	})

	t.Run("removal of namespaces with what is in them", func(t *testing.T) {
		p := p.in(t)
		p.kubectl("create", "namespace", "doomed")
		p.kubectl("create", "configmap", "content", "--namespace=doomed")
		p.kubectl("delete", "namespace", "doomed", "--timeout=60s")
	})

	t.Run("built-in roles, with what is added to them by a label", func(t *testing.T) {
		p := p.in(t)
		p.kubectl("create", "rolebinding", "editor", "--namespace=team", "--clusterrole=edit", "--user=editor")
		p.eventuallyMay(true, "editor", "create", "configmaps")
		if p.may("editor", "create", "widgets.example.com") {
			t.Error("an editor may create widgets before a role says so")
		}
		p.apply(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: widget-edit, labels: {
			rbac.authorization.k8s.io/aggregate-to-edit: "true"}}, rules: [{apiGroups: [example.com], resources: [widgets], verbs: [create]}]}`)
		p.eventuallyMay(true, "editor", "create", "widgets.example.com")
		p.kubectl("delete", "clusterrole", "widget-edit")
		p.eventuallyMay(false, "editor", "create", "widgets.example.com")
	})

	t.Run("an address that other machines do not reach", func(t *testing.T) {
		p := p.in(t)
		// On Linux a server that listens on all addresses answers at 127.0.0.2, too.
		if elsewhere := net.JoinHostPort("127.0.0.2", p.server().Port()); answers(elsewhere) {
			t.Errorf("the API server answers at %s", elsewhere)
		}
	})
}

func TestDataAndAddressAreKeptForTheNextStart(t *testing.T) {
	dir := t.TempDir()
	p := startPlane(t, dir)
	p.kubectl("create", "namespace", "kept")
	address := p.server().Host
	run(t, 0, "down", "--dir", dir)
	if _, err := os.Stat(p.kubeconfig); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the kubeconfig is still there: %v", err)
	}
	if _, stderr := run(t, 0, "down", "--dir", dir); !strings.Contains(stderr, "nothing runs") {
		t.Errorf("a second down says %q", stderr)
	}
	p = startPlane(t, dir)
	p.kubectl("get", "namespace", "kept")
	if got := p.server().Host; got != address {
		t.Errorf("the API server was at %s and is now at %s", address, got)
	}
}

func TestNoProcessOutlivesAKilledSupervisor(t *testing.T) {
	dir := t.TempDir()
	p := startPlane(t, dir)
	address := p.server().Host
	children := childrenOf(t, supervisor(t, dir))
	if len(children) != 3 {
		t.Fatalf("the supervisor has %d children, want etcd, the API server and the controllers", len(children))
	}
	signalTo(t, supervisor(t, dir), syscall.SIGKILL)
	for _, child := range children {
		await(t, fmt.Sprintf("the end of process %d", child), func() bool { return !alive(child) })
	}
	// The kernel may take a moment longer for the sockets than for the process.
	await(t, "the end of what answers at "+address, func() bool { return !answers(address) })
	startPlane(t, dir).kubectl("get", "namespace", "default")
}

func TestADeadComponentIsNamed(t *testing.T) {
	dir := t.TempDir()
	p := startPlane(t, dir)
	parent := supervisor(t, dir)
	signalTo(t, childRunning(t, parent, "etcd"), syscall.SIGKILL)
	await(t, "the supervisor's end without etcd", func() bool { return !alive(parent) })
	log, err := os.ReadFile(filepath.Join(p.dir, "log", "localcluster.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "etcd stopped unexpectedly (signal: killed)") {
		t.Errorf("the log does not name etcd:\n%s", log)
	}
}

func TestWrongUsageIsRefusedWithExitCodeTwo(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":             {want: "Usage:"},
		"an unknown command":     {args: []string{"start"}, want: `unknown command "start"`},
		"no directory for up":    {args: []string{"up"}, want: "--dir is required"},
		"no directory for down":  {args: []string{"down"}, want: "--dir is required"},
		"an unknown flag":        {args: []string{"up", "--nope"}, want: "-nope"},
		"a time-out below zero":  {args: []string{"up", "--dir=x", "--start-timeout=-1s"}, want: "--start-timeout must be positive"},
		"an argument too many":   {args: []string{"down", "--dir=x", "y"}, want: `unexpected argument "y"`},
		"arguments to version":   {args: []string{"version", "now"}, want: `unexpected argument "now"`},
		"controllers by mistake": {args: []string{"controllers"}, want: "--kubeconfig and --ready-file are required"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, stderr := run(t, 2, c.args...); !strings.Contains(stderr, c.want) {
				t.Errorf("it says %q, want %q in it", stderr, c.want)
			}
		})
	}
}

const widgetCRD = `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: widgets.example.com}, spec: {
	group: example.com, scope: Namespaced, names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList},
	versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}}`

// withToken writes a kubeconfig that has the token in place of the administrator's certificate.
func (p plane) withToken(token string) string {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "kubeconfig")
	content, err := os.ReadFile(p.kubeconfig)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
	run(p.t, 0, "kubectl", "--kubeconfig", file, "config", "set-credentials", "bearer", "--token", token)
	run(p.t, 0, "kubectl", "--kubeconfig", file, "config", "set-context", "--current", "--user", "bearer")
	return file
}

// await polls until done returns true.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s", patience, what)
		}
	}
}

func answers(address string) bool {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

func supervisor(t *testing.T, dir string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "localcluster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	var children []int
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(threads) == 0 {
		t.Skip("this system does not tell a process's children under /proc")
	}
	for _, thread := range threads {
		content, err := os.ReadFile(thread)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range strings.Fields(string(content)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

// childRunning finds the child whose first argument is the component's name.
func childRunning(t *testing.T, parent int, component string) int {
	t.Helper()
	for _, child := range childrenOf(t, parent) {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		if err != nil {
			t.Fatal(err)
		}
		if arguments := strings.Split(string(content), "\x00"); len(arguments) > 1 && arguments[1] == component {
			return child
		}
	}
	t.Fatalf("process %d has no child that runs %s", parent, component)
	return 0
}

func signalTo(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

// alive takes a process that has ended and not been waited for, as under an init that does not, for gone.
func alive(pid int) bool {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(content), ") ")
	return !strings.HasPrefix(state, "Z")
}
