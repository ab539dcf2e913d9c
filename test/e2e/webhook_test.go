package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// TestPolicyIsObeyedWithTheWebhookUpAndDown has the API server ask the one manager's webhook, by the certificate that the
// manager made, and then takes the manager away.
func TestPolicyIsObeyedWithTheWebhookUpAndDown(t *testing.T) {
	t.Parallel()
	e := ownEnvironment(t, func(ctx context.Context, e *environment) error {
		config, err := e.AdminConfig()
		if err != nil {
			return err
		}
		return errors.Join(e.connect(ctx, config), e.addManager(ctx, stack.Options{}))
	})
	if err := e.ConnectWebhook(t.Context(), e.managers[0]); err != nil {
		t.Fatal(err)
	}
	namespace := e.ownNamespace(t, "e2e.example/team: payments")
	e.applyPolicy(t, "payments", `{namespaceSelector: {matchLabels: {e2e.example/team: payments}}, permissions: [read]}`)
	e.issue(t, namespace, "modest", `{permissions: [read]}`)

	const refused = `PermissionNotAllowed: policy payments does not allow this: spec.permissions: "*" is not allowed, only read`
	e.expectApplyRefused(t, namespace, "greedy", `{permissions: ["*"]}`, refused)
	e.expectApplyRefused(t, namespace, "modest", `{permissions: ["*"]}`, refused)

	// Nobody is there to be asked.
	if err := e.managers[0].Kill(); err != nil {
		t.Fatal(err)
	}
	e.apply(t, namespace, "greedy", `{permissions: ["*"]}`)
	e.kubectl(t, "patch", "validatingwebhookconfiguration", "apikey-operator", "--type=json",
		`--patch=[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Fail"}]`)
	e.expectApplyRefused(t, namespace, "late", `{permissions: [read]}`, `failed calling webhook "apikeys.apikey-operator.dev"`)

	if err := e.addManager(t.Context(), stack.Options{Name: "manager-2"}); err != nil {
		t.Fatal(err)
	}
	e.awaitState(t, namespace, "greedy", v1alpha1.StateDenied)
	if got, want := e.kubectl(t, "get", "apikey", "greedy", "--namespace", namespace, "--output=jsonpath={.status.conditions[?(@.type=='Accepted')].message}"),
		strings.TrimPrefix(refused, "PermissionNotAllowed: "); got != want {
		t.Errorf("the manager says %q, want the webhook's words %q", got, want)
	}
	if err := e.ConnectWebhook(t.Context(), e.managers[1]); err != nil {
		t.Fatal(err)
	}
	e.issue(t, namespace, "late", `{permissions: [read]}`)
}

// expectApplyRefused applies an ApiKey, waiting for API servers that have not heard yet what they have to ask.
func (e *environment) expectApplyRefused(t *testing.T, namespace, name, spec, words string) {
	t.Helper()
	await(t, "the ApiKey "+name+" to be refused", func(ctx context.Context) error {
		_, err := e.KubectlWithInput(ctx, manifest(namespace, name, spec), "apply", "--dry-run=server", "-f", "-")
		switch {
		case err == nil:
			return errors.New("it was accepted")
		case !strings.Contains(err.Error(), words):
			return err
		}
		return nil
	})
}
