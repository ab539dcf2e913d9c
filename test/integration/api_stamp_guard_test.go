package integration

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// What the refusals say: what is wrong, and what to do.
const (
	createdByAnother = "annotation apikey-operator.dev/created-by names another user than the one that creates the ApiKey, bob: leave it out, it is stamped"
	createdByChanged = "annotation apikey-operator.dev/created-by never changes: send it as it is stored, and leave it out where there is none"
	changedByAnother = "annotation apikey-operator.dev/changed-by names another user than the one that changes the spec, bob: remove it in the same request (null in a patch)"
	changedByChanged = "annotation apikey-operator.dev/changed-by changes only with the spec: send it as it is stored, and leave it out where there is none"
)

// stamps is the JSON of annotations with these stamps, each itself JSON, and another annotation.
func stamps(createdBy, changedBy string) string {
	return `{"apikey-operator.dev/created-by":` + createdBy + `,"apikey-operator.dev/changed-by":` + changedBy + `,"example.com/a":"b"}`
}

func TestWithoutAStampNobodyCreatesInAnothersName(t *testing.T) {
	t.Parallel()
	namespace, bob := freshUnstampedNamespace(t), userCalled(t, "bob")
	cases := map[string]struct {
		annotations string
		want        []string // of the refusal; none where it is accepted
	}{
		"no annotations":                 {annotations: `{}`},
		"other annotations":              {annotations: `{"example.com/created-by":"alice"}`},
		"their own name twice":           {annotations: stamps(`"bob"`, `"bob"`)},
		"their own name as the creator":  {annotations: `{"apikey-operator.dev/created-by":"bob"}`},
		"their own name as the changer":  {annotations: `{"apikey-operator.dev/changed-by":"bob"}`},
		"another creator":                {annotations: stamps(`"alice"`, `"bob"`), want: []string{createdByAnother}},
		"another changer":                {annotations: stamps(`"bob"`, `"alice"`), want: []string{changedByAnother}},
		"another changer and no creator": {annotations: `{"apikey-operator.dev/changed-by":"alice"}`, want: []string{changedByAnother}},
		"an empty creator":               {annotations: stamps(`""`, `"bob"`), want: []string{createdByAnother}},
		"a creator of null":              {annotations: stamps(`null`, `"bob"`), want: []string{createdByAnother}},
		"their own name in capitals":     {annotations: stamps(`"Bob"`, `"bob"`), want: []string{createdByAnother}},
		"their own name and a blank":     {annotations: stamps(`"bob "`, `"bob"`), want: []string{createdByAnother}},
		"a ServiceAccount as creator":    {annotations: stamps(`"system:serviceaccount:default:bob"`, `"bob"`), want: []string{createdByAnother}},
		"a very long creator":            {annotations: stamps(`"`+strings.Repeat("a", 200_000)+`"`, `"bob"`), want: []string{createdByAnother}},
	}
	routes := map[string]func(name, body string) request{
		"created": func(_, body string) request { return create(namespace, body) },
		"with a generated name": func(name, body string) request {
			return create(namespace, strings.Replace(body, `"name":"`+name+`"`, `"generateName":"generated-"`, 1))
		},
		"applied":          func(name, body string) request { return applied(namespace, name, body) },
		"as a dry run":     func(_, body string) request { return dryRun(create(namespace, body)) },
		"without a schema": func(_, body string) request { return createLoosely(namespace, body) },
	}
	number := 0
	for title, c := range cases {
		for route, request := range routes {
			number++
			name := objectName(number)
			t.Run(title+" "+route, func(t *testing.T) {
				r := request(name, annotated(apiKey(name, `{}`), c.annotations))
				if c.want != nil {
					bob.sendRefused(t, r, c.want...)
					return
				}
				bob.send(t, r)
			})
		}
	}
}

// guardCase is something that bob does, with nobody to stamp it, to an ApiKey whose stamps both say alice.
type guardCase struct {
	request func(t *testing.T, namespace, name string) request
	want    string // of the refusal; empty where it is accepted
}

func guardCases() map[string]guardCase {
	const other, same = `{"tenant":"other"}`, `{"tenant":"acme"}`
	put := func(annotations, spec string) func(*testing.T, string, string) request {
		return putAfter(func(metadata map[string]any) { metadata["annotations"] = json.RawMessage(annotations) }, "spec", spec)
	}
	alice := stamps(`"alice"`, `"alice"`)
	return map[string]guardCase{
		"a label":                      {request: patched(merged, `{"metadata":{"labels":{"a":"b"}}}`)},
		"another annotation":           {request: patched(merged, `{"metadata":{"annotations":{"example.com/a":"b"}}}`)},
		"a finalizer":                  {request: patched(merged, `{"metadata":{"finalizers":["example.com/f"]}}`)},
		"an owner":                     {request: patched(jsonPatched, `[{"op":"add","path":"/metadata/ownerReferences","value":[{"apiVersion":"v1","kind":"ConfigMap","name":"a","uid":"b"}]}]`)},
		"a PUT of what is stored":      {request: put(alice, same)},
		"the spec, with their name":    {request: put(stamps(`"alice"`, `"bob"`), other)},
		"the spec, with nobody's name": {request: put(`{"apikey-operator.dev/created-by":"alice"}`, other)},
		"the spec, with null for the name": {
			request: patched(merged, `{"metadata":{"annotations":{"apikey-operator.dev/changed-by":null}},"spec":{"tenant":"other"}}`)},
		"the spec applied, with their name": {
			request: patched(applied, annotated(apiKey("NAME", other), `{"apikey-operator.dev/changed-by":"bob"}`))},

		"the spec, in the name that stands there": {request: put(alice, other), want: changedByAnother},
		"the spec, by a merge patch":              {request: patched(merged, `{"spec":{"suspended":true}}`), want: changedByAnother},
		"the spec, by a JSON patch":               {request: patched(jsonPatched, `[{"op":"replace","path":"/spec/tenant","value":"other"}]`), want: changedByAnother},
		"the spec, applied":                       {request: patched(applied, apiKey("NAME", other)), want: changedByAnother},
		"the spec, in a third name":               {request: put(stamps(`"alice"`, `"carol"`), other), want: changedByAnother},
		"the spec, in an empty name":              {request: put(stamps(`"alice"`, `""`), other), want: changedByAnother},
		"the creator, with the spec":              {request: put(stamps(`"bob"`, `"bob"`), other), want: createdByChanged},
		"the creator":                             {request: put(stamps(`"bob"`, `"alice"`), same), want: createdByChanged},
		"the creator, to nothing":                 {request: put(stamps(`""`, `"alice"`), same), want: createdByChanged},
		"the creator, by a JSON patch": {
			request: patched(jsonPatched, `[{"op":"replace","path":"/metadata/annotations/apikey-operator.dev~1created-by","value":"bob"}]`), want: createdByChanged},
		"the creator, removed": {
			request: patched(merged, `{"metadata":{"annotations":{"apikey-operator.dev/created-by":null}}}`), want: createdByChanged},
		"the creator, removed with the spec changed": {request: put(`{}`, other), want: createdByChanged},
		"all annotations, removed":                   {request: patched(merged, `{"metadata":{"annotations":null}}`), want: createdByChanged},
		"the creator, applied":                       {request: patched(applied, annotated(apiKey("NAME", same), `{"apikey-operator.dev/created-by":"bob"}`)), want: createdByChanged},
		"the changer alone, to their name":           {request: put(stamps(`"alice"`, `"bob"`), same), want: changedByChanged},
		"the changer alone, to a third name":         {request: put(stamps(`"alice"`, `"carol"`), same), want: changedByChanged},
		"the changer alone, removed": {
			request: patched(merged, `{"metadata":{"annotations":{"apikey-operator.dev/changed-by":null}}}`), want: changedByChanged},
	}
}

func TestWithoutAStampNobodyChangesInAnothersName(t *testing.T) {
	t.Parallel()
	namespace, alice, bob := freshUnstampedNamespace(t), userCalled(t, "alice"), userCalled(t, "bob")
	number := 0
	for title, c := range guardCases() {
		number++
		name := objectName(number)
		t.Run(title, func(t *testing.T) {
			alice.send(t, create(namespace, annotated(apiKey(name, `{"tenant":"acme"}`), stamps(`"alice"`, `"alice"`))))
			if c.want == "" {
				bob.send(t, dryRun(c.request(t, namespace, name)))
				bob.send(t, c.request(t, namespace, name))
				return
			}
			bob.sendRefused(t, dryRun(c.request(t, namespace, name)), c.want)
			bob.sendRefused(t, c.request(t, namespace, name), c.want)
		})
	}
}

func TestWhatIsUnknownIsNotMadeUpLater(t *testing.T) {
	t.Parallel()
	namespace, bob := freshUnstampedNamespace(t), userCalled(t, "bob")
	cases := map[string]struct {
		request request
		want    string // of the refusal; empty where it is accepted
	}{
		"their own name as the creator":            {merged(namespace, "unknown", `{"metadata":{"annotations":{"apikey-operator.dev/created-by":"bob"}}}`), createdByChanged},
		"their own name as the creator, applied":   {applied(namespace, "unknown", annotated(apiKey("unknown", `{}`), `{"apikey-operator.dev/created-by":"bob"}`)), createdByChanged},
		"their own name as the changer":            {merged(namespace, "unknown", `{"metadata":{"annotations":{"apikey-operator.dev/changed-by":"bob"}}}`), changedByChanged},
		"a change of the spec in another's name":   {merged(namespace, "unknown", `{"metadata":{"annotations":{"apikey-operator.dev/changed-by":"alice"}},"spec":{"owner":"1"}}`), changedByAnother},
		"a change of the spec":                     {merged(namespace, "unknown", `{"spec":{"owner":"2"}}`), ""},
		"a change of the spec in their own name":   {merged(namespace, "unknown", `{"metadata":{"annotations":{"apikey-operator.dev/changed-by":"bob"}},"spec":{"owner":"3"}}`), ""},
		"a label":                                  {merged(namespace, "unknown", `{"metadata":{"labels":{"a":"b"}}}`), ""},
		"a status, which the manager alone writes": {patchStatus(namespace, "unknown", mergePatch, `{"status":{"hint":"x"}}`), statusProtected[0]},
	}
	bob.send(t, create(namespace, apiKey("unknown", `{}`)))
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			if c.want != "" {
				bob.sendRefused(t, c.request, c.want)
				return
			}
			bob.send(t, dryRun(c.request)) // so that the next case finds it unknown, too
		})
	}
}

// A message cannot hold every name; then it does without.
func TestTheGuardExplainsItselfToNamesOfAnyLength(t *testing.T) {
	t.Parallel()
	namespace, name := freshUnstampedNamespace(t), strings.Repeat("long-", 2000)
	userCalled(t, name).sendRefused(t, create(namespace, annotated(apiKey("forged", `{}`), forgedStamps)),
		"annotation apikey-operator.dev/created-by names another user than the one that creates the ApiKey: leave it out, it is stamped")
}

func TestTheManagerWritesTheStatusWhoeverIsStamped(t *testing.T) {
	t.Parallel()
	namespace := freshUnstampedNamespace(t)
	stored := userCalled(t, "alice").send(t, create(namespace, annotated(apiKey("written", `{}`), stamps(`"alice"`, `"alice"`))))
	stored.SetAnnotations(nil)
	written := manager(t).send(t, updateStatus(namespace, "written", withStatus(t, stored, issued)))
	checkAnnotations(t, written, annotations("alice", "alice", "example.com/a", "b"))
}

// restoreIdentities sets who may restore in an admission policy until the end of the test, as CEL.
func restoreIdentities(t *testing.T, kind, policy, identities string) {
	t.Helper()
	set := func(ctx context.Context, identities string) {
		_, err := runKubectl(ctx, "", "patch", kind, policy, "--type=json",
			"-p", `[{"op":"test","path":"/spec/variables/0/name","value":"restoreIdentities"},
				{"op":"replace","path":"/spec/variables/0/expression","value":"`+identities+`"}]`)
		if err != nil {
			t.Error(err)
		}
	}
	set(t.Context(), identities)
	t.Cleanup(func() { set(context.Background(), "[]") }) // the test's own context has ended by then
}

func TestARestoreKeepsWhoAskedForAnApiKey(t *testing.T) {
	t.Parallel()
	namespace, unstamped := freshNamespace(t), freshUnstampedNamespace(t)
	const name = "system:serviceaccount:backup:restore"
	backup := userCalled(t, name)
	restored := func(key string) string { return annotated(apiKey(key, `{}`), stamps(`"alice"`, `"carol"`)) }
	backup.sendRefused(t, create(unstamped, restored("refused")), "names another user")

	restoreIdentities(t, "mutatingadmissionpolicy", "apikey-operator-stamp", "['"+name+"']")
	restoreIdentities(t, "validatingadmissionpolicy", "apikey-operator-stamp-guard", "['"+name+"']")
	awaitAdmission(t, func() bool {
		object, err := backup.do(t.Context(), dryRun(create(namespace, restored("probe"))))
		if err != nil && !apierrors.IsForbidden(err) {
			t.Fatal(err)
		}
		return err == nil && decodeObject(t, object).GetAnnotations()[v1alpha1.CreatedByAnnotation] == "alice"
	})
	for where, in := range map[string]string{"where others are stamped": namespace, "where nobody is": unstamped} {
		t.Run(where, func(t *testing.T) {
			want := annotations("alice", "carol", "example.com/a", "b")
			checkAnnotations(t, backup.send(t, create(in, restored("restored"))), want)
			checkAnnotations(t, backup.send(t, create(in, apiKey("unknown", `{}`))), nil)
			over := backup.send(t, merged(in, "unknown", `{"metadata":{"annotations":`+stamps(`"alice"`, `"carol"`)+`},"spec":{"owner":"a"}}`))
			checkAnnotations(t, over, want)
		})
	}
	bob := userCalled(t, "bob")
	checkAnnotations(t, bob.send(t, create(namespace, restored("bobs"))), annotations("bob", "bob", "example.com/a", "b"))
	bob.sendRefused(t, create(unstamped, restored("bobs")), createdByAnother)
}
