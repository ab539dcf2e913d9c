// Package gitops shows that the operator's objects are fit for GitOps: their statuses are read by what Argo CD and
// Flux read statuses with, applying the same manifests again changes nothing, several writers can share an ApiKey, and
// the real controllers of Flux bring a Git repository into the cluster.
//
// All runs on one local control plane with the real manager. "make test-gitops" builds the programs and sets the
// variables that lead to them.
package gitops

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// shared is what all tests run on; each has namespaces of its own.
var shared *world

func TestMain(m *testing.M) {
	stack.QuietLibraries()
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	tools, err := stack.ToolsFromEnv()
	if os.Getenv("HELM") == "" {
		err = errors.Join(err, errors.New("HELM is not set"))
	}
	if err := errors.Join(err, tools.AddFlux()); err != nil {
		return 1, fmt.Errorf("%w: run make test-gitops, which builds and sets them", err)
	}
	s, err := stack.New(tools)
	if err != nil {
		return 1, err
	}
	// A process that ended by itself is reported here.
	defer func() { err = errors.Join(err, s.Close()) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if shared, err = startWorld(ctx, s); err != nil {
		return 1, err
	}
	return m.Run(), nil
}
