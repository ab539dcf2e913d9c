package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/test/stack"
	"github.com/apikey-operator/apikey-operator/test/stack/audit"
)

// patience bounds every wait for something that takes a few seconds on an idle machine.
const patience = 60 * time.Second

// routes are what the shared nginx protects. Where a requirement names a namespace, the test makes it.
var routes = []stack.Route{
	{Path: "/any/"},
	{Path: "/read/", Requirement: "permission=read"},
	{Path: "/read-and-view/", Requirement: "permission=read&permission=customers:view"},
	{Path: "/admin/", Requirement: "permission=admin"},
	{Path: "/rules/", Requirement: "rule=GET,HEAD:read&rule=POST,PUT:customers:write&rule=DELETE:admin"},
	{Path: "/rules-for-all/", Requirement: "rule=GET:read&rule=*:admin"},
	{Path: "/acme/", Requirement: "tenant=acme"},
	{Path: "/general/", Requirement: "scope.category=general"},
	{Path: "/secret-category/", Requirement: "scope.category=secret"},
	{Path: "/region/", Requirement: "scope.region=eu"},
	{Path: "/of-namespace/", Requirement: "namespace=" + wellKnownNamespace},
	{Path: "/cached/", Requirement: "cache=60"},
	{Path: "/cached-read/", Requirement: "permission=read&cache=300"},
	{Path: "/mistake/", Requirement: "permision=read"},
	{Path: "/no-credential-upstream/", Listed: []string{"X-API-Key", "Authorization"}},
}

// wellKnownNamespace is the one that a route names.
const wellKnownNamespace = "billing"

// environment is a stack with somebody who watches it.
type environment struct {
	*stack.Stack

	managers  []*stack.Manager
	verifiers []*stack.Verifier
	nginx     *stack.Nginx
	upstream  *stack.Upstream
	kube      dynamic.Interface
	witness   *audit.Witness
}

// newEnvironment starts a control plane with config/default, and the upstream.
func newEnvironment(ctx context.Context) (*environment, error) {
	s, err := stack.New(tools)
	if err != nil {
		return nil, err
	}
	e := &environment{Stack: s}
	if err := s.StartControlPlane(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if _, err := s.Install(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.AllowEverything(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if e.upstream, err = s.StartUpstream(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return e, nil
}

// connect makes the Go client and starts the witness, who sees what happens from here on.
func (e *environment) connect(ctx context.Context, config *rest.Config) error {
	var err error
	if e.kube, err = dynamic.NewForConfig(config); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	e.witness, err = audit.Watch(ctx, e.kube, e.LogDir())
	return err
}

// Close ends everything and removes what it left.
func (e *environment) Close() error {
	if e.witness != nil {
		e.witness.Stop()
	}
	return e.Stack.Close()
}

// startShared starts one manager and two verifiers at the most talkative log level, and nginx.
func startShared(ctx context.Context) (*environment, error) {
	e, err := newEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.startSharedProcesses(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *environment) startSharedProcesses(ctx context.Context) error {
	config, err := e.AdminConfig()
	if err != nil {
		return err
	}
	if err := e.connect(ctx, config); err != nil {
		return err
	}
	if err := e.addManager(ctx, stack.Options{}); err != nil {
		return err
	}
	for i := range 2 {
		if err := e.addVerifier(ctx, stack.Options{Name: fmt.Sprintf("verifier-%d", i+1)}); err != nil {
			return err
		}
	}
	// Whichever tests are chosen to run, there is a key to search for.
	if _, err := e.KubectlWithInput(ctx, manifest("default", "searched-for", "{}"), "apply", "-f", "-"); err != nil {
		return err
	}
	e.nginx, err = e.StartNginx(ctx, stack.NginxOptions{
		Verifiers: addressesOf(e.verifiers), Upstream: e.upstream.Address, Routes: routes,
	})
	return err
}

// addManager starts a manager at the most talkative log level.
func (e *environment) addManager(ctx context.Context, o stack.Options) error {
	o.LogLevel = "DEBUG"
	m, err := e.StartManager(ctx, o)
	if err == nil {
		e.managers = append(e.managers, m)
	}
	return err
}

// addVerifier starts a verifier at the most talkative log level.
func (e *environment) addVerifier(ctx context.Context, o stack.Options) error {
	v, err := e.StartVerifier(ctx, verifierOptions(o))
	if err == nil {
		e.verifiers = append(e.verifiers, v)
	}
	return err
}

// verifierOptions are those of a verifier that talks much and ends quickly; flags that o holds win.
func verifierOptions(o stack.Options) stack.Options {
	o.LogLevel = "DEBUG"
	o.Args = append([]string{"--drain-delay=0s"}, o.Args...)
	return o
}

func addressesOf(verifiers []*stack.Verifier) []string {
	var addresses []string
	for _, v := range verifiers {
		addresses = append(addresses, v.Address)
	}
	return addresses
}

// ownEnvironment is a stack for one test that breaks something. It is searched for keys and ends with it.
func ownEnvironment(t *testing.T, start func(ctx context.Context, e *environment) error) *environment {
	t.Helper()
	e, err := newEnvironment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if e.witness != nil {
			// The test's own context has ended by now.
			if err := e.audit(context.Background(), t.Output()); err != nil {
				t.Error(err)
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := start(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// audit searches all that was written while the environment ran for the keys that were issued in it.
func (e *environment) audit(ctx context.Context, report io.Writer) error {
	return e.witness.Search(ctx, e.Stack, e.metricsAddresses(), report)
}

// metricsAddresses are those of every manager and verifier that still runs.
func (e *environment) metricsAddresses() map[string]string {
	addresses := map[string]string{}
	add := func(p *stack.Process, address string) {
		select {
		case <-p.Exited():
		default:
			addresses[p.Name] = address
		}
	}
	for _, m := range e.managers {
		add(m.Process, m.Metrics)
	}
	for _, v := range e.verifiers {
		add(v.Process, v.Metrics)
	}
	return addresses
}

// await fails the test if check does not return nil in time.
func await(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	if err := stack.Await(t.Context(), what, patience, check); err != nil {
		t.Fatal(err)
	}
}
