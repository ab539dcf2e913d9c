package cluster

import (
	"context"
	"os"
	"strings"
	"testing"
)

// kubectl runs kubectl as the administrator and returns what it printed.
func kubectl(ctx context.Context, input string, args ...string) (string, error) {
	output, err := run(ctx, input, env.kubectl, append([]string{"--kubeconfig", env.kubeconfig, "--cache-dir", env.dir + "/kubectl"}, args...)...)
	return strings.TrimSpace(output), err
}

// mustKubectl is kubectl where it has to succeed.
func mustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	output, err := kubectl(t.Context(), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// apply applies manifests.
func apply(t *testing.T, manifests string) {
	t.Helper()
	if _, err := kubectl(t.Context(), manifests, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

// applyFile applies the manifests of a file of testdata.
func applyFile(t *testing.T, name string) {
	t.Helper()
	content, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, string(content))
}

// helm runs helm as the administrator and returns what it printed.
func helm(ctx context.Context, args ...string) (string, error) {
	home := env.dir + "/helm"
	return run(ctx, "", "env", append([]string{
		"HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home, "KUBECONFIG=" + env.kubeconfig, env.helm,
	}, args...)...)
}

func mustHelm(t *testing.T, args ...string) string {
	t.Helper()
	output, err := helm(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}
