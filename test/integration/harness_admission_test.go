package integration

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// unstampedLabel marks namespaces in which nobody stamps who asks for an ApiKey, as on a server without
// MutatingAdmissionPolicy whose webhook is down.
const unstampedLabel = "integration.test/unstamped"

// exceptUnstamped makes the binding of the stamping policy leave such namespaces out.
const exceptUnstamped = `{"spec":{"matchResources":{"namespaceSelector":{"matchExpressions":[{"key":"` + unstampedLabel + `","operator":"DoesNotExist"}]}}}}`

// freshUnstampedNamespace is freshNamespace with unstampedLabel.
func freshUnstampedNamespace(t *testing.T) string {
	t.Helper()
	return newNamespace(t, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "test-unstamped-", Labels: map[string]string{unstampedLabel: ""},
	}})
}

// userCalled may do anything, under any name.
func userCalled(t *testing.T, name string) identity {
	t.Helper()
	config := rest.CopyConfig(controlPlane.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: []string{"system:masters"}}
	i, err := newIdentity(config)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// dryRun is a request of which nothing is stored.
func dryRun(r request) request {
	query := url.Values{"dryRun": {"All"}}
	for name, values := range r.query {
		query[name] = values
	}
	r.query = query
	return r
}

// awaitAdmission waits until a change of an admission policy, or of a namespace that one selects, is in force.
func awaitAdmission(t *testing.T, inForce func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settleTimeout)
	defer cancel()
	if err := poll(ctx, func() (bool, error) { return inForce(), nil }); err != nil {
		t.Fatalf("wait until admission has noticed: %v", err)
	}
}

// admissionProbe asks whether an admission policy is in force.
type admissionProbe struct {
	policy  string
	inForce func(ctx context.Context) (bool, error)
}

// waitForAdmission returns once all admission policies are enforced, which is some time after they were
// created: the API server compiles them when its own watch of them reports.
func waitForAdmission(ctx context.Context) error {
	api, err := newIdentity(controlPlane.Config)
	if err != nil {
		return err
	}
	const namespace, name = "admission-probe", "probe"
	label := fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,"labels":{%q:""}}}`, namespace, unstampedLabel)
	if _, err := runKubectl(ctx, label, "create", "-f", "-"); err != nil {
		return fmt.Errorf("create a namespace to probe in: %w", err)
	}
	err = poll(ctx, func() (bool, error) {
		return answered(api.do(ctx, create(namespace, apiKey(name, `{"deletionProtection":true}`))))
	})
	if err != nil {
		return fmt.Errorf("create an ApiKey to probe with: %w", err)
	}
	for _, probe := range admissionProbes(api, namespace, name) {
		if err := poll(ctx, func() (bool, error) { return probe.inForce(ctx) }); err != nil {
			return fmt.Errorf("wait until the policy %s is in force: %w", probe.policy, err)
		}
	}
	_, err = api.do(ctx, patch(namespace, name, mergePatch, `{"spec":{"deletionProtection":null}}`))
	if err == nil {
		_, err = api.do(ctx, remove(namespace, name))
	}
	return err
}

// answered is false while the API server does not know the schema of ApiKeys yet, which a MutatingAdmissionPolicy
// waits for.
func answered(_ []byte, err error) (bool, error) {
	if apierrors.IsServiceUnavailable(err) {
		return false, nil
	}
	return err == nil, err
}

// admissionProbes look at a protected ApiKey in a namespace without stamps.
func admissionProbes(api identity, namespace, name string) []admissionProbe {
	refused := func(r request) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			body, err := api.do(ctx, r)
			if apierrors.IsForbidden(err) {
				return true, nil
			}
			_, err = answered(body, err)
			return false, err
		}
	}
	stamped := func(namespace string, want bool) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			body, err := api.do(ctx, dryRun(create(namespace, apiKey("stamped", `{}`))))
			if ok, err := answered(body, err); !ok {
				return false, err
			}
			object := &unstructured.Unstructured{}
			err = object.UnmarshalJSON(body)
			_, got := object.GetAnnotations()[v1alpha1.CreatedByAnnotation]
			return got == want, err
		}
	}
	forgedStamp := annotated(apiKey("forged", `{}`), `{"apikey-operator.dev/created-by":"somebody-else"}`)
	return []admissionProbe{
		{"apikey-operator-status-protection", refused(dryRun(patchStatus(namespace, name, mergePatch, `{"status":{"observedGeneration":1}}`)))},
		{"apikey-operator-deletion-protection", refused(dryRun(remove(namespace, name)))},
		{"apikey-operator-stamp", stamped("default", true)},
		{"apikey-operator-stamp, but for namespaces with " + unstampedLabel, stamped(namespace, false)},
		{"apikey-operator-stamp-guard", refused(dryRun(create(namespace, forgedStamp)))},
	}
}
