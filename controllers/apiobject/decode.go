// Package apiobject reads ApiKeys and ApiKeyPolicies one object at a time. A typed watch or list fails as a whole when one
// of its objects does not decode, so one bad object would stop every other key from being served.
package apiobject

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// New is an empty ApiKey for clients, informers and watches that do not decode.
func New() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.ApiKeyKind)
	return object
}

// NewList is an empty list of such ApiKeys.
func NewList() *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ApiKeyList"))
	return list
}

// NewPolicy is an empty ApiKeyPolicy for clients, informers and watches that do not decode.
func NewPolicy() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.ApiKeyPolicyKind)
	return object
}

// NewPolicyList is an empty list of such ApiKeyPolicies.
func NewPolicyList() *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ApiKeyPolicyList"))
	return list
}

// DecodePolicy reads one ApiKeyPolicy. Its status is left out where it does not decode: nothing is decided by it.
func DecodePolicy(object *unstructured.Unstructured) (*v1alpha1.ApiKeyPolicy, error) {
	decode := func(content map[string]any) (*v1alpha1.ApiKeyPolicy, error) {
		decoded := &v1alpha1.ApiKeyPolicy{}
		return decoded, runtime.DefaultUnstructuredConverter.FromUnstructured(content, decoded)
	}
	decoded, err := decode(object.Object)
	if err == nil {
		return decoded, nil
	}
	bare := object.DeepCopy()
	unstructured.RemoveNestedField(bare.Object, "status")
	if decoded, bareErr := decode(bare.Object); bareErr == nil {
		return decoded, nil
	}
	return nil, fmt.Errorf("it does not decode: %w", err)
}

// DecodeError says that an object is no ApiKey that this version can read. Trying again does not help.
type DecodeError struct {
	Namespace, Name string
	Err             error
}

// Error implements error.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("ApiKey %s/%s does not decode: %v", e.Namespace, e.Name, e.Err)
}

// Unwrap gives what the decoder said.
func (e *DecodeError) Unwrap() error { return e.Err }

// Decode reads one ApiKey; it fails with a *DecodeError. Conditions that do not decode are left out: they are computed anew anyway,
// while every other field decides about access, so nothing else is forgiven.
func Decode(object *unstructured.Unstructured) (*v1alpha1.ApiKey, error) {
	key, err := convert(object.Object)
	if err == nil {
		return key, nil
	}
	bare := object.DeepCopy()
	unstructured.RemoveNestedField(bare.Object, "status", "conditions")
	if key, bareErr := convert(bare.Object); bareErr == nil {
		return key, nil
	}
	return nil, &DecodeError{Namespace: object.GetNamespace(), Name: object.GetName(), Err: err}
}

func convert(content map[string]any) (*v1alpha1.ApiKey, error) {
	key := &v1alpha1.ApiKey{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, key); err != nil {
		return nil, err
	}
	return key, nil
}
