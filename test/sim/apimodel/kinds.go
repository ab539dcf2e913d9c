package apimodel

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Kind is a kind of object that the model stores.
type Kind int

// The kinds that are modelled.
const (
	ApiKeys Kind = iota
	Secrets

	kindCount
)

// kindInfo is what the errors and clients of a kind say about it.
type kindInfo struct {
	resource schema.GroupResource
	kind     schema.GroupVersionKind
	// unconditional says whether an update may leave out the resource version.
	unconditional bool
}

var kinds = [kindCount]kindInfo{
	ApiKeys: {
		resource: v1alpha1.ApiKeyResource.GroupResource(),
		kind:     v1alpha1.ApiKeyKind,
	},
	Secrets: {
		resource:      schema.GroupResource{Resource: "secrets"},
		kind:          corev1.SchemeGroupVersion.WithKind("Secret"),
		unconditional: true,
	},
}

// kindOf is the kind of an object that a client passes in.
func kindOf(object runtime.Object) (Kind, error) {
	switch o := object.(type) {
	case *v1alpha1.ApiKey:
		return ApiKeys, nil
	case *corev1.Secret:
		return Secrets, nil
	case *unstructured.Unstructured:
		if o.GroupVersionKind() == v1alpha1.ApiKeyKind {
			return ApiKeys, nil
		}
	case *metav1.PartialObjectMetadata:
		for kind, info := range kinds {
			if o.GroupVersionKind() == info.kind {
				return Kind(kind), nil
			}
		}
	}
	return 0, notModelled("%T of %s", object, object.GetObjectKind().GroupVersionKind())
}
