package cluster

import (
	"fmt"
	"strings"
	"testing"
)

// servesOneNamespace replaces the installation by one that has rights in one namespace alone.
func servesOneNamespace(t *testing.T) {
	before := whatIsKept(t)
	uninstall(t)
	installRelease(t, presentChart, "watchNamespaces={"+appsNamespace+"}")
	for _, kind := range []string{"clusterroles", "clusterrolebindings", "validatingwebhookconfigurations", "validatingadmissionpolicies"} {
		for name := range strings.Lines(mustKubectl(t, "get", kind, "--output=name")) {
			if strings.Contains(name, "apikey-operator") {
				t.Errorf("there is %s, which is cluster-wide", strings.TrimSpace(name))
			}
		}
	}

	findVerifiersAgain(t)
	awaitKept(t, before)
	withoutALostRequest(t, func() {
		const elsewhere = "elsewhere"
		restrictedNamespace(t, elsewhere)
		for _, namespace := range []string{elsewhere, appsNamespace} {
			apply(t, fmt.Sprintf(`{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: later, namespace: %s}, spec: {permissions: ["reports:read"]}}`, namespace))
		}
		mustKubectl(t, "wait", "--for=condition=Ready", "apikey/later", "--namespace", appsNamespace, "--timeout="+podTimeout.String())
		if status := mustKubectl(t, "get", "apikey", "later", "--namespace", elsewhere, "--output=jsonpath={.status.state}{.status.conditions}"); status != "" {
			t.Errorf("an ApiKey of another namespace is in the state %s, want in none", status)
		}
	})
}
