package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

func rotates(t *testing.T) {
	withoutALostRequest(t, func() {
		rotateByHand(t, "steady", 2)
		// The kubelet looks at a pod that changes at once, and else brings its Secrets up to date within a minute or so.
		mustKubectl(t, "annotate", "pod", "client", "--namespace", appsNamespace, "tests/rotated=true")
		await(t, "the client to use the new key", 3*time.Minute, func(ctx context.Context) error {
			r, err := report(ctx)
			if err == nil && r.Revisions["2"] == 0 {
				err = fmt.Errorf("so far: %v", r.Revisions)
			}
			return err
		})
	})
}

// rotateByHand asks for a revision of a key, and waits until it is published.
func rotateByHand(t *testing.T, name string, revision int) {
	t.Helper()
	patchKey(t, name, fmt.Sprintf(`{"spec":{"revision":%d}}`, revision))
	mustKubectl(t, "wait", "apikey/"+name, "--namespace", appsNamespace, "--timeout=1m",
		fmt.Sprintf(`--for=jsonpath={.status.credentials[?(@.state=="Current")].revision}=%d`, revision))
}

func losesAVerifier(t *testing.T) {
	verifiers := podNames(t, systemNamespace, "verifier")
	withoutALostRequest(t, func() {
		evict(t, verifiers[0], http.StatusCreated)
		// A drain of this node would have to wait here.
		evict(t, verifiers[1], http.StatusTooManyRequests)
		awaitRollout(t, systemNamespace, "apikey-operator-verifier")
	})
	withoutALostRequest(t, func() {
		mustKubectl(t, "delete", "pod", verifiers[1], "--namespace", systemNamespace)
		awaitRollout(t, systemNamespace, "apikey-operator-verifier")
	})
}

// evict asks for a pod to go as a drain of its node does.
func evict(t *testing.T, pod string, want int) {
	t.Helper()
	client, err := rest.HTTPClientFor(env.config)
	if err != nil {
		t.Fatal(err)
	}
	eviction := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"namespace":%q,"name":%q}}`, systemNamespace, pod)
	address := env.config.Host + "/api/v1/namespaces/" + systemNamespace + "/pods/" + pod + "/eviction"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewBufferString(eviction))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		t.Errorf("the eviction of %s was answered %s (%v), want %d: %s", pod, response.Status, err, want, body)
	}
}

func losesTheManager(t *testing.T) {
	managers := podNames(t, systemNamespace, "manager")
	withoutALostRequest(t, func() {
		mustKubectl(t, "delete", "pod", managers[0], "--namespace", systemNamespace)
		awaitRollout(t, systemNamespace, "apikey-operator-manager")
		// The next one works where the first has stopped.
		rotateByHand(t, "narrow", 2)
	})
}

func restartsVerifiers(t *testing.T) {
	withoutALostRequest(t, func() {
		mustKubectl(t, "rollout", "restart", "deployment/apikey-operator-verifier", "--namespace", systemNamespace)
		awaitRollout(t, systemNamespace, "apikey-operator-verifier")
	})
}
