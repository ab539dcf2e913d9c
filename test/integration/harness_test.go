// Package integration tests the operator against a real etcd and kube-apiserver: what the API server
// accepts, refuses and protects, and what the manager and the verifier make of it.
//
// One control plane serves the whole package and has config/default installed, rendered by kustomize
// as an administrator would; only some namespaces are left out of stamping (freshUnstampedNamespace). Each test
// works in namespaces of its own (freshNamespace), as somebody (admin, manager, verifier, namespaceEditor), so
// tests may run in parallel. There is no kube-controller-manager: nothing collects garbage, and a deleted
// namespace stays Terminating.
//
// The binaries come from KUBEBUILDER_ASSETS; "make test-integration" builds and sets them.
package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

const (
	// systemNamespace is where config/default puts the operator.
	systemNamespace = "apikey-operator-system"

	// startTimeout is how long etcd and the API server may each take to start; on an idle machine
	// both together take 4 s.
	startTimeout = 90 * time.Second

	// settleTimeout is how long what was installed or granted may take to be in force; usually well
	// under a second.
	settleTimeout = 30 * time.Second

	// installTimeout is how long the installation may take to be in force.
	installTimeout = 3 * time.Minute

	// settleInterval is how often that is looked at.
	settleInterval = 20 * time.Millisecond
)

// controlPlane is the one API server that the tests of this package share.
var controlPlane *envtest.Environment

func TestMain(m *testing.M) {
	code, err := runOnControlPlane(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	os.Exit(code)
}

// runOnControlPlane starts the control plane, installs config/default, runs the tests and stops it.
func runOnControlPlane(m *testing.M) (code int, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return 1, errors.New("KUBEBUILDER_ASSETS does not say where etcd, kube-apiserver and kubectl are: " +
			"run these tests with make test-integration, which builds them")
	}
	stack.QuietLibraries()
	controlPlane = &envtest.Environment{ControlPlaneStartTimeout: startTimeout}
	if _, err := controlPlane.Start(); err != nil {
		return 1, errors.Join(fmt.Errorf("start the control plane: %w", err), controlPlane.Stop())
	}
	defer func() { err = errors.Join(err, controlPlane.Stop()) }()

	dir, err := os.MkdirTemp("", "apikey-operator-integration-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	kubectlHome = dir
	if err := os.WriteFile(filepath.Join(dir, "kubeconfig"), controlPlane.KubeConfig, 0o600); err != nil {
		return 1, err
	}

	if err := install(); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// install applies config/default as it is committed and waits until it is in force.
func install() error {
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	if _, err := runKubectl(ctx, "", "apply", "-k", "../../config/default"); err != nil {
		return fmt.Errorf("install config/default: %w", err)
	}
	if _, err := runKubectl(ctx, "", "wait", "--for=condition=Established", "crd/apikeys.apikey-operator.dev"); err != nil {
		return fmt.Errorf("wait for the ApiKey definition: %w", err)
	}
	if _, err := runKubectl(ctx, "", "wait", "--for=condition=Established", "crd/apikeypolicies.apikey-operator.dev"); err != nil {
		return fmt.Errorf("wait for the ApiKeyPolicy definition: %w", err)
	}
	if err := divertWebhook(ctx); err != nil {
		return err
	}
	if err := allowEverything(ctx); err != nil {
		return err
	}
	if _, err := runKubectl(ctx, "", "patch", "mutatingadmissionpolicybinding", "apikey-operator-stamp", "--type=merge", "-p", exceptUnstamped); err != nil {
		return fmt.Errorf("leave namespaces out of stamping: %w", err)
	}
	return waitForAdmission(ctx)
}

// allowEverything applies policies under which every ApiKey is granted what it asks for. Established may come before
// discovery tells of the kind.
func allowEverything(ctx context.Context) error {
	var last error
	err := poll(ctx, func() (bool, error) {
		_, last = runKubectl(ctx, "", "apply", "-f", "../policies/everything.yaml")
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("allow everything: %w", errors.Join(err, last))
	}
	return nil
}

// divertWebhook has the webhook's Service lead to this machine, where nothing listens: it is down, and known to be at
// once. There is no network of Services here, so the API server would wait for each of its calls to time out.
func divertWebhook(ctx context.Context) error {
	_, err := runKubectl(ctx, "", "patch", "service", "apikey-operator-webhook", "--namespace", systemNamespace,
		"--type=merge", "--patch", `{"spec":{"type":"ExternalName","externalName":"localhost"}}`)
	if err != nil {
		return fmt.Errorf("divert the webhook's Service: %w", err)
	}
	return nil
}

// poll asks done again and again until it says yes or fails, or ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	for {
		yes, err := done()
		if yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settleInterval):
		}
	}
}
