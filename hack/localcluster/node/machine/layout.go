//go:build linux

// Package machine runs a Kubernetes cluster of one node: etcd, the API server, controllers, scheduler, containerd,
// kubelet, kube-proxy and CoreDNS, as processes in process, mount and network namespaces of their own. When the first
// process of those namespaces ends, however it ends, the kernel ends all others, containers included, and
// takes back the mounts and the network with them; only control groups and files are left to be removed.
// It links no Kubernetes package itself.
package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/pki"
)

// inside is where the node's processes see the cluster's directory: a short path, as those of sockets are limited.
const inside = layout("/run/node")

// layout names the files of one cluster below its directory.
type layout string

// newLayout returns the layout below dir, made absolute so that other processes find it from anywhere.
func newLayout(dir string) (layout, error) {
	if dir == "" {
		return "", errors.New("no directory given for the cluster's files: use --dir")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the absolute path of %q: %w", dir, err)
	}
	return layout(abs), nil
}

func (l layout) path(name string) string { return filepath.Join(string(l), name) }

func (l layout) pidFile() string    { return l.path("nodecluster.pid") }
func (l layout) initPID() string    { return l.path("init.pid") }
func (l layout) kubeconfig() string { return l.path("kubeconfig") }
func (l layout) addresses() string  { return l.path("addresses.json") }
func (l layout) pki() pki.Dir       { return pki.Dir(l.path("pki")) }
func (l layout) logDir() string     { return l.path("log") }

// config is the directory of the components' configuration, kubeconfigs among it.
func (l layout) config(name string) string { return filepath.Join(l.path("config"), name) }

// data is what components store: images, volumes, etcd's database.
func (l layout) data(name string) string { return filepath.Join(l.path("data"), name) }

// id tells clusters of this machine apart.
func (l layout) id() string {
	sum := sha256.Sum256([]byte(l))
	return hex.EncodeToString(sum[:4])
}

// create makes the directories, readable by their owner only: they hold private keys and every Secret stored.
func (l layout) create() error {
	directories := []string{string(l), string(l.pki()), l.logDir(), l.path("config"), l.data("containerd"), l.data("kubelet"), l.data("etcd")}
	for _, dir := range directories {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create the cluster's directory: %w", err)
		}
	}
	return nil
}

// removeRun removes what belongs to one run. Logs are kept for whoever looks for what went wrong.
func (l layout) removeRun() error {
	for _, name := range []string{l.kubeconfig(), l.addresses(), l.initPID(), l.path("config"), l.path("data"), string(l.pki())} {
		if err := os.RemoveAll(name); err != nil {
			return fmt.Errorf("remove what a run left: %w", err)
		}
	}
	return nil
}
