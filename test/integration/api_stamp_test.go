package integration

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// annotations are the annotations of an ApiKey: its stamps, and others as pairs.
func annotations(createdBy, changedBy string, others ...string) map[string]string {
	all := map[string]string{v1alpha1.CreatedByAnnotation: createdBy, v1alpha1.ChangedByAnnotation: changedBy}
	for i := 0; i < len(others); i += 2 {
		all[others[i]] = others[i+1]
	}
	return all
}

func checkAnnotations(t *testing.T, object *unstructured.Unstructured, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, object.GetAnnotations()); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

// forgedStamps claim that an ApiKey is mallory's.
const forgedStamps = `{"apikey-operator.dev/created-by":"mallory","apikey-operator.dev/changed-by":"mallory"}`

func TestWhoCreatesAnApiKeyIsStamped(t *testing.T) {
	t.Parallel()
	namespace, alice := freshNamespace(t), userCalled(t, "alice")
	generated := strings.Replace(apiKey("NAME", `{}`), `"name":"NAME"`, `"generateName":"generated-"`, 1)
	cases := map[string]struct {
		request func(name string) request
		others  []string
	}{
		"without annotations": {request: func(name string) request { return create(namespace, apiKey(name, `{}`)) }},
		"annotations of null": {request: func(name string) request { return create(namespace, annotated(apiKey(name, `{}`), `null`)) }},
		"empty annotations":   {request: func(name string) request { return create(namespace, annotated(apiKey(name, `{}`), `{}`)) }},
		"other annotations": {
			request: func(name string) request {
				return create(namespace, annotated(apiKey(name, `{}`), `{"example.com/a":"1 ~0~1/","plain":""}`))
			},
			others: []string{"example.com/a", "1 ~0~1/", "plain", ""},
		},
		"another's stamps": {request: func(name string) request {
			return create(namespace, annotated(apiKey(name, `{}`), forgedStamps))
		}},
		"another's stamps and other annotations": {
			request: func(name string) request {
				return create(namespace, annotated(apiKey(name, `{}`), `{"apikey-operator.dev/changed-by":"mallory","example.com/a":"1"}`))
			},
			others: []string{"example.com/a", "1"},
		},
		"a stamp of null": {request: func(name string) request {
			return create(namespace, annotated(apiKey(name, `{}`), `{"apikey-operator.dev/created-by":null}`))
		}},
		"a generated name":          {request: func(string) request { return create(namespace, generated) }},
		"fields that nobody checks": {request: func(name string) request { return createLoosely(namespace, apiKey(name, `{"unknown":1}`)) }},
		"applied on the server's side": {request: func(name string) request {
			return apply(namespace, name, "gitops", apiKey(name, `{"tenant":"acme"}`))
		}},
		"applied with another's stamps": {request: func(name string) request {
			return apply(namespace, name, "gitops", annotated(apiKey(name, `{}`), forgedStamps))
		}},
	}
	number := 0
	for title, c := range cases {
		number++
		name := objectName(number)
		t.Run(title, func(t *testing.T) {
			want := annotations("alice", "alice", c.others...)
			checkAnnotations(t, alice.send(t, dryRun(c.request(name))), want)
			made := alice.send(t, c.request(name))
			checkAnnotations(t, made, want)
			checkAnnotations(t, alice.send(t, get(namespace, made.GetName())), want)
		})
	}
}

// stampChange is something that bob does to an ApiKey that alice made with an annotation "kept".
type stampChange struct {
	request         func(t *testing.T, namespace, name string) request
	wantChangedBy   string
	wantOthersGone  bool
	wantNothingDone bool
}

// patched is a change that needs no knowledge of what is stored.
func patched(form func(namespace, name, body string) request, body string) func(*testing.T, string, string) request {
	return func(_ *testing.T, namespace, name string) request { return form(namespace, name, named(body, name)) }
}

// putAfter is a PUT of what is stored, after its metadata and parts of it were replaced.
func putAfter(change func(metadata map[string]any), parts ...string) func(*testing.T, string, string) request {
	return func(t *testing.T, namespace, name string) request {
		stored := admin(t).send(t, get(namespace, name))
		metadata, _, err := unstructured.NestedMap(stored.Object, "metadata")
		if err != nil {
			t.Fatal(err)
		}
		change(metadata)
		return update(namespace, name, with(t, stored, append(parts, "metadata", asJSON(metadata))...))
	}
}

func merged(namespace, name, body string) request { return patch(namespace, name, mergePatch, body) }

func jsonPatched(namespace, name, body string) request {
	return patch(namespace, name, jsonPatch, body)
}

func applied(namespace, name, body string) request { return apply(namespace, name, "gitops", body) }

func stampChanges() map[string]stampChange {
	without := func(fields ...string) func(map[string]any) {
		return func(metadata map[string]any) {
			for _, field := range fields {
				delete(metadata, field)
			}
		}
	}
	const otherSpec = `{"tenant":"other"}`
	return map[string]stampChange{
		"a PUT of another spec": {request: putAfter(without(), "spec", otherSpec), wantChangedBy: "bob"},
		"a PUT of another spec without annotations": {
			request: putAfter(without("annotations"), "spec", otherSpec), wantChangedBy: "bob", wantOthersGone: true},
		"a PUT of the same spec without annotations": {
			request: putAfter(without("annotations")), wantChangedBy: "alice", wantOthersGone: true},
		"a PUT with annotations of null": {
			request: putAfter(func(m map[string]any) { m["annotations"] = nil }), wantChangedBy: "alice", wantOthersGone: true},
		"a PUT of another spec with forged stamps": {
			request:       putAfter(func(m map[string]any) { m["annotations"] = json.RawMessage(forgedStamps) }, "spec", otherSpec),
			wantChangedBy: "bob", wantOthersGone: true},
		"a PUT of the same spec with forged stamps": {
			request:       putAfter(func(m map[string]any) { m["annotations"] = json.RawMessage(forgedStamps) }),
			wantChangedBy: "alice", wantOthersGone: true},
		"a PUT of what is stored": {request: putAfter(without()), wantChangedBy: "alice", wantNothingDone: true},
		"a PUT of the status":     {request: putAfter(without(), "status", forged), wantChangedBy: "alice", wantNothingDone: true},
		"a PUT of the spec with the default written out": {
			request:       putAfter(without(), "spec", `{"tenant":"acme","secret":{"key":"api-key"}}`),
			wantChangedBy: "bob"},
		"a merge into the spec":                {request: patched(merged, `{"spec":{"suspended":true}}`), wantChangedBy: "bob"},
		"a merge of what the spec says":        {request: patched(merged, `{"spec":{"tenant":"acme"}}`), wantChangedBy: "alice", wantNothingDone: true},
		"a merge of a label":                   {request: patched(merged, `{"metadata":{"labels":{"a":"b"}}}`), wantChangedBy: "alice"},
		"a merge of a finalizer":               {request: patched(merged, `{"metadata":{"finalizers":["example.com/f"]}}`), wantChangedBy: "alice"},
		"a merge of forged stamps":             {request: patched(merged, `{"metadata":{"annotations":`+forgedStamps+`}}`), wantChangedBy: "alice"},
		"a merge of a spec with forged stamps": {request: patched(merged, `{"metadata":{"annotations":`+forgedStamps+`},"spec":{"tenant":"other"}}`), wantChangedBy: "bob"},
		"a merge of null for all annotations":  {request: patched(merged, `{"metadata":{"annotations":null}}`), wantChangedBy: "alice", wantOthersGone: true},
		"a merge of null for both stamps":      {request: patched(merged, `{"metadata":{"annotations":{"apikey-operator.dev/created-by":null,"apikey-operator.dev/changed-by":null}}}`), wantChangedBy: "alice", wantNothingDone: true},
		"a JSON patch of the spec":             {request: patched(jsonPatched, `[{"op":"replace","path":"/spec/tenant","value":"other"}]`), wantChangedBy: "bob"},
		"a JSON patch that removes the stamps": {request: patched(jsonPatched, `[{"op":"remove","path":"/metadata/annotations"}]`), wantChangedBy: "alice", wantOthersGone: true},
		"a JSON patch that forges a stamp":     {request: patched(jsonPatched, `[{"op":"replace","path":"/metadata/annotations/apikey-operator.dev~1created-by","value":"mallory"}]`), wantChangedBy: "alice"},
		"an apply of another spec":             {request: patched(applied, apiKey("NAME", otherSpec)), wantChangedBy: "bob"},
		"an apply of a label":                  {request: patched(applied, strings.Replace(apiKey("NAME", `{"tenant":"acme"}`), `"metadata":{`, `"metadata":{"labels":{"a":"b"},`, 1)), wantChangedBy: "alice"},
		"an apply of forged stamps":            {request: patched(applied, annotated(apiKey("NAME", `{"tenant":"acme"}`), forgedStamps)), wantChangedBy: "alice"},
	}
}

func TestWhoChangesTheSpecIsStampedAndWhoCreatedItStays(t *testing.T) {
	t.Parallel()
	namespace, alice, bob := freshNamespace(t), userCalled(t, "alice"), userCalled(t, "bob")
	number := 0
	for title, c := range stampChanges() {
		number++
		name := objectName(number)
		t.Run(title, func(t *testing.T) {
			alice.send(t, create(namespace, annotated(apiKey(name, `{"tenant":"acme"}`), `{"kept":"yes"}`)))
			before := alice.send(t, merged(namespace, name, `{}`)) // stores the status's default, as the first update does
			want := annotations("alice", c.wantChangedBy, "kept", "yes")
			if c.wantOthersGone {
				delete(want, "kept")
			}
			checkAnnotations(t, bob.send(t, dryRun(c.request(t, namespace, name))), want)
			checkAnnotations(t, bob.send(t, c.request(t, namespace, name)), want)
			after := bob.send(t, get(namespace, name))
			checkAnnotations(t, after, want)
			if done := after.GetResourceVersion() != before.GetResourceVersion(); done == c.wantNothingDone {
				t.Errorf("written: %v, want %v", done, !c.wantNothingDone)
			}
		})
	}
}

// An ApiKey from before there were stamps: nobody is made its creator afterwards.
func TestWhatNobodyStampedStaysUnknown(t *testing.T) {
	t.Parallel()
	namespace, bob := freshUnstampedNamespace(t), userCalled(t, "bob")
	bob.send(t, create(namespace, apiKey("old", `{}`)))
	startStamping(t, namespace)

	checkAnnotations(t, bob.send(t, merged(namespace, "old", `{"metadata":{"labels":{"a":"b"}}}`)), nil)
	checkAnnotations(t, bob.send(t, merged(namespace, "old", `{"metadata":{"annotations":`+forgedStamps+`}}`)), nil)
	checkAnnotations(t, bob.send(t, merged(namespace, "old", `{"spec":{"suspended":true}}`)),
		map[string]string{v1alpha1.ChangedByAnnotation: "bob"})
}

// startStamping ends what is special about a freshUnstampedNamespace.
func startStamping(t *testing.T, namespace string) {
	t.Helper()
	kubectl(t, "", "label", "namespace", namespace, unstampedLabel+"-")
	awaitAdmission(t, func() bool {
		return len(admin(t).send(t, dryRun(create(namespace, apiKey("probe", `{}`)))).GetAnnotations()) > 0
	})
}

// bulkySpec has something of everything that a careless conversion would change.
const bulkySpec = `{"displayName":"Zoë’s <&> \"key\" ~1 $(KEY)","description":"line\nbreak\ttab \\ / 1e3","owner":"",
	"tenant":"acme","permissions":["b:*","a","*"],"scopes":{"z":["2","1"],"a":["x/y@z"]},"expiresAt":"2027-01-10T23:59:59.123456789+01:00",
	"revision":500000000,"minRevision":1,"suspended":false,"allowedCIDRs":["2001:db8::/32","203.0.113.0/24"],
	"rateLimit":{"requests":1000000,"period":"1h0m0s"},"rotation":{"every":"2160h","gracePeriod":"0s"},"format":{"prefix":"sk_live_"},
	"secret":{"name":"other","labels":{},"annotations":{"example.com/a":"b"},"data":{".env":"A=$(KEY)\n"}}}`

func TestTheStampTouchesAnnotationsAlone(t *testing.T) {
	t.Parallel()
	stamping, plain, alice := freshNamespace(t), freshUnstampedNamespace(t), userCalled(t, "alice")
	body := annotated(apiKey("bulky", bulkySpec), `{"example.com/text":"{\"json\": [1.0, 1e3]}","plain":""}`)
	body = strings.Replace(body, `"metadata":{`, `"metadata":{"labels":{"a":"","b":"c"},"finalizers":["example.com/z","example.com/a"],`, 1)
	for _, r := range []func(namespace string) request{
		func(namespace string) request { return create(namespace, body) },
		func(namespace string) request { return merged(namespace, "bulky", `{"spec":{"tenant":"other"}}`) },
		func(namespace string) request {
			return merged(namespace, "bulky", `{"metadata":{"labels":{"b":null},"finalizers":null}}`)
		},
	} {
		got, want := essence(t, alice.sendForBody(t, r(stamping))), essence(t, alice.sendForBody(t, r(plain)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with the stamp something else changed (-without +with):\n%s", diff)
		}
	}
}

// essence is an ApiKey, text by text as the API server wrote it, without its stamps and what no two objects share.
func essence(t *testing.T, body []byte) map[string]string {
	t.Helper()
	var object struct {
		Spec     json.RawMessage
		Status   json.RawMessage
		Metadata map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &object); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"spec": string(object.Spec), "status": string(object.Status)}
	for field, text := range object.Metadata {
		switch field {
		case "namespace", "uid", "resourceVersion", "creationTimestamp", "managedFields":
		case "annotations":
			kept := map[string]json.RawMessage{}
			if err := json.Unmarshal(text, &kept); err != nil {
				t.Fatal(err)
			}
			delete(kept, v1alpha1.CreatedByAnnotation)
			delete(kept, v1alpha1.ChangedByAnnotation)
			texts[field] = asJSON(kept)
		default:
			texts[field] = string(text)
		}
	}
	return texts
}

// Policies are given up when they cost too much, the stamp without a word.
func TestTheLargestSpecIsStampedToo(t *testing.T) {
	t.Parallel()
	namespace, alice, bob := freshNamespace(t), userCalled(t, "alice"), userCalled(t, "bob")
	stored := alice.send(t, create(namespace, apiKey("largest", largestSpec())))
	checkAnnotations(t, stored, annotations("alice", "alice"))
	stored.SetAnnotations(nil)
	same := bob.send(t, update(namespace, "largest", withSpec(t, stored, largestSpec())))
	checkAnnotations(t, same, annotations("alice", "alice"))
	checkAnnotations(t, bob.send(t, merged(namespace, "largest", `{"spec":{"owner":""}}`)), annotations("alice", "bob"))
}

func TestTheStatusIsWrittenWithoutAStamp(t *testing.T) {
	t.Parallel()
	namespace, alice := freshNamespace(t), userCalled(t, "alice")
	stored := alice.send(t, create(namespace, apiKey("written", `{"tenant":"acme"}`)))
	stored.SetAnnotations(nil)
	written := manager(t).send(t, updateStatus(namespace, "written", withStatus(t, stored, issued)))
	checkStatus(t, written.Object["status"], issued)
	checkAnnotations(t, written, annotations("alice", "alice"))
}

func TestNamesOfAnyKindAreStamped(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	cases := map[string]string{
		"a ServiceAccount":       "system:serviceaccount:argocd:argocd-application-controller",
		"an identity provider's": "https://login.phoenix.example/#auth0|5f7c8ec7c33c6c004bbafe82",
		"of other letters":       "Zoë Müller 日本 🔑",
		"made of punctuation":    `o'brien "x" {{.}} $(NAME) ~1/~0 \n %s`,
		"as long as a page":      strings.Repeat("long-", 2000),
		"anonymous":              "system:anonymous",
	}
	number := 0
	for title, user := range cases {
		number++
		name := objectName(number)
		t.Run(title, func(t *testing.T) {
			as := userCalled(t, user)
			checkAnnotations(t, as.send(t, create(namespace, apiKey(name, `{}`))), annotations(user, user))
			userCalled(t, "bob").send(t, merged(namespace, name, `{"spec":{"suspended":true}}`))
			checkAnnotations(t, as.send(t, merged(namespace, name, `{"spec":{"suspended":null}}`)), annotations(user, user))
		})
	}
}

// A manifest as kubectl get -o yaml prints it is another's work here.
func TestACopyFromAnotherClusterIsStampedAnew(t *testing.T) {
	t.Parallel()
	from, to := freshNamespace(t), freshNamespace(t)
	userCalled(t, "alice").send(t, create(from, apiKey("copied", `{"tenant":"acme"}`)))
	manifest := kubectl(t, "", "get", "apikey", "copied", "-n", from, "-o", "yaml")
	manifest = strings.ReplaceAll(manifest, "namespace: "+from, "namespace: "+to)
	manifest = regexp.MustCompile(`(?m)^  (uid|resourceVersion): .*\n`).ReplaceAllString(manifest, "") // or it conflicts when applied again
	for range 2 {
		kubectl(t, manifest, "apply", "-f", "-", "--as=bob", "--as-group=system:masters")
		got := admin(t).send(t, get(to, "copied")).GetAnnotations()
		delete(got, corev1.LastAppliedConfigAnnotation)
		if diff := cmp.Diff(annotations("bob", "bob"), got); diff != "" {
			t.Errorf("annotations (-want +got):\n%s", diff)
		}
	}
}

func TestApplyingTheSameAgainWritesNothing(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	manifest := apiKey("applied", `{"tenant":"acme"}`)
	userCalled(t, "alice").send(t, applied(namespace, "applied", manifest))
	before := userCalled(t, "alice").send(t, merged(namespace, "applied", `{}`)) // stores the status's default, as the first update does
	for _, who := range []string{"alice", "bob"} {
		after := userCalled(t, who).send(t, applied(namespace, "applied", manifest))
		if before.GetResourceVersion() != after.GetResourceVersion() {
			t.Errorf("applied again by %s it was written as\n%s\nand was\n%s", who, asJSON(after.Object), asJSON(before.Object))
		}
	}
}

// Somebody else's admission may change a spec when the stamp has been set already.
func TestAChangeOfTheSpecByAnotherPolicyIsStamped(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	userCalled(t, "alice").send(t, create(namespace, apiKey("meddled", `{}`)))
	meta := metav1.ObjectMeta{Name: "zz-meddle-" + namespace} // later in the alphabet than ours
	as := admin(t).client(t)
	meddler := &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: meta,
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{v1alpha1.GroupName}, APIVersions: []string{"*"}, Resources: []string{"apikeys"}},
				}}},
			},
			Mutations: []admissionv1.Mutation{{
				PatchType: admissionv1.PatchTypeJSONPatch,
				JSONPatch: &admissionv1.JSONPatch{Expression: `[JSONPatch{op: "add", path: "/spec/description", value: "meddled"}]`},
			}},
		},
	}
	if err := as.Create(t.Context(), meddler); err != nil {
		t.Fatal(err)
	}
	binding := &admissionv1.MutatingAdmissionPolicyBinding{ObjectMeta: meta, Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: meta.Name}}
	if err := as.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	label := merged(namespace, "meddled", `{"metadata":{"labels":{"a":"b"}}}`)
	awaitAdmission(t, func() bool {
		description, _, err := unstructured.NestedString(admin(t).send(t, dryRun(label)).Object, "spec", "description")
		return err == nil && description == "meddled"
	})
	checkAnnotations(t, userCalled(t, "bob").send(t, label), annotations("alice", "bob"))
}
