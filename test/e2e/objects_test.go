package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

var (
	secretsResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

// kubectl runs kubectl as the administrator and ends the test if it fails.
func (e *environment) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return e.kubectlWithInput(t, "", args...)
}

func (e *environment) kubectlWithInput(t *testing.T, input string, args ...string) string {
	t.Helper()
	printed, err := e.KubectlWithInput(t.Context(), input, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(printed)
}

// namespace makes a namespace for the test.
func (e *environment) namespace(t *testing.T) string {
	t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"generateName": "test-"},
	}}
	made, err := e.kube.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).
		Create(t.Context(), object, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.GetName()
}

// manifest is an ApiKey with a spec in YAML's flow style.
func manifest(namespace, name, spec string) string {
	return fmt.Sprintf("{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: %s, namespace: %s}, spec: %s}",
		name, namespace, spec)
}

// apply applies an ApiKey with kubectl.
func (e *environment) apply(t *testing.T, namespace, name, spec string) {
	t.Helper()
	e.kubectlWithInput(t, manifest(namespace, name, spec), "apply", "-f", "-")
}

// applyAll applies ApiKeys of several names, each with its spec, at once.
func (e *environment) applyAll(t *testing.T, namespace string, specs map[string]string) {
	t.Helper()
	var manifests []string
	for name, spec := range specs {
		manifests = append(manifests, manifest(namespace, name, spec))
	}
	e.kubectlWithInput(t, strings.Join(manifests, "\n---\n"), "apply", "-f", "-")
}

// waitReady waits as a user's script does.
func (e *environment) waitReady(t *testing.T, namespace, name string) {
	t.Helper()
	e.kubectl(t, "wait", "--for=condition=Ready", "apikey/"+name, "--namespace", namespace, "--timeout="+patience.String())
}

// issue applies an ApiKey, waits until it is ready and returns the key from its Secret.
func (e *environment) issue(t *testing.T, namespace, name, spec string) string {
	t.Helper()
	e.apply(t, namespace, name, spec)
	e.waitReady(t, namespace, name)
	return e.key(t, namespace, name)
}

// issueAll is issue for several ApiKeys, which then wait for their keys together.
func (e *environment) issueAll(t *testing.T, namespace string, specs map[string]string) map[string]string {
	t.Helper()
	e.applyAll(t, namespace, specs)
	issued := map[string]string{}
	for name := range specs {
		e.waitReady(t, namespace, name)
		issued[name] = e.key(t, namespace, name)
	}
	return issued
}

// patch changes an ApiKey's spec by a merge patch and returns when the API server has accepted it.
func (e *environment) patch(t *testing.T, namespace, name, spec string) {
	t.Helper()
	_, err := e.kube.Resource(v1alpha1.ApiKeyResource).Namespace(namespace).Patch(t.Context(), name,
		types.MergePatchType, []byte(`{"spec":`+spec+`}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// key is the key that the Secret of that name holds under the default data key.
func (e *environment) key(t *testing.T, namespace, secret string) string {
	t.Helper()
	key, err := e.readKey(t.Context(), namespace, secret, v1alpha1.DefaultSecretKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (e *environment) readKey(ctx context.Context, namespace, secret, dataKey string) (string, error) {
	object, err := e.kube.Resource(secretsResource).Namespace(namespace).Get(ctx, secret, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	encoded, _, err := unstructured.NestedString(object.Object, "data", dataKey)
	if err != nil {
		return "", err
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err == nil && len(key) == 0 {
		err = fmt.Errorf("Secret %s/%s holds nothing under %s", namespace, secret, dataKey)
	}
	return string(key), err
}

// awaitKey waits for a Secret with a key other than old, and returns it at once.
func (e *environment) awaitKey(t *testing.T, namespace, secret, old string) string {
	t.Helper()
	var key string
	await(t, "a key in Secret "+secret, func(ctx context.Context) error {
		var err error
		key, err = e.readKey(ctx, namespace, secret, v1alpha1.DefaultSecretKey)
		if err == nil && key == old {
			err = errors.New("it still holds the old one")
		}
		return err
	})
	return key
}

// get reads an ApiKey as it is stored.
func (e *environment) get(t *testing.T, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	object, err := e.kube.Resource(v1alpha1.ApiKeyResource).Namespace(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// awaitState waits until an ApiKey's status says a state.
func (e *environment) awaitState(t *testing.T, namespace, name string, want v1alpha1.ApiKeyState) {
	t.Helper()
	await(t, fmt.Sprintf("ApiKey %s to be %s", name, want), func(ctx context.Context) error {
		object, err := e.kube.Resource(v1alpha1.ApiKeyResource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		state, _, err := unstructured.NestedString(object.Object, "status", "state")
		if err == nil && state != string(want) {
			err = fmt.Errorf("it is %q", state)
		}
		return err
	})
}
