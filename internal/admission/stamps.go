package admission

import (
	"context"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// stamps notes on ApiKeys who created them and who last changed their spec, for servers whose MutatingAdmissionPolicies
// cannot: config/stamp says the same in CEL. It touches these two annotations alone, and refuses nothing.
type stamps struct {
	restoreIdentities []string
}

func (h *stamps) handle(_ context.Context, request admission.Request) (admission.Response, error) {
	before, after, err := objectsOf(request)
	if err != nil {
		return admission.Response{}, err
	}
	if !isWrite(request) || slices.Contains(h.restoreIdentities, request.UserInfo.Username) {
		return allow(), nil
	}
	was, _ := before.annotations()
	wanted := map[string]any{
		v1alpha1.CreatedByAnnotation: was[v1alpha1.CreatedByAnnotation],
		v1alpha1.ChangedByAnnotation: was[v1alpha1.ChangedByAnnotation],
	}
	if request.Operation == admissionv1.Create {
		wanted[v1alpha1.CreatedByAnnotation] = request.UserInfo.Username
	}
	if request.Operation == admissionv1.Create || !sameSpec(before, after) {
		wanted[v1alpha1.ChangedByAnnotation] = request.UserInfo.Username
	}
	response := allow()
	response.Patches = patch(after, wanted)
	return response, nil
}

const annotationsPath = "/metadata/annotations"

// escaped is a name within a JSON pointer (RFC 6901).
var escaped = strings.NewReplacer("~", "~0", "/", "~1")

// patch brings the wanted annotations about, nil standing for none, and no change where they are as wanted.
func patch(o object, wanted map[string]any) (patches []jsonpatch.Operation) {
	given, exist := o.annotations()
	for _, name := range []string{v1alpha1.CreatedByAnnotation, v1alpha1.ChangedByAnnotation} {
		path := annotationsPath + "/" + escaped.Replace(name)
		switch _, found := given[name]; {
		case wanted[name] == given[name]:
		case wanted[name] != nil:
			patches = append(patches, jsonpatch.NewOperation("add", path, wanted[name]))
		case found:
			patches = append(patches, jsonpatch.NewOperation("remove", path, nil))
		}
	}
	if !exist && len(patches) > 0 {
		return slices.Insert(patches, 0, jsonpatch.NewOperation("add", annotationsPath, map[string]any{}))
	}
	return patches
}
