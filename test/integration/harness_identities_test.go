package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// identity is somebody who talks to the API server.
type identity struct {
	config *rest.Config
	http   *rest.RESTClient
}

func newIdentity(config *rest.Config) (identity, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // tests are limited by the server, not by the client's manners
	config.NegotiatedSerializer = clientgoscheme.Codecs.WithoutConversion()
	http, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return identity{}, fmt.Errorf("make a client: %w", err)
	}
	return identity{config: config, http: http}, nil
}

// do sends a request and returns the body of the answer as it came, or the API server's refusal, which
// the functions of k8s.io/apimachinery/pkg/api/errors tell apart.
func (i identity) do(ctx context.Context, r request) ([]byte, error) {
	call := i.http.Verb(r.method).AbsPath(r.path)
	for name, values := range r.query {
		for _, value := range values {
			call.Param(name, value)
		}
	}
	if r.body != "" {
		call.SetHeader("Content-Type", r.contentType).Body([]byte(r.body))
	}
	result := call.Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err
	}
	return result.Raw()
}

// sendForBody sends a request that must succeed and returns the body of the answer.
func (i identity) sendForBody(t *testing.T, r request) []byte {
	t.Helper()
	body, err := i.do(t.Context(), r)
	if err != nil {
		t.Fatalf("%s: %v", r, err)
	}
	return body
}

// send sends a request that must succeed and returns the object in the answer.
func (i identity) send(t *testing.T, r request) *unstructured.Unstructured {
	t.Helper()
	return decodeObject(t, i.sendForBody(t, r))
}

// sendRefused sends a request that must be refused, in words that contain each of the given ones.
func (i identity) sendRefused(t *testing.T, r request, wantWords ...string) {
	t.Helper()
	body, err := i.do(t.Context(), r)
	if err == nil {
		t.Errorf("%s: accepted, want it refused with %q; the answer was %s", r, wantWords, body)
		return
	}
	for _, words := range wantWords {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%s: refused with %q, want it to contain %q", r, err, words)
		}
	}
}

// decodeObject reads an object as generic clients do, without its Go type.
func decodeObject(t *testing.T, body []byte) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(body); err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
	return object
}

// client is a typed client that acts as the identity.
func (i identity) client(t *testing.T) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(i.config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// may asks the API server whether the identity is allowed to do something.
func (i identity) may(t *testing.T, what authorizationv1.ResourceAttributes) bool {
	t.Helper()
	review := &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &what},
	}
	if err := i.client(t).Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// waitUntilMay waits until what was granted is in force: the API server's authorizer learns of roles
// from a watch of its own.
func (i identity) waitUntilMay(t *testing.T, what authorizationv1.ResourceAttributes) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settleTimeout)
	defer cancel()
	if err := poll(ctx, func() (bool, error) { return i.may(t, what), nil }); err != nil {
		t.Fatalf("wait until %+v is allowed: %v", what, err)
	}
}

// admin is in system:masters: RBAC lets it do anything.
func admin(t *testing.T) identity {
	t.Helper()
	i, err := newIdentity(controlPlane.Config)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// manager acts with a token of the manager's ServiceAccount.
func manager(t *testing.T) identity {
	t.Helper()
	i := serviceAccount(t, systemNamespace, "apikey-operator-manager")
	i.waitUntilMay(t, authorizationv1.ResourceAttributes{
		Verb: "update", Group: v1alpha1.GroupName, Resource: "apikeys", Subresource: "status",
	})
	return i
}

// verifier acts with a token of the verifier's ServiceAccount.
func verifier(t *testing.T) identity {
	t.Helper()
	i := serviceAccount(t, systemNamespace, "apikey-operator-verifier")
	i.waitUntilMay(t, authorizationv1.ResourceAttributes{
		Verb: "watch", Group: v1alpha1.GroupName, Resource: "apikeys",
	})
	return i
}

// serviceAccount acts with a token that the API server issued for an existing ServiceAccount.
func serviceAccount(t *testing.T, namespace, name string) identity {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	token := &authenticationv1.TokenRequest{}
	if err := admin(t).client(t).SubResource("token").Create(t.Context(), account, token); err != nil {
		t.Fatalf("get a token for ServiceAccount %s/%s: %v", namespace, name, err)
	}
	config := rest.AnonymousClientConfig(controlPlane.Config)
	config.BearerToken = token.Status.Token
	i, err := newIdentity(config)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// newServiceAccount makes a ServiceAccount, which no role speaks of, and acts as it.
func newServiceAccount(t *testing.T, namespace, name string) identity {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := admin(t).client(t).Create(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	return serviceAccount(t, namespace, name)
}

// namespaceEditor is a person who may do anything with ApiKeys in one namespace, their status
// included as far as RBAC goes.
func namespaceEditor(t *testing.T, namespace string) identity {
	t.Helper()
	name := "editor-of-" + namespace
	i := newUser(t, name)
	grantEverything(t, i, namespace, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name})
	return i
}

// newUser is a person with a certificate, whom no role speaks of.
func newUser(t *testing.T, name string) identity {
	t.Helper()
	user, err := controlPlane.AddUser(envtest.User{Name: name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, err := newIdentity(user.Config())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// grantEverything lets subject, which is i, do anything with ApiKeys and their status in namespace.
func grantEverything(t *testing.T, i identity, namespace string, subject rbacv1.Subject) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, GenerateName: "apikey-editor-"}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeys", "apikeys/status"}, Verbs: []string{"*"},
	}}}
	as := admin(t).client(t)
	if err := as.Create(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{subject},
	}
	if err := as.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	i.waitUntilMay(t, authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: "update", Group: v1alpha1.GroupName, Resource: "apikeys", Subresource: "status",
	})
}

// freshNamespace makes a namespace for one test. When the test ends its ApiKeys go, so that they do not
// disturb tests that look at all namespaces; the namespace itself ends with the control plane.
func freshNamespace(t *testing.T) string {
	t.Helper()
	return newNamespace(t, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}})
}

func newNamespace(t *testing.T, namespace corev1.Namespace) string {
	t.Helper()
	if err := admin(t).client(t).Create(t.Context(), &namespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeApiKeys(t, namespace.Name) })
	return namespace.Name
}

// removeApiKeys removes all ApiKeys of a namespace; for the end of a test, when its context is over.
func removeApiKeys(t *testing.T, namespace string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if _, err := admin(t).do(ctx, remove(namespace, "")); err != nil {
		t.Errorf("remove the ApiKeys of %s: %v", namespace, err)
	}
}
