// Package v1alpha1 holds the ApiKey and ApiKeyPolicy APIs of the group apikey-operator.dev.
//
// +kubebuilder:object:generate=true
// +groupName=apikey-operator.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of every kind of this project.
const GroupName = "apikey-operator.dev"

var (
	// GroupVersion is the group and version that the types of this package are served under.
	GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

	// ApiKeyKind is the full name of the ApiKey kind, for clients that work on unstructured objects.
	ApiKeyKind = GroupVersion.WithKind("ApiKey")

	// ApiKeyResource is the plural name under which the API server serves ApiKeys.
	ApiKeyResource = GroupVersion.WithResource("apikeys")

	// ApiKeyPolicyKind is the full name of the ApiKeyPolicy kind.
	ApiKeyPolicyKind = GroupVersion.WithKind("ApiKeyPolicy")
)

// AddToScheme registers the types of this package with a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &ApiKey{}, &ApiKeyList{}, &ApiKeyPolicy{}, &ApiKeyPolicyList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
