package integration

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// ownPolicies is the label of a namespace that is left to the policies of its test.
const ownPolicies = "own-policies"

const policiesPath = "/apis/apikey-operator.dev/v1alpha1/apikeypolicies"

// policyBody is the JSON of an ApiKeyPolicy with that spec, itself JSON.
func policyBody(name, spec string) string {
	return fmt.Sprintf(`{"apiVersion":"apikey-operator.dev/v1alpha1","kind":"ApiKeyPolicy","metadata":{"name":%q},"spec":%s}`, name, spec)
}

// createPolicy creates an ApiKeyPolicy as strictly as kubectl does.
func createPolicy(body string) request {
	r := create("", body)
	r.path = policiesPath
	return r
}

func policyPath(name string) string { return policiesPath + "/" + name }

// policyFor is the spec of a policy for one namespace, with further members, JSON without the braces.
func policyFor(namespace, members string) string {
	if members != "" {
		members = "," + members
	}
	return fmt.Sprintf(`{"namespaceSelector":{"matchLabels":{%q:%q}}%s}`, corev1.LabelMetadataName, namespace, members)
}

// newPolicyLab is a lab whose namespace no policy selects; its tenant is acme by a label.
func newPolicyLab(t *testing.T, spec string) *lab {
	t.Helper()
	l := emptyLab(t, spec, map[string]string{ownPolicies: "", tenantLabel: "acme"})
	l.createApiKey()
	return l
}

// tenantLabel is the label of the labs' namespaces that names their tenant.
const tenantLabel = "example.com/tenant"

// policyName is the whole name of a policy of the lab.
func (l *lab) policyName(name string) string { return l.name.Namespace + "-" + name }

// policy makes a policy for the lab's namespace, or replaces its spec, with these members besides the selector.
func (l *lab) policy(name, members string) {
	l.t.Helper()
	name = l.policyName(name)
	as := admin(l.t)
	body := policyBody(name, policyFor(l.name.Namespace, members))
	existing := &v1alpha1.ApiKeyPolicy{}
	err := l.admin.Get(l.t.Context(), types.NamespacedName{Name: name}, existing)
	if err == nil {
		body = fmt.Sprintf(`[{"op":"replace","path":"/spec","value":%s}]`, policyFor(l.name.Namespace, members))
		as.send(l.t, request{method: "PATCH", path: policyPath(name), contentType: string(jsonPatch), body: body})
		return
	}
	if !apierrors.IsNotFound(err) {
		l.t.Fatal(err)
	}
	as.send(l.t, createPolicy(body))
	l.t.Cleanup(func() { l.removePolicyAtTheEnd(name) })
}

// removePolicy removes a policy of the lab.
func (l *lab) removePolicy(name string) {
	l.t.Helper()
	l.must(l.admin.Delete(l.t.Context(), &v1alpha1.ApiKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: l.policyName(name)}}))
}

func (l *lab) removePolicyAtTheEnd(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	err := l.admin.Delete(ctx, &v1alpha1.ApiKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if client.IgnoreNotFound(err) != nil {
		l.t.Errorf("remove policy %s: %v", name, err)
	}
}

// labelNamespace sets a label of the lab's namespace, or removes it.
func (l *lab) labelNamespace(name, value string) {
	l.t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: l.name.Namespace}}
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, name, value)
	if value == "" {
		patch = fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, name)
	}
	l.must(l.admin.Patch(l.t.Context(), namespace, client.RawPatch(types.MergePatchType, []byte(patch))))
}

// storePolicy writes a policy past the API server, as one that was stored before its schema was tightened. It is
// there until the test ends.
func storePolicy(t *testing.T, name, spec string) {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"apikey-operator.dev/v1alpha1","kind":"ApiKeyPolicy",
		"metadata":{"name":%q,"uid":"11111111-2222-3333-4444-%012x","generation":1,"creationTimestamp":"2026-11-01T00:00:00Z"},"spec":%s}`, name, len(name), spec)
	if err := putIntoEtcd(t.Context(), "/registry/apikey-operator.dev/apikeypolicies/"+name, body); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
		defer cancel()
		if _, err := admin(t).do(ctx, request{method: "DELETE", path: policyPath(name)}); err != nil {
			t.Errorf("remove policy %s: %v", name, err)
		}
	})
}

// putIntoEtcd writes a key by etcd's JSON gateway.
func putIntoEtcd(ctx context.Context, key, value string) error {
	encode := base64.StdEncoding.EncodeToString
	body := fmt.Sprintf(`{"key":%q,"value":%q}`, encode([]byte(key)), encode([]byte(value)))
	url := controlPlane.ControlPlane.Etcd.URL.JoinPath("v3/kv/put").String()
	put, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(put)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("etcd answered %s: %s", answer.Status, text)
	}
	return nil
}
