package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// kubectlHome holds the administrator's kubeconfig and kubectl's cache of what the API server offers.
var kubectlHome string

// kubectl runs kubectl as the administrator, with input on its standard input, and returns what it
// printed. The test ends if kubectl fails.
func kubectl(t *testing.T, input string, args ...string) string {
	t.Helper()
	out, err := runKubectl(t.Context(), input, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// kubectlRefused runs kubectl as the administrator and returns what it complained about. The test
// ends if kubectl succeeds.
func kubectlRefused(t *testing.T, input string, args ...string) string {
	t.Helper()
	out, err := runKubectl(t.Context(), input, args...)
	if err == nil {
		t.Fatalf("kubectl %q succeeded and printed:\n%s", args, out)
	}
	return err.Error()
}

func runKubectl(ctx context.Context, input string, args ...string) (string, error) {
	args = append([]string{
		"--kubeconfig=" + filepath.Join(kubectlHome, "kubeconfig"),
		"--cache-dir=" + filepath.Join(kubectlHome, "cache"),
	}, args...)
	cmd := exec.CommandContext(ctx, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %q: %w: %s%s", args, err, &stdout, &stderr)
	}
	return stdout.String(), nil
}
