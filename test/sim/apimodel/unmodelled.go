package apimodel

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// unmodelled are the methods of client.Client that the model has nothing for.
type unmodelled struct{}

// Apply implements client.Writer.
func (unmodelled) Apply(context.Context, runtime.ApplyConfiguration, ...client.ApplyOption) error {
	return notModelled("Apply")
}

// DeleteAllOf implements client.Writer.
func (unmodelled) DeleteAllOf(context.Context, client.Object, ...client.DeleteAllOfOption) error {
	return notModelled("DeleteAllOf")
}

// SubResource implements client.SubResourceClientConstructor.
func (unmodelled) SubResource(string) client.SubResourceClient { return unmodelledSubResource{} }

// Scheme implements client.Client; the model has none.
func (unmodelled) Scheme() *runtime.Scheme { return runtime.NewScheme() }

// RESTMapper implements client.Client; the model's knows nothing.
func (unmodelled) RESTMapper() meta.RESTMapper {
	return meta.NewDefaultRESTMapper([]schema.GroupVersion{v1alpha1.GroupVersion})
}

// GroupVersionKindFor implements client.Client.
func (unmodelled) GroupVersionKindFor(object runtime.Object) (schema.GroupVersionKind, error) {
	kind, err := kindOf(object)
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	return kinds[kind].kind, nil
}

// IsObjectNamespaced implements client.Client.
func (unmodelled) IsObjectNamespaced(object runtime.Object) (bool, error) {
	_, err := kindOf(object)
	return err == nil, err
}

// unmodelledStatus are the methods of client.SubResourceWriter that the model has nothing for.
type unmodelledStatus struct{}

// Create implements client.SubResourceWriter.
func (unmodelledStatus) Create(context.Context, client.Object, client.Object, ...client.SubResourceCreateOption) error {
	return notModelled("creating a subresource")
}

// Patch implements client.SubResourceWriter.
func (unmodelledStatus) Patch(context.Context, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
	return notModelled("patching a subresource")
}

// Apply implements client.SubResourceWriter.
func (unmodelledStatus) Apply(context.Context, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	return notModelled("applying a subresource")
}

// unmodelledSubResource refuses everything; Status is the only subresource with rules.
type unmodelledSubResource struct{ unmodelledStatus }

// Get implements client.SubResourceReader.
func (unmodelledSubResource) Get(context.Context, client.Object, client.Object, ...client.SubResourceGetOption) error {
	return notModelled("reading a subresource")
}

// Update implements client.SubResourceWriter.
func (unmodelledSubResource) Update(context.Context, client.Object, ...client.SubResourceUpdateOption) error {
	return notModelled("updating a subresource but by Status")
}
