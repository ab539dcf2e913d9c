package integration

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// unprotect is the merge patch that a refusal to delete asks for.
const unprotect = `{"spec":{"deletionProtection":null}}`

// protectedKey makes an ApiKey that cannot be deleted, and unprotects it when the test ends.
func protectedKey(t *testing.T, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	stored := admin(t).send(t, create(namespace, apiKey(name, `{"deletionProtection":true}`)))
	t.Cleanup(func() { // the test's own context has ended by then
		if _, err := admin(t).do(context.Background(), merged(namespace, name, unprotect)); err != nil {
			t.Errorf("unprotect %s: %v", name, err)
		}
	})
	return stored
}

// wordsOfProtection are what a refusal to delete says.
func wordsOfProtection(namespace, name string) []string {
	return []string{
		"ApiKey " + name + " is protected from deletion: unset spec.deletionProtection first",
		"kubectl -n " + namespace + " patch apikey " + name + ` --type=merge -p '{"spec":{"deletionProtection":null}}'`,
	}
}

func TestAProtectedApiKeyIsDeletedByNobody(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	const name = "protected"
	before := protectedKey(t, namespace, name)

	withOptions := func(r request, options string) request {
		r.contentType, r.body = "application/json", `{"apiVersion":"meta.k8s.io/v1","kind":"DeleteOptions",`+options+`}`
		return r
	}
	requests := map[string]request{
		"deleted":                                 remove(namespace, name),
		"deleted with all others":                 remove(namespace, ""),
		"deleted as a dry run":                    dryRun(remove(namespace, name)),
		"deleted with all others as a dry run":    dryRun(remove(namespace, "")),
		"deleted at once":                         withOptions(remove(namespace, name), `"gracePeriodSeconds":0`),
		"deleted after what it owns":              withOptions(remove(namespace, name), `"propagationPolicy":"Foreground"`),
		"deleted without what it owns":            withOptions(remove(namespace, name), `"propagationPolicy":"Orphan"`),
		"deleted where its revision is the known": withOptions(remove(namespace, name), `"preconditions":{"resourceVersion":"`+before.GetResourceVersion()+`"}`),
	}
	users := map[string]identity{
		"an administrator":         admin(t),
		"an editor":                namespaceEditor(t, namespace),
		"the garbage collector":    userCalled(t, "system:serviceaccount:kube-system:generic-garbage-collector"),
		"the namespace controller": userCalled(t, "system:serviceaccount:kube-system:namespace-controller"),
		"a listed backup tool":     userCalled(t, "system:serviceaccount:velero:velero"),
	}
	for how, r := range requests {
		for who, as := range users {
			t.Run(how+" by "+who, func(t *testing.T) { as.sendRefused(t, r, wordsOfProtection(namespace, name)...) })
		}
	}
	after := admin(t).send(t, get(namespace, name))
	if after.GetUID() != before.GetUID() || after.GetDeletionTimestamp() != nil || after.GetResourceVersion() != before.GetResourceVersion() {
		t.Errorf("the ApiKey is now %s", asJSON(after.Object))
	}
}

func TestWithoutProtectionAnApiKeyIsDeleted(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	as := namespaceEditor(t, namespace)
	const protected = `{"deletionProtection":true}`
	cases := map[string]struct {
		spec   string
		change func(t *testing.T, namespace, name string) request
	}{
		"never protected":                        {spec: `{}`},
		"protection of false":                    {spec: `{"deletionProtection":false}`},
		"protection that was unset":              {spec: protected, change: patched(merged, unprotect)},
		"protection that was set to false":       {spec: protected, change: patched(merged, `{"spec":{"deletionProtection":false}}`)},
		"protection that a PUT left out":         {spec: protected, change: putAfter(func(map[string]any) {}, "spec", `{}`)},
		"protection that a JSON patch took away": {spec: protected, change: patched(jsonPatched, `[{"op":"remove","path":"/spec/deletionProtection"}]`)},
	}
	number := 0
	for title, c := range cases {
		number++
		name := objectName(number)
		t.Run(title, func(t *testing.T) {
			as.send(t, create(namespace, apiKey(name, c.spec)))
			if c.change != nil {
				as.send(t, c.change(t, namespace, name))
			}
			as.sendForBody(t, remove(namespace, name))
			as.sendRefused(t, get(namespace, name), "not found")
		})
	}
}

func TestTheProtectedStayWhenACollectionIsDeleted(t *testing.T) {
	t.Parallel()
	namespace, as := freshNamespace(t), admin(t)
	protectedKey(t, namespace, "kept-1")
	protectedKey(t, namespace, "kept-2")
	for _, name := range []string{"lost-1", "lost-2", "lost-3"} {
		as.send(t, create(namespace, apiKey(name, `{}`)))
	}
	as.sendRefused(t, remove(namespace, ""), "is protected from deletion")
	for _, name := range []string{"kept-1", "kept-2"} {
		if got := as.send(t, get(namespace, name)); got.GetDeletionTimestamp() != nil {
			t.Errorf("%s is being deleted", name)
		}
	}
}

func TestAProtectedApiKeyCanBeStopped(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	protectedKey(t, namespace, "stopped")
	as := namespaceEditor(t, namespace)
	for _, change := range []string{`{"spec":{"suspended":true}}`, `{"spec":{"minRevision":7}}`, `{"spec":{"revoked":true}}`} {
		as.send(t, merged(namespace, "stopped", change))
	}
}
