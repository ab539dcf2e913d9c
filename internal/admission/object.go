package admission

import (
	"fmt"
	"reflect"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// object is an object as it was sent, which may be one that this version cannot decode. Nil: there is none.
type object map[string]any

// objectsOf are the objects before and after a request, as far as it has them.
func objectsOf(request admission.Request) (before, after object, err error) {
	if before, err = read(request.OldObject); err == nil {
		after, err = read(request.Object)
	}
	return before, after, err
}

func read(sent runtime.RawExtension) (object, error) {
	if len(sent.Raw) == 0 {
		return nil, nil
	}
	var content object
	if err := utiljson.Unmarshal(sent.Raw, (*map[string]any)(&content)); err != nil {
		return nil, fmt.Errorf("read the object in an admission request: %w", err)
	}
	return content, nil
}

// decode reads the metadata and the spec of an object into its type. What its status holds is nothing to admission.
func (o object) decode(into any) error {
	content := map[string]any{"metadata": o["metadata"], "spec": o["spec"]}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(content, into)
}

func (o object) spec() map[string]any {
	spec, _ := o["spec"].(map[string]any)
	return spec
}

func (o object) isBeingDeleted() bool {
	timestamp, _, _ := unstructured.NestedString(o, "metadata", "deletionTimestamp")
	return timestamp != ""
}

// annotations are those that are given, and whether the map itself is.
func (o object) annotations() (map[string]any, bool) {
	given, _, _ := unstructured.NestedFieldNoCopy(o, "metadata", "annotations")
	annotations, ok := given.(map[string]any)
	return annotations, ok
}

// sameSpec says whether two objects ask for the same in all.
func sameSpec(before, after object) bool {
	return reflect.DeepEqual(before["spec"], after["spec"])
}

// sameField says whether a field of the spec is as it was.
func sameField(before, after object, name string) bool {
	return reflect.DeepEqual(before.spec()[name], after.spec()[name])
}

// judged are the fields of the spec that policy looks at, and those that are judged with them.
var judged = []string{
	"permissions", "tenant", "scopes", "expiresAt", "rotation", "rateLimit", "format", "source",
}

// sameRequest says whether two ApiKeys ask policy for the same: written in the same way, so that it can also be said of
// what does not decode, or with the same meaning.
func sameRequest(before, after object) bool {
	same := true
	for _, name := range judged {
		same = same && sameField(before, after, name)
	}
	if same {
		return true
	}
	var was, will v1alpha1.ApiKey
	if before.decode(&was) != nil || after.decode(&will) != nil {
		return false
	}
	return equality.Semantic.DeepEqual(requestOf(was.Spec), requestOf(will.Spec))
}

// requestOf is a spec without what is not judged.
func requestOf(spec v1alpha1.ApiKeySpec) v1alpha1.ApiKeySpec {
	return v1alpha1.ApiKeySpec{
		Permissions: spec.Permissions, Tenant: spec.Tenant, Scopes: spec.Scopes, ExpiresAt: spec.ExpiresAt, Rotation: spec.Rotation,
		RateLimit: spec.RateLimit, Format: spec.Format, Source: spec.Source,
	}
}

// change is what a request changes of what is judged, and of the networks, which policy does not look at.
type change struct {
	request, rotation, source, networks bool
}

func changeOf(request admission.Request, before, after object) change {
	if request.Operation == admissionv1.Create {
		return change{request: true, rotation: true, source: true, networks: true}
	}
	return change{
		request:  !sameRequest(before, after),
		rotation: !sameField(before, after, "rotation"),
		source:   !sameField(before, after, "source"),
		networks: !sameField(before, after, "allowedCIDRs"),
	}
}

// isWrite says whether a request creates or changes an object itself, not a subresource of it.
func isWrite(request admission.Request) bool {
	return request.SubResource == "" && (request.Operation == admissionv1.Create || request.Operation == admissionv1.Update)
}
