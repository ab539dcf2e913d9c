package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

var namespacesResource = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// awaitGone waits until there is no object of that name any more.
func (e *environment) awaitGone(t *testing.T, kind schema.GroupVersionResource, namespace, name string) {
	t.Helper()
	await(t, kind.Resource+" "+name+" to be gone", func(ctx context.Context) error {
		_, err := e.kube.Resource(kind).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			return errors.New("it is still there")
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// awaitProtection waits until the policy that protects the ApiKey is in force.
func (e *environment) awaitProtection(t *testing.T, namespace, name string) {
	t.Helper()
	await(t, "the deletion of ApiKey "+name+" to be refused", func(ctx context.Context) error {
		err := e.kube.Resource(v1alpha1.ApiKeyResource).Namespace(namespace).
			Delete(ctx, name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsForbidden(err) {
			return nil
		}
		return fmt.Errorf("it is not: %w", err)
	})
}

// unprotect does what the refusal says.
func (e *environment) unprotect(t *testing.T, namespace, name string) {
	t.Helper()
	e.patch(t, namespace, name, `{"deletionProtection":null}`)
}

func TestAProtectedKeyOutlivesItsOwner(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	issued := shared.issueAll(t, namespace, map[string]string{"protected": `{deletionProtection: true}`, "plain": `{}`})
	shared.awaitProtection(t, namespace, "protected")
	shared.kubectl(t, "create", "configmap", "owner", "--namespace", namespace)
	uid := shared.kubectl(t, "get", "configmap", "owner", "--namespace", namespace, "-o", "jsonpath={.metadata.uid}")
	for name := range issued {
		owned := fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":%q}]}}`, uid)
		shared.kubectl(t, "patch", "apikey", name, "--namespace", namespace, "--type=merge", "-p", owned)
	}

	shared.kubectl(t, "delete", "configmap", "owner", "--namespace", namespace)
	shared.awaitGone(t, v1alpha1.ApiKeyResource, namespace, "plain")
	shared.awaitStatus(t, call{path: "/any/", key: issued["plain"]}, http.StatusUnauthorized)
	if at := shared.get(t, namespace, "protected").GetDeletionTimestamp(); at != nil {
		t.Errorf("it is being deleted since %s", at)
	}
	if got := shared.key(t, namespace, "protected"); got != issued["protected"] {
		t.Error("its Secret holds another key")
	}
	shared.expect(t, call{path: "/any/", key: issued["protected"]}, http.StatusOK, "")

	// That it goes now, with nobody deleting it, shows that the garbage collector tried and was refused.
	shared.unprotect(t, namespace, "protected")
	shared.awaitGone(t, v1alpha1.ApiKeyResource, namespace, "protected")
}

func TestAProtectedKeyHoldsUpTheDeletionOfItsNamespace(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	issued := shared.issueAll(t, namespace, map[string]string{"protected": `{deletionProtection: true}`, "plain": `{}`})
	shared.awaitProtection(t, namespace, "protected")

	shared.kubectl(t, "delete", "namespace", namespace, "--wait=false")
	shared.awaitGone(t, v1alpha1.ApiKeyResource, namespace, "plain")
	for name := range issued {
		shared.awaitGone(t, secretsResource, namespace, name)
	}
	await(t, "the namespace to say what holds it up", func(ctx context.Context) error {
		said, err := shared.Kubectl(ctx, "get", "namespace", namespace, "-o",
			`jsonpath={.status.phase} {.status.conditions[?(@.type=="NamespaceDeletionContentFailure")].message}`)
		if err == nil && (!strings.HasPrefix(said, "Terminating") || !strings.Contains(said, "ApiKey protected is protected from deletion: unset spec.deletionProtection first")) {
			err = errors.New(said)
		}
		return err
	})
	shared.expect(t, call{path: "/any/", key: issued["protected"]}, http.StatusOK, "")
	shared.awaitStatus(t, call{path: "/any/", key: issued["plain"]}, http.StatusUnauthorized)

	shared.unprotect(t, namespace, "protected")
	shared.awaitGone(t, namespacesResource, "", namespace)
	shared.awaitStatus(t, call{path: "/any/", key: issued["protected"]}, http.StatusUnauthorized)
}

// The garbage collector edits ApiKeys, too: it takes the name of an owner out that is deleted without what it owned.
func TestAnOwnerThatLetsGoChangesNoStamp(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	shared.kubectl(t, "create", "configmap", "owner", "--namespace", namespace)
	uid := shared.kubectl(t, "get", "configmap", "owner", "--namespace", namespace, "-o", "jsonpath={.metadata.uid}")
	owned := fmt.Sprintf(`{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, spec: {}, metadata: {name: owned, namespace: %s,
		ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: %s}]}}`, namespace, uid)
	shared.kubectlWithInput(t, owned, "create", "-f", "-")
	before := shared.get(t, namespace, "owned").GetAnnotations()

	shared.kubectl(t, "delete", "configmap", "owner", "--namespace", namespace, "--cascade=orphan")
	shared.awaitGone(t, schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, namespace, "owner")
	after := shared.get(t, namespace, "owned")
	if owners := after.GetOwnerReferences(); len(owners) > 0 {
		t.Errorf("it still has the owners %v", owners)
	}
	if diff := cmp.Diff(before, after.GetAnnotations()); diff != "" || len(before) != 2 {
		t.Errorf("stamps %v, and then (-was +is):\n%s", before, diff)
	}
}
