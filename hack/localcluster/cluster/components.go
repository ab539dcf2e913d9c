package cluster

import (
	"fmt"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/pki"
	"github.com/apikey-operator/apikey-operator/hack/localcluster/supervise"
)

// Names of the components: the first argument with which Options.Binary runs one, and its log's name.
const (
	Etcd        = "etcd"
	APIServer   = "kube-apiserver"
	Controllers = "controllers"
)

// components in the order in which they are started.
func (c *controlPlane) components() ([]supervise.Component, error) {
	etcdClient, err := c.layout.pki().ClientTLS(etcdClientName)
	if err != nil {
		return nil, err
	}
	admin, err := c.layout.pki().ClientTLS(adminName)
	if err != nil {
		return nil, err
	}
	command := func(name string, args []string) []string { return append([]string{c.options.Binary, name}, args...) }
	return []supervise.Component{{
		Name:    Etcd,
		Command: command(Etcd, etcdArgs(c)),
		Check:   supervise.Answers("https://"+c.etcd.hostPort()+"/health", etcdClient),
	}, {
		Name:    APIServer,
		Command: command(APIServer, apiServerArgs(c)),
		Check:   supervise.Answers("https://"+c.apiserver.hostPort()+"/readyz", admin),
	}, {
		Name:    Controllers,
		Command: command(Controllers, controllersArgs(c)),
		// They write the file once they watch every kind of object.
		Check: supervise.Exists(c.layout.controllersReady()),
	}}, nil
}

func etcdArgs(c *controlPlane) []string {
	keys := c.layout.pki()
	url := "https://" + c.etcd.hostPort()
	// A single member never talks to peers, but etcd insists on listening for them: any port will do.
	const peers = "http://127.0.0.1:0"
	return []string{
		"--name=localcluster",
		"--data-dir=" + c.layout.etcdData(),
		"--listen-client-urls=" + url,
		"--advertise-client-urls=" + url,
		"--listen-peer-urls=" + peers,
		"--initial-advertise-peer-urls=" + peers,
		"--initial-cluster=localcluster=" + peers,
		"--socket-reuse-port", // see reservation
		"--client-cert-auth",
		"--trusted-ca-file=" + keys.Cert(pki.CA),
		"--cert-file=" + keys.Cert(etcdServerName),
		"--key-file=" + keys.Key(etcdServerName),
		"--unsafe-no-fsync", // data for tests need not survive a power cut
		"--log-level=warn",
	}
}

func apiServerArgs(c *controlPlane) []string {
	keys := c.layout.pki()
	return []string{
		"--etcd-servers=https://" + c.etcd.hostPort(),
		"--etcd-cafile=" + keys.Cert(pki.CA),
		"--etcd-certfile=" + keys.Cert(etcdClientName),
		"--etcd-keyfile=" + keys.Key(etcdClientName),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.apiserver.port),
		"--permit-port-sharing", // see reservation
		// Endpoints in the API may not be loopback addresses, so none are kept for the API server itself.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + keys.Cert(serverName),
		"--tls-private-key-file=" + keys.Key(serverName),
		"--client-ca-file=" + keys.Cert(pki.CA),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + keys.Key(serviceAccountsName),
		"--service-account-signing-key-file=" + keys.Key(serviceAccountsName),
		"--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC",
		// As on OpenShift: whoever sets an owner reference that blocks deletion needs the right to, so a role that lacks it is found here.
		"--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
	}
}

func controllersArgs(c *controlPlane) []string {
	return []string{
		"--kubeconfig=" + c.layout.controllersKubeconfig(),
		"--ready-file=" + c.layout.controllersReady(),
	}
}
