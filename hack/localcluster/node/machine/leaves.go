//go:build linux

package machine

import (
	"crypto/x509"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/pki"
)

// Names of certificates and keys, and of the kubeconfigs of those that are users.
const (
	etcdServerName      = "etcd"
	etcdClientName      = "etcd-client"
	serverName          = "kube-apiserver"
	kubeletClientName   = "kubelet-client"
	kubeletServerName   = "kubelet-server"
	componentsName      = "components"
	adminName           = "admin"
	controllersName     = "kube-controller-manager"
	schedulerName       = "kube-scheduler"
	kubeletName         = "kubelet"
	proxyName           = "kube-proxy"
	dnsName             = "coredns"
	serviceAccountsName = "service-accounts"
)

// nodeName is the node's name in the API.
const nodeName = "node"

// leaves are the certificates besides the authority's. Each component is the user that Kubernetes has a role for, and may
// do what that role allows; only the administrator may do everything.
func leaves(s subnet) map[string]x509.Certificate {
	return map[string]x509.Certificate{
		etcdServerName: pki.Server("etcd", "127.0.0.1"),
		etcdClientName: pki.Client("kube-apiserver-etcd-client"),
		serverName: pki.Server("kube-apiserver", "127.0.0.1", s.Node.String(), s.Kubernetes.String(), "localhost",
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"),
		kubeletClientName: pki.Client(kubeletClientUser),
		kubeletServerName: pki.Server("kubelet", "127.0.0.1", s.Node.String(), nodeName),
		componentsName:    pki.Server("components", "127.0.0.1"),
		adminName:         pki.Client("admin", "system:masters"),
		controllersName:   pki.Client("system:kube-controller-manager"),
		schedulerName:     pki.Client("system:kube-scheduler"),
		kubeletName:       pki.Client("system:node:"+nodeName, "system:nodes"),
		proxyName:         pki.Client("system:kube-proxy"),
		dnsName:           pki.Client("system:coredns"),
	}
}

// kubeletClientUser is whom the kubelet sees when the API server asks it for logs or a command.
const kubeletClientUser = "kube-apiserver-kubelet-client"
