//go:build linux

// Package e2e tests a node that really runs. NODE names the directory that hack/build-node.sh prints (make test-node
// sets it). It needs root.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait for something that takes seconds.
const patience = 2 * time.Minute

func program(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("NODE")
	if dir == "" {
		t.Fatal("NODE is not set to the directory of the node's programs: run `make test-node`")
	}
	return filepath.Join(dir, name)
}

// run returns what the program prints, and fails the test where its exit code is not the wanted one.
func run(t *testing.T, wantCode int, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, name), args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != wantCode {
		t.Fatalf("%s %s exited with %d, want %d\n%s%s", name, strings.Join(args, " "), code, wantCode, out.String(), errOut.String())
	}
	return strings.TrimSpace(out.String()), errOut.String()
}

// cluster is a running cluster of one node.
type cluster struct {
	t               *testing.T
	dir, kubeconfig string
	addresses       struct{ Host, Node, Pods, Services, DNS string }
}

func startCluster(t *testing.T) cluster {
	t.Helper()
	c := cluster{t: t, dir: t.TempDir()}
	t.Cleanup(func() { run(t, 0, "nodecluster", "down", "--dir", c.dir) })
	began := time.Now()
	c.kubeconfig, _ = run(t, 0, "nodecluster", "up", "--dir", c.dir, "--detach")
	t.Logf("a node is up after %.1fs", time.Since(began).Seconds())
	content, err := os.ReadFile(filepath.Join(c.dir, "addresses.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &c.addresses); err != nil {
		t.Fatal(err)
	}
	return c
}

// in returns the cluster for use in a subtest.
func (c cluster) in(t *testing.T) cluster {
	c.t = t
	return c
}

// kubectl runs as the cluster's administrator.
func (c cluster) kubectl(args ...string) string {
	c.t.Helper()
	stdout, _ := run(c.t, 0, "kubectl", append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
	return stdout
}

// refused runs what must fail, and returns why it did.
func (c cluster) refused(args ...string) string {
	c.t.Helper()
	_, stderr := run(c.t, 1, "kubectl", append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
	return stderr
}

// forward forwards a port of this machine to one of the pod until the test's end, and returns its address.
func (c cluster) forward(pod, port string) string {
	c.t.Helper()
	cmd := exec.Command(program(c.t, "kubectl"), "--kubeconfig", c.kubeconfig, "port-forward", "--namespace=team", pod, ":"+port)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	// Forwarding from 127.0.0.1:41234 -> 8080
	fields := strings.Fields(line)
	if len(fields) < 3 {
		c.t.Fatalf("kubectl said %q", line)
	}
	return fields[2]
}

// resolver asks the cluster's name server.
func (c cluster) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(c.addresses.DNS, "53"))
	}}
}

// file writes a manifest to where kubectl can read it.
func (c cluster) file(manifest string) string {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// importApp builds the program of the tests' pods and gives the node an image of it.
func (c cluster) importApp() {
	c.t.Helper()
	dir := c.t.TempDir()
	binary, image := filepath.Join(dir, "app"), filepath.Join(dir, "app.tar")
	build := exec.Command("go", "build", "-o", binary, "./app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		c.t.Fatalf("build the app: %v\n%s", err, output)
	}
	run(c.t, 0, "nodecluster", "archive", "--name", "localhost/app:1", "--out", image, binary)
	run(c.t, 0, "nodecluster", "import", "--dir", c.dir, image)
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

// manifests are a server of two pods and a client, in a namespace that accepts nothing but what Pod Security calls restricted.
const manifests = `
apiVersion: v1
kind: Namespace
metadata: {name: team, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: team}
spec:
  replicas: 2
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: localhost/app:1
        securityContext: &restricted {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: team}
spec:
  type: NodePort
  selector: {app: app}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: app, namespace: team}
spec: {minAvailable: 2, selector: {matchLabels: {app: app}}}
`

const client = `
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: team}
spec:
  restartPolicy: Never
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: client
    image: localhost/app:1
    args: ["http://app.team.svc.cluster.local"]
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

func evictionOf(pod string) string {
	return fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q, "namespace": "team"}}`, pod)
}
