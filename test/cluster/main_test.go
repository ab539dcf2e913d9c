// Package cluster tests an installation as it runs for users: the chart, installed with helm on a real node, in whose pods
// the real image runs, with the probes, Services, DNS and tokens of ServiceAccounts that a cluster gives them. nginx and an
// application are pods too, and a client sends requests through them without a pause while all else happens.
//
// One cluster is for all tests, which build on each other: "make test-cluster" brings in what they need.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// projectDir is the project's, as seen from here.
const projectDir = "../.."

// env is what the tests use.
var env environment

type environment struct {
	node       node
	dir        string // for everything that is written
	kubectl    string
	helm       string
	nginx      string
	image      string // archive of the image
	version    string // tag of the image
	kindName   string // of the cluster, where it is one of kind
	kubeconfig string
	config     *rest.Config
}

func TestMain(m *testing.M) {
	code, err := runOnCluster(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		code = 1
	}
	os.Exit(code)
}

// runOnCluster leaves the end of the cluster to hack/test-cluster.sh, which comes to it however the tests end.
func runOnCluster(m *testing.M) (code int, err error) {
	if err := env.fromVariables(); err != nil {
		return 1, fmt.Errorf("%w: run make test-cluster, which builds and sets them", err)
	}
	env.node = kindNode{env.dir, env.kindName}
	if program := os.Getenv("NODECLUSTER"); program != "" {
		env.node = localNode{program, env.dir}
	}
	if err := env.start(context.Background()); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func (e *environment) fromVariables() error {
	var problems []error
	for variable, value := range map[string]*string{
		"DIR": &e.dir, "KUBECTL": &e.kubectl, "HELM": &e.helm, "NGINX": &e.nginx, "IMAGE": &e.image, "VERSION": &e.version,
		"KIND_CLUSTER": &e.kindName,
	} {
		if *value = os.Getenv(variable); *value == "" {
			problems = append(problems, fmt.Errorf("%s is not set", variable))
		}
	}
	return errors.Join(problems...)
}

// start brings up the cluster, with the images.
func (e *environment) start(ctx context.Context) error {
	app := filepath.Join(e.dir, "app")
	if _, err := run(ctx, "", "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", app, "./test/cluster/app"); err != nil {
		return err
	}
	var err error
	if e.kubeconfig, err = e.node.up(ctx); err != nil {
		return err
	}
	archives := []string{e.image}
	for name, program := range map[string]string{"app": app, "nginx": e.nginx} {
		archive, err := e.node.pack(ctx, name, program)
		if err != nil {
			return err
		}
		archives = append(archives, archive)
	}
	if err := e.node.load(ctx, archives...); err != nil {
		return err
	}
	e.config, err = clientcmd.BuildConfigFromFlags("", e.kubeconfig)
	return err
}

// await waits until check returns nil.
func await(t *testing.T, what string, timeout time.Duration, check func(context.Context) error) {
	t.Helper()
	if err := stack.Await(t.Context(), what, timeout, check); err != nil {
		t.Fatal(err)
	}
}
