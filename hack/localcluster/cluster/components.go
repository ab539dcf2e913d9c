package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

// Names of the components: the first argument with which Options.Binary runs one, and its log's name.
const (
	Etcd        = "etcd"
	APIServer   = "kube-apiserver"
	Controllers = "controllers"
)

// checkTimeout bounds one look at a component that may not answer yet.
const checkTimeout = 2 * time.Second

// component is one process of the control plane.
type component struct {
	name string
	// args are its command line after its name.
	args func(*controlPlane) []string
	// check returns what tells, by nil, that it is ready.
	check func(*controlPlane) (func(context.Context) error, error)
}

// components in the order in which they are started.
var components = []component{
	{name: Etcd, args: etcdArgs, check: etcdCheck},
	{name: APIServer, args: apiServerArgs, check: apiServerCheck},
	{name: Controllers, args: controllersArgs, check: controllersCheck},
}

func etcdArgs(c *controlPlane) []string {
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
		"--trusted-ca-file=" + c.layout.cert(caName),
		"--cert-file=" + c.layout.cert(etcdServerName),
		"--key-file=" + c.layout.key(etcdServerName),
		"--unsafe-no-fsync", // data for tests need not survive a power cut
		"--log-level=warn",
	}
}

func apiServerArgs(c *controlPlane) []string {
	return []string{
		"--etcd-servers=https://" + c.etcd.hostPort(),
		"--etcd-cafile=" + c.layout.cert(caName),
		"--etcd-certfile=" + c.layout.cert(etcdClientName),
		"--etcd-keyfile=" + c.layout.key(etcdClientName),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.apiserver.port),
		"--permit-port-sharing", // see reservation
		// Endpoints in the API may not be loopback addresses, so none are kept for the API server itself.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + c.layout.cert(serverName),
		"--tls-private-key-file=" + c.layout.key(serverName),
		"--client-ca-file=" + c.layout.cert(caName),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.layout.key(serviceAccountsName),
		"--service-account-signing-key-file=" + c.layout.key(serviceAccountsName),
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

func etcdCheck(c *controlPlane) (func(context.Context) error, error) {
	return httpsCheck(c.layout, etcdClientName, "https://"+c.etcd.hostPort()+"/health")
}

func apiServerCheck(c *controlPlane) (func(context.Context) error, error) {
	return httpsCheck(c.layout, adminName, "https://"+c.apiserver.hostPort()+"/readyz")
}

// controllersCheck looks for the file that the controllers write once they watch every kind of object.
func controllersCheck(c *controlPlane) (func(context.Context) error, error) {
	return func(context.Context) error {
		_, err := os.Stat(c.layout.controllersReady())
		return err
	}, nil
}

// httpsCheck is ready when url answers 200 to the client whose certificate is given.
func httpsCheck(l layout, client, url string) (func(context.Context) error, error) {
	config, err := clientTLS(l, client)
	if err != nil {
		return nil, err
	}
	// A connection per look: one that was refused or cut while the server started is not used again.
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	httpClient := &http.Client{Transport: transport, Timeout: checkTimeout}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := httpClient.Do(request)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answered %s", url, response.Status)
		}
		return nil
	}, nil
}

func clientTLS(l layout, client string) (*tls.Config, error) {
	authorityPEM, err := os.ReadFile(l.cert(caName))
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(authorityPEM) {
		return nil, errors.New("the authority's certificate is not PEM")
	}
	certificate, err := tls.LoadX509KeyPair(l.cert(client), l.key(client))
	if err != nil {
		return nil, fmt.Errorf("load the certificate of %s: %w", client, err)
	}
	return &tls.Config{RootCAs: authorities, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}, nil
}
