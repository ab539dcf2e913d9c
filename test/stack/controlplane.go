package stack

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// SystemNamespace is where config/default puts the operator.
const SystemNamespace = "apikey-operator-system"

func (s *Stack) clusterDir() string   { return filepath.Join(s.Dir, "cluster") }
func (s *Stack) kubectlCache() string { return filepath.Join(s.Dir, "kubectl-cache") }

// AdminKubeconfig is the administrator's kubeconfig.
func (s *Stack) AdminKubeconfig() string { return filepath.Join(s.clusterDir(), "kubeconfig") }

// StartControlPlane starts etcd, the API server and the controllers, and returns when they serve. After
// StopControlPlane it starts them again with the same data and on another port.
func (s *Stack) StartControlPlane(ctx context.Context) error {
	p, err := s.start("localcluster", s.Tools.LocalCluster, "up", "--dir", s.clusterDir())
	if err != nil {
		return err
	}
	s.cluster = p
	return p.await(ctx, "the control plane to be ready", startTimeout, func(context.Context) error {
		_, err := os.Stat(s.AdminKubeconfig())
		return err
	})
}

// StopControlPlane ends etcd, the API server and the controllers, and keeps their data.
func (s *Stack) StopControlPlane() error { return s.cluster.Stop(stopTimeout) }

// AdminConfig is how a Go client connects as the administrator.
func (s *Stack) AdminConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.AdminKubeconfig())
	if err != nil {
		return nil, fmt.Errorf("read the administrator's kubeconfig: %w", err)
	}
	config.QPS = -1 // the tests' polling is not to be slowed down on the client's side
	return config, nil
}

// ServingCertificate is the API server's own, for something that stands between it and a client.
func (s *Stack) ServingCertificate() (tls.Certificate, error) {
	path := filepath.Join(s.clusterDir(), "pki", "kube-apiserver")
	certificate, err := tls.LoadX509KeyPair(path+".crt", path+".key")
	if err != nil {
		return certificate, fmt.Errorf("read the API server's certificate: %w", err)
	}
	return certificate, nil
}

// Kubectl runs kubectl as the administrator in the project's directory and returns what it printed.
func (s *Stack) Kubectl(ctx context.Context, args ...string) (string, error) {
	return s.KubectlWithInput(ctx, "", args...)
}

// KubectlWithInput is Kubectl with something on its standard input.
func (s *Stack) KubectlWithInput(ctx context.Context, input string, args ...string) (string, error) {
	options := []string{"--kubeconfig", s.AdminKubeconfig(), "--cache-dir", s.kubectlCache()}
	cmd := exec.CommandContext(ctx, s.Tools.Kubectl, append(options, args...)...)
	cmd.Dir = s.root
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// AllowEverything applies policies under which every ApiKey is granted what it asks for, for tests of other things. Of a
// definition that is new the API server's discovery may not tell yet.
func (s *Stack) AllowEverything(ctx context.Context) error {
	return Await(ctx, "the policies that allow everything to be taken", startTimeout, func(ctx context.Context) error {
		_, err := s.Kubectl(ctx, "apply", "-f", "test/policies/everything.yaml")
		return err
	})
}

// Install applies config/default as it is committed, and waits until the API server serves ApiKeys and ApiKeyPolicies
// and stamps who asks for a key. It returns what kubectl printed.
// There is no network of Services here, so that of the webhook leads to this machine.
func (s *Stack) Install(ctx context.Context) (string, error) {
	printed, err := s.Kubectl(ctx, "apply", "-k", "config/default")
	if err != nil {
		return "", fmt.Errorf("install config/default: %w", err)
	}
	_, err = s.Kubectl(ctx, "patch", "service", "apikey-operator-webhook", "--namespace", SystemNamespace,
		"--type=merge", "--patch", `{"spec":{"type":"ExternalName","externalName":"localhost"}}`)
	if err != nil {
		return "", fmt.Errorf("divert the webhook's Service: %w", err)
	}
	_, err = s.Kubectl(ctx, "wait", "--for=condition=Established", "crd/apikeys.apikey-operator.dev", "crd/apikeypolicies.apikey-operator.dev",
		"--timeout="+(30*time.Second).String())
	if err != nil {
		return "", err
	}
	return printed, Await(ctx, "who asks for ApiKeys to be stamped", startTimeout, func(ctx context.Context) error {
		annotations, err := s.probe(ctx)
		if err == nil && annotations == "" {
			err = errors.New("nobody is")
		}
		return err
	})
}

// InstallWithRolesOnly sets up what an installation takes that has no right in the whole cluster: the definitions, the
// ServiceAccounts with the rights of the lease, and the Roles in each of the namespaces, which it makes. There are no
// admission policies and no webhook.
func (s *Stack) InstallWithRolesOnly(ctx context.Context, namespaces ...string) error {
	steps := [][]string{
		{"apply", "-k", "config/crd"},
		{"wait", "--for=condition=Established", "crd/apikeys.apikey-operator.dev", "--timeout=" + (30 * time.Second).String()},
		{"apply", "-f", "config/default/namespace.yaml"},
		{
			"apply", "-f", "config/rbac/manager_service_account.yaml", "-f", "config/rbac/verifier_service_account.yaml",
			"-f", "config/rbac/leader_election_role.yaml", "-f", "config/rbac/leader_election_role_binding.yaml",
		},
	}
	for _, namespace := range namespaces {
		steps = append(steps,
			[]string{"create", "namespace", namespace},
			[]string{"apply", "--namespace", namespace, "-k", "config/rbac/watched-namespace"})
	}
	for _, step := range steps {
		if _, err := s.Kubectl(ctx, step...); err != nil {
			return fmt.Errorf("install with Roles only: %w", err)
		}
	}
	return nil
}

// ConnectWebhook has the API server ask a manager before it stores ApiKeys and ApiKeyPolicies, and waits until it does:
// until then, and wherever it cannot reach the manager, it asks nobody.
func (s *Stack) ConnectWebhook(ctx context.Context, m *Manager) error {
	_, port, err := net.SplitHostPort(m.Webhook)
	if err != nil {
		return err
	}
	patch := fmt.Sprintf(`[{"op":"replace","path":"/webhooks/0/clientConfig/service/port","value":%[1]s},`+
		`{"op":"replace","path":"/webhooks/1/clientConfig/service/port","value":%[1]s}]`, port)
	_, err = s.Kubectl(ctx, "patch", "validatingwebhookconfiguration", "apikey-operator", "--type=json", "--patch", patch)
	if err != nil {
		return fmt.Errorf("lead the API server to the webhook: %w", err)
	}
	return Await(ctx, "the webhook to be asked", startTimeout, func(ctx context.Context) error {
		_, _ = s.probe(ctx) // refused or not: that it was asked is told by its own metrics
		metrics, err := Scrape(ctx, m.Metrics)
		for series, n := range metrics {
			if n > 0 && strings.HasPrefix(series, "apikey_operator_admission_answers_total{") {
				return nil
			}
		}
		return errors.Join(err, errors.New("it was not yet"))
	})
}

// AwaitWritable waits until the API server takes ApiKeys. With a MutatingAdmissionPolicy on them it answers
// ServiceUnavailable for some seconds after each start, until it has read the schema of the definition.
func (s *Stack) AwaitWritable(ctx context.Context) error {
	return Await(ctx, "ApiKeys to be taken", startTimeout, func(ctx context.Context) error {
		_, err := s.probe(ctx)
		if err != nil && !strings.Contains(err.Error(), "(ServiceUnavailable)") {
			return nil // refused for another reason, which is not ours to judge
		}
		return err
	})
}

// probe returns the annotations that an ApiKey would have, which is not stored.
func (s *Stack) probe(ctx context.Context) (string, error) {
	return s.KubectlWithInput(ctx, "{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: probe, namespace: default}, spec: {}}",
		"create", "--dry-run=server", "-f", "-", "-o", "jsonpath={.metadata.annotations}")
}

// ComponentPID is the id of a process of the control plane, etcd or kube-apiserver.
func (s *Stack) ComponentPID(name string) (int, error) {
	pid, err := childOf(s.cluster.PID(), name)
	if err != nil {
		return 0, fmt.Errorf("find %s: %w", name, err)
	}
	return pid, nil
}

// SignalEtcd sends a signal to etcd behind the back of the API server, such as SIGSTOP and SIGCONT.
func (s *Stack) SignalEtcd(signal syscall.Signal) error {
	pid, err := s.ComponentPID("etcd")
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return fmt.Errorf("send %s to etcd: %w", signal, err)
	}
	return nil
}

// childOf finds the child of a process whose first argument is name.
func childOf(parent int, name string) (pid int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// PID (COMMAND) STATE PARENT, where the command may hold anything; see proc_pid_stat(5).
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		arguments, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if words := strings.Split(string(arguments), "\x00"); err == nil && len(words) > 1 && words[1] == name {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, fmt.Errorf("process %d has no child %s", parent, name)
}
