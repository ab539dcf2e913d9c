package guides

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// patience bounds every wait for something that takes a few seconds on an idle machine.
const patience = 60 * time.Second

// lab is a fresh control plane with config/default, a manager and a verifier, and an upstream that answers with the
// request it got. There is no policy in it: nothing is granted until a test applies one.
type lab struct {
	*stack.Stack

	manager  *stack.Manager
	verifier *stack.Verifier
	upstream *stack.Upstream
}

func startLab(ctx context.Context) (*lab, error) {
	s, err := stack.New(tools)
	if err != nil {
		return nil, err
	}
	l := &lab{Stack: s}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return l, nil
}

func (l *lab) start(ctx context.Context) (err error) {
	if err := l.StartControlPlane(ctx); err != nil {
		return err
	}
	if _, err := l.Install(ctx); err != nil {
		return err
	}
	if l.upstream, err = l.StartUpstream(); err != nil {
		return err
	}
	if l.manager, err = l.StartManager(ctx, stack.Options{}); err != nil {
		return err
	}
	l.verifier, err = l.StartVerifier(ctx, stack.Options{Args: []string{"--drain-delay=0s"}})
	return err
}

// sharedLab is the lab that tests have in common. What they make in it must not be in each other's way.
func sharedLab(t *testing.T) *lab {
	t.Helper()
	sharedStarted = true
	l, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ownLab is a lab of this test alone, and ends with it.
func ownLab(t *testing.T) *lab {
	t.Helper()
	l, err := startLab(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// kubectl runs kubectl as the administrator in the project's directory and returns what it printed.
func (l *lab) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	printed, err := l.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(printed)
}

// apply applies manifests as a reader of the guide does, so that no field may be unknown.
func (l *lab) apply(t *testing.T, manifests ...string) {
	t.Helper()
	for _, manifest := range manifests {
		if _, err := l.KubectlWithInput(t.Context(), manifest, "apply", "--validate=strict", "-f", "-"); err != nil {
			t.Fatalf("%v\n%s", err, manifest)
		}
	}
}

// namespace makes a namespace if there is none of the name.
func (l *lab) namespace(t *testing.T, name string) {
	t.Helper()
	l.makeNamespaces(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}")
}

// makingNamespaces: of two that apply the same new object at once, one is told that it exists already.
var makingNamespaces sync.Mutex

func (l *lab) makeNamespaces(t *testing.T, manifests string) {
	t.Helper()
	makingNamespaces.Lock()
	defer makingNamespaces.Unlock()
	l.apply(t, manifests)
}

// key waits until an ApiKey is ready, and returns the key that the Secret of its name holds.
func (l *lab) key(t *testing.T, namespace, name string) string {
	t.Helper()
	l.kubectl(t, "wait", "--for=condition=Ready", "apikey/"+name, "--namespace", namespace, "--timeout="+patience.String())
	return l.secret(t, namespace, name, "api-key")
}

// secret is what a Secret holds under a name.
func (l *lab) secret(t *testing.T, namespace, name, dataKey string) string {
	t.Helper()
	encoded := l.kubectl(t, "get", "secret", name, "--namespace", namespace, "-o", `go-template={{index .data "`+dataKey+`"}}`)
	value, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

// nginx starts an nginx that is set up as ingress-nginx's controller does it, with routes to the upstream, and returns
// its host:port. The name tells several of one lab apart.
func (l *lab) nginx(t *testing.T, name string, routes ...stack.Route) string {
	t.Helper()
	nginx, err := l.StartNginx(t.Context(), stack.NginxOptions{
		Name: name, Verifiers: []string{l.verifier.Address}, Upstream: l.upstream.Address, Routes: routes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return nginx.Address
}

// await fails the test if check does not return nil in time.
func await(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	if err := stack.Await(t.Context(), what, patience, check); err != nil {
		t.Fatal(err)
	}
}
