package integration

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
)

// modelSlot is a place for an object; calls meet in few of them.
type modelSlot struct{ kind, name string }

// modelCall is one call, in words that mean the same on both sides although their UIDs and resource
// versions differ.
type modelCall struct {
	verb    string
	slot    modelSlot
	typed   bool   // an ApiKey is sent and received by its Go type
	base    int    // which state the object was read in that is sent, counted from the newest; -1: a new object
	version string // its resource version: "as read" or what is sent instead
	uid     string // the same of its UID
	edits   []modelEdit

	metadata bool // the object is read as metadata too, afterwards
}

// String tells the call in failures.
func (c modelCall) String() string {
	words := []string{c.verb, c.slot.kind, c.slot.name, fmt.Sprintf("read %d states ago, version %q, UID %q", c.base, c.version, c.uid)}
	for _, e := range c.edits {
		words = append(words, e.name)
	}
	if c.typed {
		words = append(words, "typed")
	}
	return strings.Join(words, ", ")
}

// modelEdit is a change that a client makes to an object before it sends it.
type modelEdit struct {
	name string
	do   func(client.Object)
}

// What is sent as a resource version or UID beside literal ones.
const (
	asRead     = "as read"
	neverGiven = "9007199254740993" // a resource version that no object has
)

var (
	metaEdits = []modelEdit{
		{"label", func(o client.Object) { o.SetLabels(map[string]string{"team": "payments"}) }},
		{"other label", func(o client.Object) { o.SetLabels(map[string]string{"team": "billing"}) }},
		{"no labels", func(o client.Object) { o.SetLabels(nil) }},
		{"empty labels", func(o client.Object) { o.SetLabels(map[string]string{}) }},
		{"annotation", func(o client.Object) { o.SetAnnotations(map[string]string{"example.com/note": "x"}) }},
		{"finalizer", func(o client.Object) { o.SetFinalizers([]string{"example.com/hold"}) }},
		{"other finalizer", func(o client.Object) { o.SetFinalizers([]string{"example.com/other"}) }},
		{"no finalizers", func(o client.Object) { o.SetFinalizers(nil) }},
		{"no finalizers and a label", func(o client.Object) {
			o.SetFinalizers(nil)
			o.SetLabels(map[string]string{"team": "leaving"})
		}},
		{"owner", func(o client.Object) { o.SetOwnerReferences(owners(true)) }},
		{"two owners", func(o client.Object) { o.SetOwnerReferences(owners(true, false)) }},
		{"two controllers", func(o client.Object) { o.SetOwnerReferences(owners(true, true)) }},
		{"no owners", func(o client.Object) { o.SetOwnerReferences(nil) }},
		{"deletion time", func(o client.Object) { o.SetDeletionTimestamp(&metav1.Time{Time: controlPlaneEpoch}) }},
		{"no deletion time", func(o client.Object) { o.SetDeletionTimestamp(nil) }},
		{"grace of deletion", func(o client.Object) { o.SetDeletionGracePeriodSeconds(new(int64(7))) }},
		{"generation", func(o client.Object) { o.SetGeneration(o.GetGeneration() + 5) }},
		{"creation time", func(o client.Object) { o.SetCreationTimestamp(metav1.Time{Time: controlPlaneEpoch}) }},
	}

	apiKeyEdits = append([]modelEdit{
		specEdit("tenant", "acme", "tenant"),
		specEdit("other tenant", "globex", "tenant"),
		specEdit("no tenant", nil, "tenant"),
		specEdit("permissions", []any{"read", "customers:*"}, "permissions"),
		specEdit("suspended", true, "suspended"),
		specEdit("resumed", nil, "suspended"),
		specEdit("explicitly resumed", false, "suspended"),
		specEdit("prefix alone", map[string]any{"prefix": "sk_"}, "format"),
		specEdit("empty secret", map[string]any{}, "secret"),
		specEdit("expiry with fractions", "2027-01-10T23:59:59.5Z", "expiresAt"),
		statusEdit("pending", map[string]any{"observedGeneration": int64(1), "state": "Pending"}),
		statusEdit("active", map[string]any{"observedGeneration": int64(2), "state": "Active", "hint": "ak_…"}),
		statusEdit("empty status", map[string]any{}),
		statusEdit("issued", map[string]any{"observedGeneration": int64(1), "credentials": []any{map[string]any{
			"revision": int64(1), "state": "Current", "hash": "v1:" + strings.Repeat("ab", 32), "hint": "ak_…", "issuedAt": "2027-01-10T12:00:00Z",
		}}}),
		statusEdit("no status", nil),
	}, metaEdits...)

	secretEdits = append([]modelEdit{
		secretEdit("value", func(s *corev1.Secret) { s.Data = map[string][]byte{"api-key": []byte("one")} }),
		secretEdit("other value", func(s *corev1.Secret) { s.Data = map[string][]byte{"api-key": []byte("two")} }),
		secretEdit("empty value", func(s *corev1.Secret) { s.Data = map[string][]byte{"api-key": {}} }),
		secretEdit("no values", func(s *corev1.Secret) { s.Data = nil }),
		secretEdit("string value", func(s *corev1.Secret) { s.StringData = map[string]string{"api-key": "three"} }),
		secretEdit("string value beside others", func(s *corev1.Secret) { s.StringData = map[string]string{"more": "text"} }),
		secretEdit("bad data key", func(s *corev1.Secret) { s.StringData = map[string]string{"not/valid": "x"} }),
		secretEdit("immutable", func(s *corev1.Secret) { s.Immutable = new(true) }),
		secretEdit("explicitly mutable", func(s *corev1.Secret) { s.Immutable = new(false) }),
		secretEdit("mutable", func(s *corev1.Secret) { s.Immutable = nil }),
		secretEdit("type", func(s *corev1.Secret) { s.Type = "example.com/token" }),
		secretEdit("no type", func(s *corev1.Secret) { s.Type = "" }),
	}, metaEdits...)
)

func specEdit(name string, value any, field string) modelEdit {
	return modelEdit{name, func(o client.Object) { setField(o, value, "spec", field) }}
}

func statusEdit(name string, value map[string]any) modelEdit {
	return modelEdit{name, func(o client.Object) {
		if value == nil {
			setField(o, nil, "status")
			return
		}
		setField(o, value, "status")
	}}
}

func setField(o client.Object, value any, path ...string) {
	content := o.(*unstructured.Unstructured).Object
	if value == nil {
		unstructured.RemoveNestedField(content, path...)
	} else if err := unstructured.SetNestedField(content, value, path...); err != nil {
		panic(err) // only for a path through what is no object
	}
}

func secretEdit(name string, do func(*corev1.Secret)) modelEdit {
	return modelEdit{name, func(o client.Object) { do(o.(*corev1.Secret)) }}
}

func owners(controllers ...bool) []metav1.OwnerReference {
	var references []metav1.OwnerReference
	for i, controller := range controllers {
		reference := metav1.OwnerReference{
			APIVersion: "apikey-operator.dev/v1alpha1", Kind: "ApiKey",
			Name: objectName(i), UID: types.UID(fmt.Sprintf("owner-%d", i)),
		}
		if controller {
			reference.Controller = new(true)
		}
		references = append(references, reference)
	}
	return references
}

// drawModelCall draws a call; those that lead somewhere are the more frequent ones,
// so what exists is asked of the model.
func drawModelCall(t *rapid.T, exists func(modelSlot) bool) modelCall {
	c := modelCall{
		slot: modelSlot{
			kind: rapid.SampledFrom([]string{"ApiKey", "Secret"}).Draw(t, "kind"),
			name: rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(t, "name"),
		},
		version: rapid.SampledFrom([]string{asRead, asRead, asRead, asRead, asRead, asRead, "", "0", neverGiven, "abc"}).Draw(t, "version"),
		uid:     rapid.SampledFrom([]string{asRead, asRead, asRead, asRead, asRead, asRead, "", "no-such-uid"}).Draw(t, "uid"),
		base:    rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2}).Draw(t, "base"),
		typed:   rapid.Bool().Draw(t, "typed"),
	}
	verbs, edits := []string{"create", "update", "update", "update", "delete"}, secretEdits
	if c.slot.kind == "ApiKey" {
		verbs, edits = []string{"create", "update", "update", "put status", "put status", "put status", "patch", "patch", "delete"}, apiKeyEdits
	} else {
		c.typed = true
	}
	c.verb = rapid.SampledFrom(verbs).Draw(t, "verb")
	if !exists(c.slot) && rapid.IntRange(0, 4).Draw(t, "on nothing") > 0 {
		c.verb = "create"
	}
	if c.verb == "create" && rapid.IntRange(0, 4).Draw(t, "again") > 0 {
		c.base = -1
	}
	if c.verb == "patch" {
		c.uid = asRead
	}
	c.metadata = rapid.IntRange(0, 3).Draw(t, "metadata") == 0
	c.edits = rapid.SliceOfN(rapid.SampledFrom(edits), 0, 3).Draw(t, "edits")
	return c
}

// object is what a side sends in a call: what it once read, or a new object.
func (c modelCall) object(s *modelSide) client.Object {
	states := s.states[c.slot]
	var object client.Object
	switch {
	case c.base >= 0 && len(states) > 0:
		object = states[max(0, len(states)-1-c.base)].DeepCopyObject().(client.Object)
	case c.slot.kind == "Secret":
		object = &corev1.Secret{}
	default:
		object = apiobject.New()
		setField(object, map[string]any{}, "spec")
	}
	object.SetNamespace(s.namespace)
	object.SetName(s.prefix + c.slot.name)
	if c.version != asRead {
		object.SetResourceVersion(c.version)
	}
	if c.uid != asRead {
		object.SetUID(types.UID(c.uid))
	}
	for _, e := range c.edits {
		e.do(object)
	}
	return object
}

// do makes the call on a side and returns the answer.
func (c modelCall) do(ctx context.Context, s *modelSide) (client.Object, error) {
	object := c.object(s)
	if c.typed && c.slot.kind == "ApiKey" {
		typed, err := apiobject.Decode(object.(*unstructured.Unstructured))
		if err != nil {
			return nil, err
		}
		object = typed
	}
	switch c.verb {
	case "create":
		return object, s.admin.Create(ctx, object)
	case "update":
		return object, s.admin.Update(ctx, object)
	case "put status":
		return object, s.manager.Status().Update(ctx, object)
	case "patch":
		return c.patch(ctx, s, object)
	case "delete":
		return nil, s.admin.Delete(ctx, object, c.preconditions(object))
	default:
		panic("no such verb: " + c.verb)
	}
}

// patch sends the spec and metadata of the object as a merge patch, with its resource version if that is not
// the one that was read.
func (c modelCall) patch(ctx context.Context, s *modelSide, object client.Object) (client.Object, error) {
	metadata := map[string]any{"labels": object.GetLabels(), "finalizers": object.GetFinalizers()}
	if c.version != asRead {
		metadata["resourceVersion"] = object.GetResourceVersion()
	}
	content := map[string]any{"metadata": metadata}
	if generic, ok := object.(*unstructured.Unstructured); ok {
		content["spec"], content["status"] = generic.Object["spec"], map[string]any{"hint": "ignored"}
	}
	return object, s.admin.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(asJSON(content))))
}

// preconditions of a deletion are what a call says in so many words, and nothing where it says "as read" of
// the newest state.
func (c modelCall) preconditions(object client.Object) client.Preconditions {
	var preconditions client.Preconditions
	if uid := object.GetUID(); c.uid != asRead || c.base > 0 {
		preconditions.UID = &uid
	}
	if version := object.GetResourceVersion(); c.version != asRead || c.base > 0 || c.typed {
		preconditions.ResourceVersion = &version
	}
	return preconditions
}
