package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// What pods are answered that read with the tokens of our ServiceAccounts, from inside the cluster.
var readable = map[string]map[string]string{
	"verifier": {
		"/apis/apikey-operator.dev/v1alpha1/apikeys":        "200",
		"/apis/apikey-operator.dev/v1alpha1/apikeypolicies": "403",
		"/api/v1/secrets": "403",
		"/api/v1/namespaces/" + appsNamespace + "/secrets": "403",
		"/api/v1/pods": "403",
	},
	"manager": {
		"/apis/apikey-operator.dev/v1alpha1/apikeys":        "200",
		"/apis/apikey-operator.dev/v1alpha1/apikeypolicies": "200",
		"/api/v1/secrets": "200",
		"/api/v1/pods":    "403",
		"/api/v1/nodes":   "403",
	},
}

func staysWithinItsRights(t *testing.T) {
	for component, paths := range readable {
		t.Run(component, func(t *testing.T) {
			expectReadable(t, component, paths)
			account := "--as=system:serviceaccount:" + systemNamespace + ":apikey-operator-" + component
			for _, verb := range []string{"create", "patch", "delete"} {
				answer, _ := kubectl(t.Context(), "", "auth", "can-i", verb, "apikeys", "--all-namespaces", account) // a no is an exit code, too
				if answer != "no" {
					t.Errorf("may the %s %s ApiKeys: %s, want no", component, verb, answer)
				}
			}
		})
	}
}

// expectReadable reads paths of the API in a pod with the ServiceAccount of a part of ours.
func expectReadable(t *testing.T, component string, want map[string]string) {
	t.Helper()
	pod := "reads-as-" + component
	paths := slices.Sorted(maps.Keys(want))
	apply(t, fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s}, spec: {
		serviceAccountName: apikey-operator-%s, automountServiceAccountToken: true, restartPolicy: Never,
		securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}},
		containers: [{name: app, image: %q, imagePullPolicy: Never, args: [read, %s],
			securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}}]}}`,
		pod, systemNamespace, component, imageName("app"), strings.Join(paths, ", ")))
	await(t, pod+" to end", podTimeout, func(ctx context.Context) error {
		phase, err := kubectl(ctx, "", "get", "pod", pod, "--namespace", systemNamespace, "--output=jsonpath={.status.phase}")
		if err == nil && phase != "Succeeded" && phase != "Failed" {
			err = fmt.Errorf("it is %s", phase)
		}
		return err
	})
	output := mustKubectl(t, "logs", pod, "--namespace", systemNamespace)
	mustKubectl(t, "delete", "pod", pod, "--namespace", systemNamespace)
	got := map[string]string{}
	for line := range strings.Lines(output) {
		status, path, _ := strings.Cut(strings.TrimSpace(line), " ") // what goes wrong stands there, too
		got[path] = status
	}
	if !maps.Equal(got, want) {
		t.Errorf("a pod of the %s was answered %v, want %v", component, got, want)
	}
}
