package gitops

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The field managers of these tests: what syncs from Git, and who is called in the night.
const (
	byGit    = "--field-manager=gitops"
	byOnCall = "--field-manager=on-call"
)

// apiKey is a manifest of an ApiKey.
func apiKey(namespace, name, spec string) string {
	return "{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: " + name + ", namespace: " + namespace + "}, spec: " + spec + "}"
}

// serverSide applies as an owner.
func serverSide(t *testing.T, owner, manifest string, flags ...string) {
	t.Helper()
	shared.kubectl(t, manifest, append([]string{"apply", "--server-side", owner, "-f", "-"}, flags...)...)
}

// expectSpec holds the fields of the spec that incidents are about; an absent one is nil.
func expectSpec(t *testing.T, namespace, name string, want map[string]any) {
	t.Helper()
	spec, _, _ := unstructured.NestedMap(shared.get(t, apiKeys, namespace, name).Object, "spec")
	for field, value := range want {
		if spec[field] != value {
			t.Errorf("%s: spec.%s is %v, want %v", name, field, spec[field], value)
		}
	}
}

// TestAnIncidentIsNotUndoneByTheNextSync shares an ApiKey between two server-side appliers: Git owns what the key may do,
// and whoever is on call stops it.
func TestAnIncidentIsNotUndoneByTheNextSync(t *testing.T) {
	t.Parallel()
	home := shared.newNamespace(t, "owners")
	inGit := apiKey(home, "monitor", "{owner: sre@phoenix.example, permissions: [read]}")
	serverSide(t, byGit, inGit)
	shared.awaitReady(t, apiKeys, home, "monitor", "Active")

	serverSide(t, byOnCall, apiKey(home, "monitor", "{suspended: true, minRevision: 2}"))
	serverSide(t, byGit, inGit)
	serverSide(t, byGit, inGit, "--force-conflicts") // as Argo CD and Flux do
	expectSpec(t, home, "monitor", map[string]any{"suspended": true, "minRevision": int64(2)})
	shared.kubectl(t, inGit, "diff", "--server-side", byGit, "-f", "-")
	stopped := shared.awaitReady(t, apiKeys, home, "monitor", "Suspended")
	if revision := currentRevision(stopped); revision != 2 {
		t.Errorf("the current credential has revision %d, want 2: the leaked one is to be replaced meanwhile", revision)
	}

	// Git goes on to own the rest.
	serverSide(t, byGit, apiKey(home, "monitor", "{owner: sre@phoenix.example, permissions: [read, write]}"))
	expectSpec(t, home, "monitor", map[string]any{"suspended": true})

	// The incident is over: what is left out goes, what stops for good stays.
	refusal := "may not be lowered or unset"
	shared.kubectlFails(t, refusal, apiKey(home, "monitor", "{}"), "apply", "--server-side", byOnCall, "-f", "-")
	serverSide(t, byOnCall, apiKey(home, "monitor", "{minRevision: 2}"))
	expectSpec(t, home, "monitor", map[string]any{"suspended": nil, "minRevision": int64(2)})
	shared.awaitReady(t, apiKeys, home, "monitor", "Active")

	// Once Git says the same, whoever was on call can let go of it.
	serverSide(t, byGit, apiKey(home, "monitor", "{owner: sre@phoenix.example, permissions: [read], minRevision: 2}"))
	serverSide(t, byOnCall, apiKey(home, "monitor", "{}"))
	expectSpec(t, home, "monitor", map[string]any{"minRevision": int64(2)})
}

// TestGitThatSaysThatAKeyIsNotSuspendedIsAtWarWithWhoeverSuspendsIt is why no manifest should hold suspended: false.
func TestGitThatSaysThatAKeyIsNotSuspendedIsAtWarWithWhoeverSuspendsIt(t *testing.T) {
	t.Parallel()
	home := shared.newNamespace(t, "war")
	inGit := apiKey(home, "monitor", "{permissions: [read], suspended: false}")
	serverSide(t, byGit, inGit)
	suspend := apiKey(home, "monitor", "{suspended: true}")
	shared.kubectlFails(t, `conflict with "gitops"`, suspend, "apply", "--server-side", byOnCall, "-f", "-")
	serverSide(t, byOnCall, suspend, "--force-conflicts")
	shared.kubectlFails(t, `conflict with "on-call"`, inGit, "apply", "--server-side", byGit, "-f", "-")
	serverSide(t, byGit, inGit, "--force-conflicts")
	expectSpec(t, home, "monitor", map[string]any{"suspended": false})
}

// TestAPermissionThatAnotherOwnerAddsStays is why it is policy, and not Git alone, that limits a key: server-side apply
// merges lists of what each owner asks for.
func TestAPermissionThatAnotherOwnerAddsStays(t *testing.T) {
	t.Parallel()
	home := shared.newNamespace(t, "merged")
	inGit := apiKey(home, "monitor", "{permissions: [read]}")
	serverSide(t, byGit, inGit)
	serverSide(t, "--field-manager=somebody", apiKey(home, "monitor", "{permissions: [write]}"))
	serverSide(t, byGit, inGit, "--force-conflicts")
	permissions := func() string {
		found, _, _ := unstructured.NestedStringSlice(shared.get(t, apiKeys, home, "monitor").Object, "spec", "permissions")
		return strings.Join(found, " ")
	}
	if got := permissions(); got != "read write" {
		t.Errorf("spec.permissions is %s, want both owners'", got)
	}
	shared.kubectl(t, inGit, "apply", "--force-conflicts", "--server-side", "--field-manager=somebody", "-f", "-")
	if got := permissions(); got != "read" {
		t.Errorf("spec.permissions is %s, want what is left when the other asks for it no more", got)
	}
}

func TestARevocationOutlivesEverySync(t *testing.T) {
	t.Parallel()
	home := shared.newNamespace(t, "revoked")
	inGit := apiKey(home, "monitor", "{permissions: [read]}")
	serverSide(t, byGit, inGit)
	shared.kubectl(t, "", "patch", "apikey", "monitor", "-n", home, "--type=merge", "-p", `{"spec":{"revoked":true}}`)
	serverSide(t, byGit, inGit, "--force-conflicts")
	shared.kubectl(t, inGit, "apply", "-f", "-") // whoever applies on the client's side, too
	expectSpec(t, home, "monitor", map[string]any{"revoked": true})
	// Even Git cannot.
	shared.kubectlFails(t, "may not be unset", apiKey(home, "monitor", "{permissions: [read], revoked: false}"), "apply", "--server-side", "--force-conflicts", byGit, "-f", "-")
}

func TestAClientSideSyncLeavesAnIncidentAlone(t *testing.T) {
	t.Parallel()
	home := shared.newNamespace(t, "client")
	inGit := apiKey(home, "monitor", "{permissions: [read]}")
	shared.kubectl(t, inGit, "apply", "-f", "-")
	shared.kubectl(t, "", "patch", "apikey", "monitor", "-n", home, "--type=merge", "-p", `{"spec":{"suspended":true}}`)
	shared.kubectl(t, inGit, "apply", "-f", "-")
	expectSpec(t, home, "monitor", map[string]any{"suspended": true})
	shared.kubectl(t, inGit, "diff", "-f", "-")
	// Other than the fields of incidents, what Git has is put back.
	shared.kubectl(t, "", "patch", "apikey", "monitor", "-n", home, "--type=merge", "-p", `{"spec":{"permissions":["read","write"]}}`)
	shared.kubectl(t, inGit, "apply", "-f", "-")
	if spec, _, _ := unstructured.NestedStringSlice(shared.get(t, apiKeys, home, "monitor").Object, "spec", "permissions"); strings.Join(spec, " ") != "read" {
		t.Errorf("spec.permissions is %v, want what Git says", spec)
	}
}

func TestWaitingWithKubectl(t *testing.T) {
	t.Parallel()
	home := shared.newNamespace(t, "waiting")
	shared.kubectl(t, apiKey(home, "monitor", "{permissions: [read]}"), "apply", "-f", "-")
	wait := func(condition, timeout string) []string {
		return []string{"wait", "apikey/monitor", "-n", home, "--for=condition=" + condition, "--timeout=" + timeout}
	}
	shared.kubectl(t, "", wait("Ready", "60s")...)
	shared.kubectl(t, "", wait("Usable", "60s")...)

	// After a change it waits for what the change brings, since each condition says of which generation it speaks.
	shared.kubectl(t, "", "patch", "apikey", "monitor", "-n", home, "--type=merge", "-p", `{"spec":{"revision":2}}`)
	shared.kubectl(t, "", wait("Ready", "60s")...)
	if revision := currentRevision(shared.get(t, apiKeys, home, "monitor")); revision != 2 {
		t.Errorf("kubectl wait --for=condition=Ready ended at revision %d, want 2", revision)
	}

	// Ready is that the spec is in force, Usable that the key works.
	shared.kubectl(t, "", "patch", "apikey", "monitor", "-n", home, "--type=merge", "-p", `{"spec":{"suspended":true}}`)
	shared.kubectl(t, "", wait("Ready", "60s")...)
	shared.kubectlFails(t, "timed out", "", wait("Usable", "1s")...)
	shared.kubectl(t, "", wait("Usable=False", "60s")...)
}

// TestTheSecretIsNotTakenForGitsOwn keeps GitOps tools from pruning the Secret, which is in no Git: what they mark the
// ApiKey with is not passed on.
func TestTheSecretIsNotTakenForGitsOwn(t *testing.T) {
	t.Parallel()
	home := shared.newNamespace(t, "tracked")
	marks := map[string]string{
		"app.kubernetes.io/instance":         "api-keys",
		"argocd.argoproj.io/instance":        "api-keys",
		"kustomize.toolkit.fluxcd.io/name":   "api-keys",
		"helm.toolkit.fluxcd.io/name":        "api-keys",
		"app.kubernetes.io/managed-by":       "Helm",
		"argocd.argoproj.io/tracking-id":     "api-keys:apikey-operator.dev_ApiKey:tracked/monitor",
		"config.kubernetes.io/origin":        "keys/monitor.yaml",
		"kustomize.toolkit.fluxcd.io/ssa":    "Merge",
		"argocd.argoproj.io/sync-wave":       "2",
		"meta.helm.sh/release-name":          "api-keys",
		"argocd.argoproj.io/compare-options": "ServerSideDiff",
	}
	labels, annotations := map[string]string{}, map[string]string{}
	for name, value := range marks {
		annotations[name] = value
		if !strings.ContainsAny(value, "/:") {
			labels[name] = value
		}
	}
	key := parse(t, apiKey(home, "monitor", "{permissions: [read]}"))
	key[0].SetLabels(labels)
	key[0].SetAnnotations(annotations)
	shared.kubectl(t, toYAML(t, key), "apply", "-f", "-")
	shared.awaitReady(t, apiKeys, home, "monitor", "Active")
	secret := shared.get(t, secrets, home, "monitor")
	for name, value := range marks {
		if secret.GetLabels()[name] == value || secret.GetAnnotations()[name] == value {
			t.Errorf("the Secret carries %s: %s of its ApiKey", name, value)
		}
	}
	if owners := secret.GetOwnerReferences(); len(owners) != 1 || owners[0].Kind != "ApiKey" || owners[0].Name != "monitor" {
		t.Errorf("the Secret's owners are %v, want its ApiKey, below which Argo CD shows it", owners)
	}
}
