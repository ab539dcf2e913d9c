package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// may asks the API server whether a user may do something, with a resource as resource or resource/subresource of
// the operator's group; where there is no namespace, in the whole cluster.
func (e *environment) may(ctx context.Context, user, verb, resource, namespace string) (bool, error) {
	resource, subresource, _ := strings.Cut(resource, "/")
	review := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
		"spec": map[string]any{"user": user, "resourceAttributes": map[string]any{
			"group": v1alpha1.GroupName, "resource": resource, "subresource": subresource, "verb": verb, "namespace": namespace,
		}},
	}}
	reviews := schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "subjectaccessreviews"}
	answered, err := e.kube.Resource(reviews).Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	allowed, _, err := unstructured.NestedBool(answered.Object, "status", "allowed")
	return allowed, err
}

// awaitMay waits until a role is in force, which takes the aggregation of roles and the authorizer a moment each.
func (e *environment) awaitMay(t *testing.T, user, verb, resource, namespace string) {
	t.Helper()
	await(t, fmt.Sprintf("%s to be allowed to %s %s", user, verb, resource), func(ctx context.Context) error {
		allowed, err := e.may(ctx, user, verb, resource, namespace)
		if err == nil && !allowed {
			err = fmt.Errorf("%s is not", user)
		}
		return err
	})
}

// verbs are all that RBAC knows of such resources.
var verbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

func TestTheBuiltInRolesReachApiKeys(t *testing.T) {
	t.Parallel()
	namespace, elsewhere := shared.namespace(t), shared.namespace(t)
	const none, read, all = "", "get list watch", "get list watch create update patch delete deletecollection"
	roles := map[string]string{"view": read, "edit": all, "admin": all}
	for role := range roles {
		user := role + "-of-" + namespace
		shared.kubectl(t, "create", "rolebinding", role, "--namespace", namespace, "--clusterrole", role, "--user", user)
		shared.awaitMay(t, user, "list", "apikeys", namespace)
	}
	for role, onApiKeys := range roles {
		user := role + "-of-" + namespace
		for where, c := range map[string]struct{ resource, namespace, want string }{
			"ApiKeys of the namespace":              {"apikeys", namespace, onApiKeys},
			"ApiKeys of another namespace":          {"apikeys", elsewhere, none},
			"ApiKeys everywhere":                    {"apikeys", "", none},
			"the status of ApiKeys":                 {"apikeys/status", namespace, none},
			"the finalizers of ApiKeys":             {"apikeys/finalizers", namespace, none},
			"policies":                              {"apikeypolicies", "", none},
			"policies, if they were in a namespace": {"apikeypolicies", namespace, none},
			"the status of policies":                {"apikeypolicies/status", "", none},
		} {
			t.Run(role+" on "+where, func(t *testing.T) {
				var got []string
				for _, verb := range verbs {
					allowed, err := shared.may(t.Context(), user, verb, c.resource, c.namespace)
					if err != nil {
						t.Fatal(err)
					}
					if allowed {
						got = append(got, verb)
					}
				}
				if got := strings.Join(got, " "); got != c.want {
					t.Errorf("may %q, want %q", got, c.want)
				}
			})
		}
	}
}

func TestWhoeverMayEditANamespaceManagesItsApiKeys(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	editor, viewer := "editor-of-"+namespace, "viewer-of-"+namespace
	shared.kubectl(t, "create", "rolebinding", "editor", "--namespace", namespace, "--clusterrole=edit", "--user", editor)
	shared.kubectl(t, "create", "rolebinding", "viewer", "--namespace", namespace, "--clusterrole=view", "--user", viewer)
	shared.awaitMay(t, editor, "create", "apikeys", namespace)
	shared.awaitMay(t, viewer, "list", "apikeys", namespace)
	as := func(user string, args ...string) []string {
		return append(args, "--namespace", namespace, "--as", user)
	}

	shared.kubectlWithInput(t, manifest(namespace, "theirs", `{tenant: acme}`), as(editor, "apply", "-f", "-")...)
	shared.waitReady(t, namespace, "theirs")
	shared.kubectl(t, as(editor, "patch", "apikey", "theirs", "--type=merge", "-p", `{"spec":{"suspended":true}}`)...)
	got := shared.kubectl(t, as(viewer, "get", "apikey", "theirs", "-o", "jsonpath={.spec.suspended} {.status.hint} {.metadata.annotations}")...)
	for _, want := range []string{"true ", `"apikey-operator.dev/created-by":"` + editor + `"`, `"apikey-operator.dev/changed-by":"` + editor + `"`} {
		if !strings.Contains(got, want) {
			t.Errorf("a viewer sees %s, want %s in it", got, want)
		}
	}

	for title, args := range map[string][]string{
		"an editor writes no status": as(editor, "patch", "apikey", "theirs", "--subresource=status", "--type=merge", "-p", `{"status":{"hint":"x"}}`),
		"an editor sees no policies": as(editor, "get", "apikeypolicies"),
		"a viewer suspends nothing":  as(viewer, "patch", "apikey", "theirs", "--type=merge", "-p", `{"spec":{"suspended":null}}`),
		"a viewer deletes nothing":   as(viewer, "delete", "apikey", "theirs"),
		"a viewer sees no key":       as(viewer, "get", "secret", "theirs"),
	} {
		t.Run(title, func(t *testing.T) {
			_, err := shared.Kubectl(t.Context(), args...)
			if err == nil || !strings.Contains(err.Error(), "Forbidden") {
				t.Errorf("kubectl %s: %v, want it forbidden", strings.Join(args, " "), err)
			}
		})
	}
	shared.kubectl(t, as(editor, "delete", "apikey", "theirs")...)
}

func TestPoliciesAreReadByWhoIsGivenTheRoleForIt(t *testing.T) {
	t.Parallel()
	user := "auditor-" + shared.namespace(t)
	shared.kubectl(t, "create", "clusterrolebinding", user, "--clusterrole=apikey-operator-policy-view", "--user", user)
	shared.awaitMay(t, user, "watch", "apikeypolicies", "")
	for _, verb := range verbs {
		allowed, err := shared.may(t.Context(), user, verb, "apikeypolicies", "")
		if err != nil {
			t.Fatal(err)
		}
		if want := verb == "get" || verb == "list" || verb == "watch"; allowed != want {
			t.Errorf("%s: %v, want %v", verb, allowed, want)
		}
	}
}
