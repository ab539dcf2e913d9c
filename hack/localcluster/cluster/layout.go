// Package cluster starts, supervises and stops a Kubernetes control plane (etcd, kube-apiserver and a
// few controllers) as child processes of one program, on 127.0.0.1 only and below one directory.
// It links no Kubernetes package itself, so its tests build in seconds.
package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/pki"
)

// layout names the files of one control plane below its directory.
type layout struct{ dir string }

// newLayout returns the layout below dir, made absolute so that child processes and kubeconfigs find it from anywhere.
func newLayout(dir string) (layout, error) {
	if dir == "" {
		return layout{}, errors.New("no directory given for the control plane's files: use --dir")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return layout{}, fmt.Errorf("find the absolute path of %q: %w", dir, err)
	}
	return layout{dir: abs}, nil
}

func (l layout) pidFile() string               { return filepath.Join(l.dir, "localcluster.pid") }
func (l layout) kubeconfig() string            { return filepath.Join(l.dir, "kubeconfig") }
func (l layout) controllersKubeconfig() string { return filepath.Join(l.dir, "controllers.kubeconfig") }
func (l layout) controllersReady() string      { return filepath.Join(l.dir, "controllers.ready") }
func (l layout) apiServerPort() string         { return filepath.Join(l.dir, "kube-apiserver.port") }
func (l layout) etcdData() string              { return filepath.Join(l.dir, "etcd") }
func (l layout) pki() pki.Dir                  { return pki.Dir(filepath.Join(l.dir, "pki")) }
func (l layout) logDir() string                { return filepath.Join(l.dir, "log") }
func (l layout) log(name string) string        { return filepath.Join(l.logDir(), name+".log") }

// create makes the directories, readable by their owner only: they hold private keys and every Secret stored.
func (l layout) create() error {
	for _, dir := range []string{l.dir, string(l.pki()), l.logDir(), l.etcdData()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create the control plane's directory: %w", err)
		}
	}
	return nil
}

// removeReadyMarks removes the files whose presence says that a control plane is ready.
func (l layout) removeReadyMarks() error {
	for _, name := range []string{l.kubeconfig(), l.controllersReady()} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a file of an earlier run: %w", err)
		}
	}
	return nil
}
