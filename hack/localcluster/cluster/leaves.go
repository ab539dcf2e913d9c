package cluster

import (
	"crypto/x509"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/pki"
)

// Names of certificates and keys.
const (
	serverName          = "kube-apiserver"
	etcdServerName      = "etcd"
	etcdClientName      = "etcd-client"
	adminName           = "admin"
	controllersName     = "controllers"
	serviceAccountsName = "service-accounts"
)

// leaves are the certificates besides the authority's. Both clients of the API server are in the group that RBAC lets do
// everything. etcd speaks TLS under the same authority: a program that talks to the wrong one of two control
// planes is refused instead of mixing them up.
func leaves() map[string]x509.Certificate {
	return map[string]x509.Certificate{
		serverName:      pki.Server("kube-apiserver", "127.0.0.1", "localhost"),
		etcdServerName:  pki.Server("etcd", "127.0.0.1", "localhost"),
		etcdClientName:  pki.Client("kube-apiserver-etcd-client"),
		adminName:       pki.Client("localcluster-admin", "system:masters"),
		controllersName: pki.Client("system:kube-controller-manager", "system:masters"),
	}
}
