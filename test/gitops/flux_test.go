package gitops

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

const (
	fluxExamples = "../../docs/examples/flux"
	// fluxHome is where the keys of the examples live.
	fluxHome = "phoenix"
)

var (
	gitRepositories = schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"}
	helmReleases    = schema.GroupVersionResource{Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"}
	kustomizations  = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
)

// flux is a repository that Flux applies, by the manifests of docs/examples/flux.
type flux struct {
	*repository

	head string // the commit that was pushed last
}

// TestFluxAppliesAGitRepository follows the life of a repository, as docs/gitops.md tells it: each step is done to what
// the one before it left.
func TestFluxAppliesAGitRepository(t *testing.T) {
	t.Parallel()
	f := startFlux(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T, *flux)
	}{
		{"no key is applied before the policies are in force", policiesComeFirst},
		{"a pushed change is granted", aChangeIsGranted},
		{"a key that policy refuses makes the Kustomization not ready, and harms no other", aRefusedKeyIsTold},
		{"a key that the schema refuses makes the Kustomization not ready", aMalformedKeyIsTold},
		{"a revoked key blocks nothing", aRevokedKeyBlocksNothing},
		{"a key that leaves the repository goes, with its Secret", aRemovedKeyIsPruned},
		{"a protected key stays until it is protected no more", aProtectedKeyIsNotPruned},
		{"what somebody grants by hand is taken back", driftIsCorrected},
		{"a key that was suspended by another field manager stays suspended", anIncidentStays},
		{"a key that was suspended by plain kubectl is resumed", plainKubectlIsUndone},
		{"a key that was revoked by plain kubectl stays revoked, and Git has to follow", plainRevocationIsTold},
		{"a key that policy refuses is told with the reason where the webhook is up", theWebhookTellsWhy},
		{"the chart is installed, and the manager's certificate is no drift", theChartIsInstalled},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(t, f) }) {
			return
		}
	}
}

func startFlux(t *testing.T) *flux {
	t.Helper()
	if err := shared.InstallFlux(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := shared.StartFlux(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := &flux{repository: newRepository(t, "api-keys")}
	f.push(t, f.examples(t))
	for _, name := range []string{"source.yaml", "policies.yaml", "keys.yaml", "consumer.yaml"} {
		shared.kubectl(t, example(t, name, f.repository), "apply", "-f", "-")
	}
	return f
}

// example is a manifest of the docs, with a repository of ours in place of the one that it names.
func example(t *testing.T, name string, r *repository) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fluxExamples, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(text), "https://git.phoenix.example/platform/"+r.name+".git", r.URL, 1)
}

// examples are the files of the example's repository. The policies of other tests stay out of its namespace.
func (f *flux) examples(t *testing.T) map[string]string {
	t.Helper()
	files := filesBelow(t, filepath.Join(fluxExamples, "repository"))
	files["policies/contradictory.yaml"] = contradictoryPolicy
	files["keys/namespace.yaml"] += "  labels:\n    own-policies: \"\"\n"
	return files
}

// filesBelow are the contents of a directory's files, by their paths in it.
func filesBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, path)
		files[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (f *flux) push(t *testing.T, files map[string]string) {
	t.Helper()
	f.head = f.repository.push(t, files)
}

// sync has Flux look at the repository now, as "flux reconcile" does, and waits until it has gone through with what it found.
func (f *flux) sync(t *testing.T) {
	t.Helper()
	request(t, gitRepositories, "api-keys")
	shared.await(t, "Flux to fetch the commit", gitRepositories, stack.FluxNamespace, "api-keys", func(object *unstructured.Unstructured) error {
		return f.at(object, "status", "artifact", "revision")
	})
	for _, name := range []string{"api-key-policies", "api-keys"} {
		request(t, kustomizations, name)
	}
}

// request asks for a reconciliation, and waits until one has been.
func request(t *testing.T, resource schema.GroupVersionResource, name string) {
	t.Helper()
	mark := strconv.FormatInt(time.Now().UnixNano(), 10)
	shared.kubectl(t, "", "annotate", "--overwrite", resource.GroupResource().String(), name, "-n", stack.FluxNamespace, "reconcile.fluxcd.io/requestedAt="+mark)
	shared.await(t, "Flux to look at "+name, resource, stack.FluxNamespace, name, func(object *unstructured.Unstructured) error {
		if handled, _, _ := unstructured.NestedString(object.Object, "status", "lastHandledReconcileAt"); handled != mark {
			return fmt.Errorf("it has last done so at %q, not yet at %q: %s", handled, mark, summary(object))
		}
		return nil
	})
}

// at holds that a status speaks of the last commit.
func (f *flux) at(object *unstructured.Unstructured, path ...string) error {
	if revision, _, _ := unstructured.NestedString(object.Object, path...); !strings.HasSuffix(revision, f.head) {
		return fmt.Errorf("it is at %q, the repository at %s: %s", revision, f.head, summary(object))
	}
	return nil
}

// expectApplied waits until a Kustomization is ready with the last commit.
func (f *flux) expectApplied(t *testing.T, name string) {
	t.Helper()
	shared.await(t, name+" to be ready", kustomizations, stack.FluxNamespace, name, func(object *unstructured.Unstructured) error {
		if ready := conditions(object)["Ready"]; ready["status"] != "True" || observed(object) != object.GetGeneration() {
			return fmt.Errorf("Ready is %v (%v): %v", ready["status"], ready["reason"], ready["message"])
		}
		return f.at(object, "status", "lastAppliedRevision")
	})
}

// expectFailed waits until a Kustomization is not ready with the last commit, and says words.
func (f *flux) expectFailed(t *testing.T, name, reason string, words ...string) {
	t.Helper()
	shared.await(t, name+" to be told about", kustomizations, stack.FluxNamespace, name, func(object *unstructured.Unstructured) error {
		ready := conditions(object)["Ready"]
		message := fmt.Sprint(ready["message"])
		if ready["status"] != "False" || ready["reason"] != reason {
			return fmt.Errorf("Ready is %v (%v): %s", ready["status"], ready["reason"], message)
		}
		for _, word := range words {
			if !strings.Contains(message, word) {
				return fmt.Errorf("it says %q, want %q in it", message, word)
			}
		}
		return f.at(object, "status", "lastAttemptedRevision")
	})
}

// contradictoryPolicy selects nothing whatever labels a namespace has.
const contradictoryPolicy = `
apiVersion: apikey-operator.dev/v1alpha1
kind: ApiKeyPolicy
metadata: {name: phoenix-contradictory}
spec:
  namespaceSelector: {matchExpressions: [{key: team, operator: Exists}, {key: team, operator: DoesNotExist}]}
  permissions: [read]
`

func policiesComeFirst(t *testing.T, f *flux) {
	f.expectFailed(t, "api-key-policies", "HealthCheckFailed", "ApiKeyPolicy/phoenix-contradictory", "Failed")
	if _, err := shared.Kubectl(t.Context(), "get", "namespace", fluxHome); err == nil {
		t.Error("the keys' Kustomization was applied though the policies are not in force")
	}
	f.push(t, map[string]string{"policies/contradictory.yaml": ""})
	f.sync(t)
	f.expectApplied(t, "api-key-policies")
	f.expectApplied(t, "api-keys")
	for _, name := range []string{"monitor", "order-export"} {
		if err := readyWith(shared.get(t, apiKeys, fluxHome, name), "Active"); err != nil {
			t.Errorf("Flux is done with %s, though: %v", name, err)
		}
	}
	shared.awaitGone(t, policies, "", "phoenix-contradictory")
	request(t, kustomizations, "order-export") // or it would find the namespace only at its next retry
	f.expectApplied(t, "order-export")
}

func aChangeIsGranted(t *testing.T, f *flux) {
	f.push(t, map[string]string{"keys/monitor.yaml": apiKey(fluxHome, "monitor", `{owner: sre@phoenix.example, permissions: [read, "orders:view"]}`)})
	f.sync(t)
	f.expectApplied(t, "api-keys")
	granted, _, _ := unstructured.NestedStringSlice(shared.get(t, apiKeys, fluxHome, "monitor").Object, "status", "grant", "permissions")
	if fmt.Sprint(granted) != "[read orders:view]" {
		t.Errorf("Flux is done, and granted is %v", granted)
	}
}

func aRefusedKeyIsTold(t *testing.T, f *flux) {
	f.push(t, map[string]string{"keys/admin.yaml": apiKey(fluxHome, "admin", "{permissions: [admin]}")})
	f.sync(t)
	f.expectFailed(t, "api-keys", "HealthCheckFailed", "stalled resources: [ApiKey/phoenix/admin status: 'Failed']")
	if err := readyWith(shared.get(t, apiKeys, fluxHome, "monitor"), "Active"); err != nil {
		t.Errorf("another key suffers from it: %v", err)
	}
	f.expectApplied(t, "order-export") // what waits for a key of its own alone
	f.push(t, map[string]string{"keys/admin.yaml": ""})
	f.sync(t)
	f.expectApplied(t, "api-keys")
}

func aMalformedKeyIsTold(t *testing.T, f *flux) {
	f.push(t, map[string]string{
		"keys/malformed.yaml": apiKey(fluxHome, "malformed", `{permissions: ["read write"]}`),
		"keys/good.yaml":      apiKey(fluxHome, "good", `{permissions: [read], deletionProtection: true}`),
	})
	f.sync(t)
	f.expectFailed(t, "api-keys", "ReconciliationFailed", "ApiKey/phoenix/malformed", "dry-run failed", "spec.permissions")
	shared.awaitGone(t, apiKeys, fluxHome, "good") // it never came: all are tried before the first is applied
	f.push(t, map[string]string{"keys/malformed.yaml": ""})
	f.sync(t)
	f.expectApplied(t, "api-keys")
	shared.get(t, apiKeys, fluxHome, "good")
}

func aRevokedKeyBlocksNothing(t *testing.T, f *flux) {
	f.push(t, map[string]string{"keys/monitor.yaml": apiKey(fluxHome, "monitor", "{owner: sre@phoenix.example, permissions: [read], revoked: true}")})
	f.sync(t)
	f.expectApplied(t, "api-keys")
	if err := readyWith(shared.get(t, apiKeys, fluxHome, "monitor"), "Revoked"); err != nil {
		t.Errorf("Flux is done, though: %v", err)
	}
}

func aRemovedKeyIsPruned(t *testing.T, f *flux) {
	f.push(t, map[string]string{"keys/monitor.yaml": ""})
	f.sync(t)
	f.expectApplied(t, "api-keys")
	shared.awaitGone(t, apiKeys, fluxHome, "monitor")
	shared.awaitGone(t, secrets, fluxHome, "monitor")
	shared.get(t, secrets, fluxHome, "order-export") // that of another key, which is in no Git either
}

func aProtectedKeyIsNotPruned(t *testing.T, f *flux) {
	f.push(t, map[string]string{"keys/good.yaml": ""})
	f.sync(t)
	f.expectFailed(t, "api-keys", "PruneFailed", "ApiKey/phoenix/good", "deletionProtection")
	shared.kubectl(t, "", "patch", "apikey", "good", "-n", fluxHome, "--type=merge", "-p", `{"spec":{"deletionProtection":null}}`)
	f.sync(t)
	f.expectApplied(t, "api-keys")
	shared.awaitGone(t, apiKeys, fluxHome, "good")
}

// patchExport is a merge patch of the spec of the key that is left, with whatever flags say who does it.
func patchExport(t *testing.T, spec string, flags ...string) {
	t.Helper()
	shared.kubectl(t, "", append([]string{"patch", "apikey", "order-export", "-n", fluxHome, "--type=merge", "-p", `{"spec":` + spec + `}`}, flags...)...)
}

func driftIsCorrected(t *testing.T, f *flux) {
	patchExport(t, `{"permissions":["orders:*"]}`)
	f.sync(t)
	f.expectApplied(t, "api-keys")
	spec, _, _ := unstructured.NestedStringSlice(shared.get(t, apiKeys, fluxHome, "order-export").Object, "spec", "permissions")
	if fmt.Sprint(spec) != "[orders:view]" {
		t.Errorf("spec.permissions is %v, want what Git says", spec)
	}
}

func anIncidentStays(t *testing.T, f *flux) {
	patchExport(t, `{"suspended":true}`, byOnCall)
	f.sync(t)
	f.expectApplied(t, "api-keys")
	expectSpec(t, fluxHome, "order-export", map[string]any{"suspended": true})
	shared.awaitReady(t, apiKeys, fluxHome, "order-export", "Suspended")
	patchExport(t, `{"suspended":null}`, byOnCall)
}

// plainKubectlIsUndone shows the trap: Flux takes what field managers called kubectl… own for its own.
func plainKubectlIsUndone(t *testing.T, f *flux) {
	patchExport(t, `{"suspended":true}`)
	f.sync(t)
	f.expectApplied(t, "api-keys")
	expectSpec(t, fluxHome, "order-export", map[string]any{"suspended": nil})
}

func plainRevocationIsTold(t *testing.T, f *flux) {
	patchExport(t, `{"revoked":true,"minRevision":2}`)
	f.sync(t)
	f.expectFailed(t, "api-keys", "ReconciliationFailed", "ApiKey/phoenix/order-export", "spec.revoked", "spec.minRevision")
	expectSpec(t, fluxHome, "order-export", map[string]any{"revoked": true, "minRevision": int64(2)})
	f.push(t, map[string]string{"keys/order-export.yaml": apiKey(fluxHome, "order-export", `{owner: orders@phoenix.example, permissions: ["orders:view"], revoked: true, minRevision: 2}`)})
	f.sync(t)
	f.expectApplied(t, "api-keys")
}

// theChartIsInstalled has helm-controller install the chart over what is there, and so leads the API server away from the
// webhook again. No Deployment gets ready, since there is
// no node, so it is not waited for.
func theChartIsInstalled(t *testing.T, _ *flux) {
	r := newRepository(t, "apikey-operator")
	files := map[string]string{}
	for path, content := range filesBelow(t, "../../charts/apikey-operator") {
		files["charts/apikey-operator/"+path] = content
	}
	r.push(t, files)
	r.tag(t, "v0.1.0")
	manifest := strings.Replace(example(t, "operator.yaml", r), "createNamespace: true", "createNamespace: true\n    disableWait: true", 1)
	shared.kubectl(t, manifest, "apply", "-f", "-")
	certificate := caBundle(t)
	shared.await(t, "the chart to be installed", helmReleases, stack.FluxNamespace, "apikey-operator", func(object *unstructured.Unstructured) error {
		return readyWith(object, "InstallSucceeded")
	})
	request(t, helmReleases, "apikey-operator") // which looks for drift
	release := shared.get(t, helmReleases, stack.FluxNamespace, "apikey-operator")
	if history, _, _ := unstructured.NestedSlice(release.Object, "status", "history"); len(history) != 1 {
		t.Errorf("the release has %d revisions, want the one of its installation", len(history))
	}
	if now := caBundle(t); now != certificate {
		t.Errorf("the webhook's caBundle is %q now, want what the manager put there", now)
	}
	printed := shared.kubectl(t, "", "get", "events", "-n", stack.FluxNamespace, "--field-selector=involvedObject.kind=HelmRelease")
	if strings.Contains(printed, "Drift") {
		t.Errorf("Flux found drift:\n%s", printed)
	}
	// Real drift it does find.
	shared.kubectl(t, "", "delete", "poddisruptionbudget", "apikey-operator-verifier", "-n", stack.SystemNamespace)
	request(t, helmReleases, "apikey-operator")
	shared.kubectl(t, "", "get", "poddisruptionbudget", "apikey-operator-verifier", "-n", stack.SystemNamespace)
}

func theWebhookTellsWhy(t *testing.T, f *flux) {
	if err := shared.ConnectWebhook(t.Context(), shared.manager); err != nil {
		t.Fatal(err)
	}
	f.push(t, map[string]string{"keys/admin.yaml": apiKey(fluxHome, "admin", "{permissions: [admin]}")})
	f.sync(t)
	f.expectFailed(t, "api-keys", "ReconciliationFailed", "ApiKey/phoenix/admin", `policy phoenix does not allow this: spec.permissions: "admin" is not allowed`)
}
