package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// ownNamespace makes a namespace that is left to the policies of its test, with further labels in YAML's flow style.
func (e *environment) ownNamespace(t *testing.T, labels string) string {
	t.Helper()
	namespace := e.namespace(t)
	e.kubectlWithInput(t, fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {own-policies: '', %s}}}", namespace, labels), "apply", "-f", "-")
	return namespace
}

// applyPolicy applies an ApiKeyPolicy with a spec in YAML's flow style, which goes with the test.
func (e *environment) applyPolicy(t *testing.T, name, spec string) {
	t.Helper()
	e.kubectlWithInput(t, fmt.Sprintf("{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKeyPolicy, metadata: {name: %s}, spec: %s}", name, spec), "apply", "-f", "-")
}

func TestANamespaceSpeaksForTheTenantOfItsLabelAndForNoOther(t *testing.T) {
	t.Parallel()
	acme := shared.ownNamespace(t, "e2e.example/tenant: acme")
	globex := shared.ownNamespace(t, "e2e.example/tenant: globex")
	unlabelled := shared.ownNamespace(t, "e2e.example/customers: ''")
	shared.applyPolicy(t, "e2e-customers", `{namespaceSelector: {matchExpressions: [{key: e2e.example/tenant, operator: Exists}]},
		tenantFromNamespaceLabel: e2e.example/tenant, permissions: [read]}`)
	shared.applyPolicy(t, "e2e-unlabelled", `{namespaceSelector: {matchLabels: {e2e.example/customers: ''}},
		tenantFromNamespaceLabel: e2e.example/tenant, permissions: [read]}`)

	own := shared.issue(t, acme, "own", `{tenant: acme, permissions: [read]}`)
	a := shared.send(t, call{path: "/any/", key: own, headers: http.Header{"X-Apikey-Tenant": {"globex"}}})
	if got := a.identity()["X-Apikey-Tenant"]; a.Status != http.StatusOK || got != "acme" {
		t.Errorf("a key of the tenant's own namespace was answered %d and speaks for %q, want acme", a.Status, got)
	}
	for name, refused := range map[string]struct{ namespace, spec, wantReason string }{
		"another's": {acme, `{tenant: globex, permissions: [read]}`, v1alpha1.ReasonTenantNotAllowed},
		"case":      {acme, `{tenant: Acme, permissions: [read]}`, v1alpha1.ReasonTenantNotAllowed},
		"none":      {acme, `{permissions: [read]}`, v1alpha1.ReasonTenantRequired},
		"reverse":   {globex, `{tenant: acme, permissions: [read]}`, v1alpha1.ReasonTenantNotAllowed},
		"no label":  {unlabelled, `{tenant: acme, permissions: [read]}`, v1alpha1.ReasonTenantNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared.expectDenied(t, refused.namespace, refused.spec, refused.wantReason)
		})
	}

	// Turned towards another tenant, a key that worked speaks for nobody until it has been looked at, and then neither.
	shared.patch(t, acme, "own", `{"tenant":"globex"}`)
	shared.awaitStatus(t, call{path: "/any/", key: own}, http.StatusForbidden)
	shared.awaitState(t, acme, "own", v1alpha1.StateDenied)
	shared.expect(t, call{path: "/any/", key: own}, http.StatusForbidden, "not_granted")
}

// expectDenied makes an ApiKey that policy refuses, and looks that it gets nothing.
func (e *environment) expectDenied(t *testing.T, namespace, spec, wantReason string) {
	t.Helper()
	name := e.generated(t, namespace, spec)
	e.awaitState(t, namespace, name, v1alpha1.StateDenied)
	got := e.kubectl(t, "get", "apikey", name, "--namespace", namespace,
		"--output=jsonpath={.status.conditions[?(@.type=='Accepted')].reason} {.status.grant} {.status.credentials}")
	if got != wantReason {
		t.Errorf("reason, grant and credentials are %q, want %q and nothing else", got, wantReason)
	}
	if found := e.kubectl(t, "get", "secret", name, "--namespace", namespace, "--ignore-not-found"); found != "" {
		t.Errorf("a denied ApiKey has a Secret: %s", found)
	}
}

// generated makes an ApiKey of a generated name.
func (e *environment) generated(t *testing.T, namespace, spec string) string {
	t.Helper()
	return e.kubectlWithInput(t, fmt.Sprintf("{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {generateName: denied-, namespace: %s}, spec: %s}",
		namespace, spec), "create", "--output=jsonpath={.metadata.name}", "-f", "-")
}

func TestAPolicyAndALabelTakeAKeyAwayAndGiveTheSameOneBack(t *testing.T) {
	t.Parallel()
	namespace := shared.ownNamespace(t, "e2e.example/team: payments")
	policy := func(permissions string) {
		t.Helper()
		shared.applyPolicy(t, "e2e-payments", `{namespaceSelector: {matchLabels: {e2e.example/team: payments}}, permissions: [`+permissions+`]}`)
	}
	policy("read")
	request := call{path: "/any/", key: shared.issue(t, namespace, "partner", `{permissions: [read]}`)}
	shared.expect(t, request, http.StatusOK, "")

	takeAway := map[string]func(){
		"the policy":              func() { policy("write") },
		"the namespace's label":   func() { shared.kubectl(t, "label", "namespace", namespace, "--overwrite", "e2e.example/team=search") },
		"the policy, by deletion": func() { shared.kubectl(t, "delete", "apikeypolicy", "e2e-payments") },
	}
	giveBack := map[string]func(){
		"the policy":              func() { policy("read") },
		"the namespace's label":   func() { shared.kubectl(t, "label", "namespace", namespace, "--overwrite", "e2e.example/team=payments") },
		"the policy, by deletion": func() { policy(`"*"`) },
	}
	for _, what := range []string{"the policy", "the namespace's label", "the policy, by deletion"} {
		takeAway[what]()
		took := shared.awaitStatus(t, request, http.StatusForbidden)
		shared.expect(t, request, http.StatusForbidden, "not_granted")
		giveBack[what]()
		took2 := shared.awaitStatus(t, request, http.StatusOK)
		t.Logf("%s: refused through nginx after %d ms, and let through again after %d ms", what, took.Milliseconds(), took2.Milliseconds())
	}
	if now := shared.key(t, namespace, "partner"); now != request.key {
		t.Error("the Secret holds another key, want the same one all the time")
	}
}
