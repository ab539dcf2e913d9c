//go:build linux

package machine

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/pki"
	"github.com/apikey-operator/apikey-operator/hack/localcluster/supervise"
)

// containerdSocket is containerd's inside the node.
const containerdSocket = "/run/containerd/containerd.sock"

// programs is the directory of the programs that a node runs.
type programs string

func programsBeside(binary string) string { return filepath.Dir(binary) }

func (p programs) command(name string, args ...string) []string {
	return append([]string{filepath.Join(string(p), name)}, args...)
}

// components in the order in which they are started, with a check each that finds what later ones need.
func components(p programs, s subnet) ([]supervise.Component, error) {
	etcdClient, err := inside.pki().ClientTLS(etcdClientName)
	if err != nil {
		return nil, err
	}
	admin, err := inside.pki().ClientTLS(adminName)
	if err != nil {
		return nil, err
	}
	manager, scheduler := secured("10257"), secured("10259")
	kubelet := []string{
		"--config=" + inside.config("kubelet.yaml"), "--kubeconfig=" + inside.config("kubelet.kubeconfig"),
		"--root-dir=" + inside.data("kubelet"), "--hostname-override=" + nodeName, "--node-ip=" + s.Node.String(),
	}
	return []supervise.Component{
		{Name: "etcd", Command: p.command("etcd", etcdArgs()...), Check: supervise.Answers("https://127.0.0.1:2379/health", etcdClient)},
		{Name: "containerd", Command: p.command("containerd", "--config", inside.config("containerd.toml")), Check: accepts(containerdSocket)},
		{Name: "kube-apiserver", Command: p.command("kube-apiserver", apiServerArgs(s)...), Check: all(
			supervise.Answers("https://"+localAPIServer+"/readyz", admin),
			succeeds(p.kubectl("apply", "-f", inside.config("bootstrap.yaml"))),
			succeeds(p.command("ctr", "--namespace=k8s.io", "images", "import", filepath.Join(string(p), "pause.tar"))),
		)},
		{Name: "kube-controller-manager", Command: p.command("nodecluster", append([]string{"kube-controller-manager"}, append(manager, managerArgs()...)...)...),
			Check: supervise.Answers("https://127.0.0.1:10257/healthz", admin)},
		{Name: "kube-scheduler", Command: p.command("nodecluster", append([]string{"kube-scheduler", "--config=" + inside.config("kube-scheduler.yaml")}, scheduler...)...),
			Check: supervise.Answers("https://127.0.0.1:10259/healthz", admin)},
		{Name: "kubelet", Command: p.command("nodecluster", append([]string{"kubelet"}, kubelet...)...),
			Check: supervise.Answers("http://127.0.0.1:10248/healthz", nil)},
		{Name: "kube-proxy", Command: p.command("nodecluster", "kube-proxy", "--config="+inside.config("kube-proxy.yaml")),
			Check: supervise.Answers("http://127.0.0.1:10256/healthz", nil)},
		{Name: "coredns", Command: p.command("coredns", "-conf", inside.config("Corefile")), Check: all(
			supervise.Answers("http://127.0.0.1:8181/ready", nil),
			succeeds(p.kubectl("wait", "--for=condition=Ready", "node/"+nodeName, "--timeout=1s")),
			succeeds(p.kubectl("get", "serviceaccount", "default", "--namespace=default")),
		)},
	}, nil
}

func etcdArgs() []string {
	keys := inside.pki()
	return []string{
		"--name=node", "--data-dir=" + inside.data("etcd"),
		"--listen-client-urls=https://127.0.0.1:2379", "--advertise-client-urls=https://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=node=http://127.0.0.1:2380",
		"--client-cert-auth", "--trusted-ca-file=" + keys.Cert(pki.CA),
		"--cert-file=" + keys.Cert(etcdServerName), "--key-file=" + keys.Key(etcdServerName),
		"--unsafe-no-fsync", // nothing is kept
		"--log-level=warn",
	}
}

func apiServerArgs(s subnet) []string {
	keys := inside.pki()
	return []string{
		"--etcd-servers=https://127.0.0.1:2379", "--etcd-cafile=" + keys.Cert(pki.CA),
		"--etcd-certfile=" + keys.Cert(etcdClientName), "--etcd-keyfile=" + keys.Key(etcdClientName),
		"--bind-address=0.0.0.0", fmt.Sprintf("--secure-port=%d", apiServerPort), "--advertise-address=" + s.Node.String(),
		"--tls-cert-file=" + keys.Cert(serverName), "--tls-private-key-file=" + keys.Key(serverName),
		"--client-ca-file=" + keys.Cert(pki.CA),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + keys.Key(serviceAccountsName),
		"--service-account-signing-key-file=" + keys.Key(serviceAccountsName),
		"--service-cluster-ip-range=" + s.Services.String(),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
		"--kubelet-preferred-address-types=InternalIP", "--kubelet-certificate-authority=" + keys.Cert(pki.CA),
		"--kubelet-client-certificate=" + keys.Cert(kubeletClientName), "--kubelet-client-key=" + keys.Key(kubeletClientName),
		"--allow-privileged",
	}
}

func managerArgs() []string {
	kubeconfig := inside.config("kube-controller-manager.kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--leader-elect=false", "--use-service-account-credentials",
		"--root-ca-file=" + inside.pki().Cert(pki.CA),
		"--service-account-private-key-file=" + inside.pki().Key(serviceAccountsName),
	}
}

// secured are the flags of a component that serves its health over TLS, on the node's loopback only.
func secured(port string) []string {
	return []string{
		"--bind-address=127.0.0.1", "--secure-port=" + port,
		"--tls-cert-file=" + inside.pki().Cert(componentsName), "--tls-private-key-file=" + inside.pki().Key(componentsName),
	}
}

// kubectl is the command as the cluster's administrator.
func (p programs) kubectl(args ...string) []string {
	return p.command("kubectl", append([]string{"--kubeconfig=" + inside.config("admin.kubeconfig"), "--cache-dir=/run/kubectl"}, args...)...)
}

// accepts is a check that succeeds when the socket of that name accepts a connection.
func accepts(socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		connection, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}

// succeeds is a check that succeeds when the command does.
func succeeds(command []string) func(context.Context) error {
	return func(ctx context.Context) error {
		output, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput() // #nosec G204 -- the node's own programs
		if err != nil {
			return fmt.Errorf("%s: %w: %s", filepath.Base(command[0]), err, output)
		}
		return nil
	}
}

// all is a check that succeeds when each of checks has succeeded, one after the other; those that did are not repeated.
func all(checks ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for len(checks) > 0 {
			if err := checks[0](ctx); err != nil {
				return err
			}
			checks = checks[1:]
		}
		return nil
	}
}
