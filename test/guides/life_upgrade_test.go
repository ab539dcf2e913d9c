package guides

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// laterField is a field of the spec and of the status that this version does not know.
const (
	laterField  = "later"
	addLater    = `[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/later","value":{"type":"string"}},{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/later","value":{"type":"string"}}]`
	removeLater = `[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/later"},{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/later"}]`
)

// TestVersionsWorkSideBySideAsTheGuideTells has this version's programs meet objects of a later one's, on the way there and
// back, while a key is used all the time.
func TestVersionsWorkSideBySideAsTheGuideTells(t *testing.T) {
	t.Parallel()
	l := ownLab(t)
	l.namespace(t, "phoenix")
	l.apply(t, `{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKeyPolicy, metadata: {name: phoenix}, spec: {
		namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: phoenix}}, permissions: [read]}}`,
		`{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: used, namespace: phoenix}, spec: {permissions: [read]}}`)
	key := l.key(t, "phoenix", "used")
	expectAnswer(t, l.verifier, key, "the key", allowed)
	used := useAllTheTime(t, l.verifier, key)

	l.kubectl(t, "patch", "crd", "apikeys.apikey-operator.dev", "--type=json", "-p", addLater) // definitions first
	l.writeAsALaterManager(t)
	next, err := l.StartVerifier(t.Context(), stack.Options{Name: "next-verifier", Args: []string{"--drain-delay=0s"}})
	if err != nil {
		t.Fatal(err)
	}
	expectAnswer(t, next, key, "the key, by a verifier that reads all anew", allowed)
	l.expectNoneUndecodable(t, next.Metrics, "apikey_operator_verifier_undecodable_apikeys")
	l.startManager(t)
	generation := l.kubectl(t, "get", "apikey", "used", "-n", "phoenix", "-o", "jsonpath={.metadata.generation}")
	l.waitFor(t, "phoenix", "apikey/used", "jsonpath={.status.observedGeneration}="+generation)
	l.expectIssued(t, 0)
	l.expectNoneUndecodable(t, l.manager.Metrics, "apikey_operator_undecodable_apikeys")

	l.kubectl(t, "patch", "crd", "apikeys.apikey-operator.dev", "--type=json", "-p", removeLater) // and back
	await(t, "the field to be gone", func(ctx context.Context) error {
		left, err := l.Kubectl(ctx, "get", "apikey", "used", "-n", "phoenix", "-o", "jsonpath={.spec.later}")
		if err == nil && left != "" {
			err = errors.New("it is " + left)
		}
		return err
	})
	l.kubectl(t, "patch", "apikey", "used", "-n", "phoenix", "--type=merge", "-p", `{"spec":{"revision":2}}`)
	rotated := l.key(t, "phoenix", "used")
	if rotated == key {
		t.Error("the key is not rotated any more")
	}
	expectAnswer(t, next, rotated, "the next key", allowed)
	used.stop(t)
}

// writeAsALaterManager stops the manager, and fills in what only a later version knows.
func (l *lab) writeAsALaterManager(t *testing.T) {
	t.Helper()
	if err := l.manager.Stop(patience); err != nil {
		t.Fatal(err)
	}
	await(t, "the API server to know the field", func(ctx context.Context) error {
		_, err := l.Kubectl(ctx, "patch", "apikey", "used", "-n", "phoenix", "--type=merge", "-p", `{"spec":{"`+laterField+`":"x"}}`)
		if err != nil {
			return err
		}
		_, err = l.Kubectl(ctx, "patch", "apikey", "used", "-n", "phoenix", "--subresource=status", "--type=merge", "-p", `{"status":{"`+laterField+`":"x"}}`,
			"--as=system:serviceaccount:"+stack.SystemNamespace+":"+stack.ManagerAccount, "--as-group=system:masters")
		if err != nil {
			return err
		}
		stored, err := l.Kubectl(ctx, "get", "apikey", "used", "-n", "phoenix", "-o", "jsonpath={.spec.later}{.status.later}")
		if err == nil && stored != "xx" {
			err = errors.New("it has stored " + stored)
		}
		return err
	})
}

// expectNoneUndecodable looks at the metric by which a program tells of what it cannot read.
func (l *lab) expectNoneUndecodable(t *testing.T, address, metric string) {
	t.Helper()
	metrics, err := stack.Scrape(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if n, told := metrics[metric]; !told || n != 0 {
		t.Errorf("%s is %v (told: %t), want 0", metric, n, told)
	}
}

// usage is a key that is used all the time.
type usage struct {
	cancel context.CancelFunc
	done   chan error
	asked  int
}

// useAllTheTime asks a verifier about a key 50 times a second until it is stopped.
func useAllTheTime(t *testing.T, v *stack.Verifier, key string) *usage {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	u := &usage{cancel: cancel, done: make(chan error, 1)}
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				u.done <- nil
				return
			case <-tick.C:
			}
			got, err := ask(t.Context(), v, "", key)
			if err != nil || got != allowed {
				u.done <- errors.Join(err, errors.New("a request in use was answered "+got.reason))
				return
			}
			u.asked++
		}
	}()
	t.Cleanup(cancel)
	return u
}

// stop ends it, and fails the test if any request was refused.
func (u *usage) stop(t *testing.T) {
	t.Helper()
	u.cancel()
	if err := <-u.done; err != nil {
		t.Error(err)
	}
	if u.asked == 0 {
		t.Error("the key was never used")
	}
}
