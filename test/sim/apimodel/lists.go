package apimodel

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// listOf is the kind of lists of a kind.
func listOf(kind Kind) schema.GroupVersionKind {
	of := kinds[kind].kind
	of.Kind += "List"
	return of
}

// kindOfList is the kind of the objects in a list that a client passes in.
func kindOfList(list client.ObjectList) (Kind, error) {
	switch l := list.(type) {
	case *v1alpha1.ApiKeyList:
		return ApiKeys, nil
	case *corev1.SecretList:
		return Secrets, nil
	case *unstructured.UnstructuredList:
		if l.GroupVersionKind() == listOf(ApiKeys) {
			return ApiKeys, nil
		}
	case *metav1.PartialObjectMetadataList:
		for kind := range kinds {
			if l.GroupVersionKind() == listOf(Kind(kind)) {
				return Kind(kind), nil
			}
		}
	}
	return 0, notModelled("a list of type %T", list)
}

// fill puts objects into a client's list.
func fill(list client.ObjectList, found []*record, share bool) error {
	switch l := list.(type) {
	case *v1alpha1.ApiKeyList:
		l.Items = make([]v1alpha1.ApiKey, len(found))
		return fillItems(found, share, func(i int) client.Object { return &l.Items[i] })
	case *corev1.SecretList:
		l.Items = make([]corev1.Secret, len(found))
		return fillItems(found, share, func(i int) client.Object { return &l.Items[i] })
	case *unstructured.UnstructuredList:
		l.Items = make([]unstructured.Unstructured, len(found))
		return fillItems(found, share, func(i int) client.Object { return &l.Items[i] })
	case *metav1.PartialObjectMetadataList:
		l.Items = make([]metav1.PartialObjectMetadata, len(found))
		return fillItems(found, share, func(i int) client.Object {
			l.Items[i].SetGroupVersionKind(kinds[found[i].kind].kind)
			return &l.Items[i]
		})
	default:
		return notModelled("a list of type %T", list)
	}
}

func fillItems(found []*record, share bool, item func(int) client.Object) error {
	for i, r := range found {
		if err := r.writeTo(item(i), share); err != nil {
			return err
		}
	}
	return nil
}
