package guides

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// velero is the ServiceAccount that Velero restores as.
const velero = "system:serviceaccount:velero:velero"

var secretsResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// backedUp are the kinds that a backup holds, in the order in which Velero restores them.
var backedUp = []schema.GroupVersionResource{
	secretsResource,
	{Group: v1alpha1.GroupName, Version: "v1alpha1", Resource: "apikeypolicies"},
	v1alpha1.ApiKeyResource,
}

// backup is what stands in a backup of the namespace phoenix, by resource.
type backup map[schema.GroupVersionResource][]unstructured.Unstructured

// backupTool asks an API server for what Velero asks it for, as Velero's ServiceAccount. Velero itself is not run.
type backupTool struct{ kube dynamic.Interface }

func (l *lab) backupTool(t *testing.T) backupTool {
	t.Helper()
	config, err := l.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: velero, Groups: []string{"system:masters"}} // it is bound to cluster-admin
	kube, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return backupTool{kube}
}

func (b backupTool) resource(resource schema.GroupVersionResource) dynamic.ResourceInterface {
	if resource.Resource == "apikeypolicies" {
		return b.kube.Resource(resource)
	}
	return b.kube.Resource(resource).Namespace("phoenix")
}

func (b backupTool) backUp(t *testing.T) backup {
	t.Helper()
	taken := backup{}
	for _, resource := range backedUp {
		list, err := b.resource(resource).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		taken[resource] = list.Items
	}
	return taken
}

// restore creates what is not there: without what the API server and owners gave it, without status, and labelled.
func (b backupTool) restore(t *testing.T, taken backup) {
	t.Helper()
	for _, resource := range backedUp {
		for _, object := range taken[resource] {
			created := object.DeepCopy()
			for _, field := range []string{
				"generateName", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
				"deletionGracePeriodSeconds", "ownerReferences", "managedFields",
			} {
				unstructured.RemoveNestedField(created.Object, "metadata", field)
			}
			unstructured.RemoveNestedField(created.Object, "status")
			labels := created.GetLabels()
			if labels == nil {
				labels = map[string]string{}
			}
			labels["velero.io/backup-name"], labels["velero.io/restore-name"] = "keys", "from-keys"
			created.SetLabels(labels)
			if _, err := b.resource(resource).Create(t.Context(), created, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatalf("restore %s %s: %v", object.GetKind(), object.GetName(), err)
			}
		}
	}
}

// restoreStatuses writes the statuses of ApiKeys, each over what was created.
func (b backupTool) restoreStatuses(ctx context.Context, taken backup) error {
	for _, object := range taken[v1alpha1.ApiKeyResource] {
		created, err := b.resource(v1alpha1.ApiKeyResource).Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		created.Object["status"] = object.Object["status"]
		if _, err := b.resource(v1alpha1.ApiKeyResource).UpdateStatus(ctx, created, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// wipe deletes the ApiKeys and Secrets of phoenix.
func (b backupTool) wipe(t *testing.T) {
	t.Helper()
	for _, resource := range []schema.GroupVersionResource{v1alpha1.ApiKeyResource, secretsResource} {
		if err := b.resource(resource).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "all Secrets to be gone", func(ctx context.Context) error {
		list, err := b.resource(secretsResource).List(ctx, metav1.ListOptions{})
		if err == nil && len(list.Items) > 0 {
			err = fmt.Errorf("%d are left", len(list.Items))
		}
		return err
	})
}

// letIn has the admission policies believe the tool, or nobody, by the commands of operations.md; and waits until they do.
func (l *lab) letIn(t *testing.T, whom string) {
	t.Helper()
	for _, b := range readGuide(t, "operations.md").of("console") {
		if !strings.HasPrefix(b.text, "$ restore=") {
			continue
		}
		script := b.script()
		if whom == "" {
			script = strings.Replace(script, `['\''`+velero+`'\'']`, "[]", 1)
		}
		c := l.newConsole(t, "", nil)
		if printed, err := c.run(t, script); err != nil {
			t.Fatalf("%v: %s", err, printed)
		}
		probe := `{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: probe, namespace: phoenix, annotations: {apikey-operator.dev/created-by: somebody}}, spec: {}}`
		await(t, "admission to have noticed", func(ctx context.Context) error {
			by, err := l.KubectlWithInput(ctx, probe, "--as="+velero, "--as-group=system:masters", "create", "--dry-run=server", "-f", "-",
				"-o", `jsonpath={.metadata.annotations.apikey-operator\.dev/created-by}`)
			if kept := by == "somebody"; err == nil && kept != (whom != "") {
				err = fmt.Errorf("created-by becomes %q", by)
			}
			return err
		})
		return
	}
	t.Fatal("operations.md does not tell how to let a tool in")
}

// TestABackupIsRestoredAsTheGuideTells takes a backup of one cluster, restores it with its statuses into another one, and
// without them into the first.
func TestABackupIsRestoredAsTheGuideTells(t *testing.T) {
	t.Parallel()
	g, dir := readGuide(t, "guides/backup-and-restore.md"), t.TempDir()
	first := ownLab(t)
	keys := first.keysToBackUp(t)
	taken := first.backupTool(t).backUp(t)
	first.kubectl(t, "patch", "apikey", "stopped", "-n", "phoenix", "--type=merge", "-p", `{"spec":{"revoked":true}}`)
	expectAnswer(t, first.verifier, keys.stopped, "a key that is revoked after the backup", answer{http.StatusUnauthorized, "revoked"})
	first.newConsole(t, "", nil).play(t, dir, g.block(t, "console", "write-down"))

	second := labWithoutManager(t)
	second.namespace(t, "phoenix")
	tool := second.backupTool(t)
	tool.restore(t, taken)
	if err := tool.restoreStatuses(t.Context(), taken); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "written only by the manager") {
		t.Fatalf("while restoreIdentities are empty a status is written: %v", err)
	}
	expectAnswer(t, second.verifier, keys.current, "a key whose status was not restored", answer{http.StatusUnauthorized, "unknown_key"})
	tool.wipe(t)

	second.letIn(t, velero)
	tool.restore(t, taken)
	await(t, "statuses to be taken", func(ctx context.Context) error { return tool.restoreStatuses(ctx, taken) })
	second.expectKeys(t, "before the manager runs", keys)
	expectAnswer(t, second.verifier, keys.stopped, "what was revoked after the backup", allowed) // it revives
	printed := second.newConsole(t, "", nil).play(t, dir, g.block(t, "console", "stop-again"))
	if strings.Contains(printed, "<") || strings.Contains(printed, ">") || strings.Contains(printed, "look at") {
		t.Errorf("what was restored differs:\n%s", printed)
	}
	expectAnswer(t, second.verifier, keys.stopped, "what was stopped again", answer{http.StatusUnauthorized, "revoked"})
	second.letIn(t, "")
	second.startManager(t)
	second.expectOwned(t, "current")
	second.expectKeys(t, "under a manager", keys)
	second.expectIssued(t, 0)
	first.expectKeys(t, "of the first cluster, at the same time", keys)
	for _, name := range []string{"current", "revealed"} {
		was, is := first.createdBy(t, name), second.createdBy(t, name)
		if was == "" || is != was {
			t.Errorf("the restored ApiKey %s was created by %q, want %q", name, is, was)
		}
	}
	restoreWithoutStatuses(t, first, g, dir, taken, keys)
}

// restoreWithoutStatuses loses the ApiKeys of a lab and restores them as a tool does that may not write statuses.
func restoreWithoutStatuses(t *testing.T, l *lab, g *guide, dir string, taken backup, keys backedUpKeys) {
	t.Helper()
	if err := l.manager.Stop(patience); err != nil {
		t.Fatal(err)
	}
	tool := l.backupTool(t)
	tool.wipe(t)
	tool.restore(t, taken)
	unknown := answer{http.StatusUnauthorized, "unknown_key"}
	expectAnswer(t, l.verifier, keys.current, "a key whose status was lost", unknown)
	l.stopStamping(t)
	if printed := l.newConsole(t, "", nil).play(t, dir, g.block(t, "console", "stop-again")); strings.Contains(printed, "look at") {
		t.Errorf("where nobody stamps, not all can be stopped again:\n%s", printed)
	}
	l.stopLeakedUnstamped(t, "revealed")

	l.startManager(t, "--restore-mode")
	expectAnswer(t, l.verifier, keys.current, "a key that was taken over from its Secret", allowed)
	l.expectOwned(t, "current")
	expectAnswer(t, l.verifier, keys.previous, "one that was in its grace period", unknown)
	if l.key(t, "phoenix", "revealed") == keys.revealed {
		t.Error("a key that was revealed once is in its Secret again")
	}
	expectAnswer(t, l.verifier, keys.revealed, "one whose Secret was gone", unknown)
	got, err := ask(t.Context(), l.verifier, "", keys.stopped)
	if err != nil || got == allowed {
		t.Errorf("what was revoked after the backup is answered %v, %v", got, err)
	}
}

// stopStamping leaves a lab as one of an older Kubernetes is whose manager is stopped: nobody stamps who changed a spec, and
// whoever changes one after somebody else has to remove that one's name.
func (l *lab) stopStamping(t *testing.T) {
	t.Helper()
	l.kubectl(t, "delete", "mutatingadmissionpolicybindings,mutatingadmissionpolicies", "apikey-operator-stamp")
	await(t, "the stamp to be gone", func(ctx context.Context) error {
		_, err := l.Kubectl(ctx, "patch", "apikey", "stopped", "-n", "phoenix", "--dry-run=server", "--type=merge", "-p", `{"spec":{"revoked":true}}`)
		if err == nil || !strings.Contains(err.Error(), "changed-by names another user") {
			return fmt.Errorf("a change is answered %w", cmp.Or(err, errors.New("by taking it")))
		}
		return nil
	})
}

// backedUpKeys are those that people hold when the backup is made.
type backedUpKeys struct{ current, previous, revealed, stopped string }

// keysToBackUp issues them: one with another in its grace period, one whose Secret is gone again, and one that will be
// revoked.
func (l *lab) keysToBackUp(t *testing.T) backedUpKeys {
	t.Helper()
	l.namespace(t, "phoenix")
	l.apply(t, `{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKeyPolicy, metadata: {name: phoenix}, spec: {
		namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: phoenix}}, permissions: [read]}}`)
	const key = `{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: %s, namespace: phoenix}, spec: {permissions: [read]%s}}`
	l.apply(t, fmt.Sprintf(key, "current", ""), fmt.Sprintf(key, "stopped", ""), fmt.Sprintf(key, "revealed", ", secret: {deleteAfter: 20s}"))
	k := backedUpKeys{previous: l.key(t, "phoenix", "current"), revealed: l.key(t, "phoenix", "revealed"), stopped: l.key(t, "phoenix", "stopped")}
	l.kubectl(t, "patch", "apikey", "current", "-n", "phoenix", "--type=merge", "-p", `{"spec":{"revision":2}}`)
	k.current = l.key(t, "phoenix", "current")
	if k.current == k.previous {
		t.Fatal("the key was not rotated")
	}
	l.waitFor(t, "phoenix", "secret/revealed", "delete") // after its time
	expectAnswer(t, l.verifier, k.stopped, "a key before the backup", allowed)
	return k
}

// expectKeys looks that a lab's verifier accepts what was accepted when the backup was made.
func (l *lab) expectKeys(t *testing.T, when string, k backedUpKeys) {
	t.Helper()
	expectAnswer(t, l.verifier, k.current, "the current key "+when, allowed)
	expectAnswer(t, l.verifier, k.previous, "the key in its grace period "+when, allowed)
	expectAnswer(t, l.verifier, k.revealed, "the key that was revealed once "+when, allowed)
}

// labWithoutManager is a lab of this test alone, in which no manager runs yet.
func labWithoutManager(t *testing.T) *lab {
	t.Helper()
	s, err := stack.New(tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.StartControlPlane(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := &lab{Stack: s}
	if l.verifier, err = s.StartVerifier(t.Context(), stack.Options{Args: []string{"--drain-delay=0s"}}); err != nil {
		t.Fatal(err)
	}
	return l
}

// startManager starts the manager of a lab that has none, or whose manager was stopped. It need not wait for the lease of
// that one.
func (l *lab) startManager(t *testing.T, args ...string) {
	t.Helper()
	l.kubectl(t, "delete", "lease", stack.ManagerAccount, "--namespace", stack.SystemNamespace, "--ignore-not-found")
	var err error
	if l.manager, err = l.StartManager(t.Context(), stack.Options{Name: "next-manager", Args: args}); err != nil {
		t.Fatal(err)
	}
}

// expectOwned waits until a Secret is its ApiKey's own.
func (l *lab) expectOwned(t *testing.T, name string) {
	t.Helper()
	uid := l.kubectl(t, "get", "apikey", name, "-n", "phoenix", "-o", "jsonpath={.metadata.uid}")
	l.waitFor(t, "phoenix", "secret/"+name, "jsonpath={.metadata.ownerReferences[0].uid}="+uid)
}

// expectIssued looks that the manager has issued so many keys since it was started.
func (l *lab) expectIssued(t *testing.T, want float64) {
	t.Helper()
	metrics, err := stack.Scrape(t.Context(), l.manager.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	issued := 0.0
	for series, n := range metrics {
		if strings.HasPrefix(series, "apikey_operator_credentials_published_total{") {
			issued += n
		}
	}
	if issued != want {
		t.Errorf("the manager has issued %v keys, want %v", issued, want)
	}
}

func (l *lab) createdBy(t *testing.T, name string) string {
	t.Helper()
	return l.kubectl(t, "get", "apikey", name, "-n", "phoenix", "-o", `jsonpath={.metadata.annotations.apikey-operator\.dev/created-by}`)
}
