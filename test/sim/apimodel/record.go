package apimodel

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// record is one state of an object, never changed once it is stored; what it holds lazily is only made
// out of the rest. Records share the parts in which they do not differ.
type record struct {
	kind   Kind
	meta   *metav1.ObjectMeta
	secret *corev1.Secret // of Secrets; meta is its metadata
	spec   *section[v1alpha1.ApiKeySpec]
	status *section[v1alpha1.ApiKeyStatus]

	// statusDefaulted says that the status was never written: readers see the schema's default for it,
	// and the next write stores that, which is a change of the object even where nobody asks for one.
	statusDefaulted bool

	generic *unstructured.Unstructured // lazy
	typed   *v1alpha1.ApiKey           // lazy
}

// section is the spec or the status of an ApiKey, as JSON and as the Go type.
type section[T any] struct {
	content map[string]any
	typed   *T // lazy
}

// The codecs of what typed clients send.
var (
	specCodec   = codecOf(reflect.TypeFor[v1alpha1.ApiKeySpec]())
	statusCodec = codecOf(reflect.TypeFor[v1alpha1.ApiKeyStatus]())
)

// specOf is the spec that a typed client sends; it is decoded again when it is read, defaults included.
func specOf(typed *v1alpha1.ApiKeySpec) *section[v1alpha1.ApiKeySpec] {
	content := specCodec.content(reflect.ValueOf(typed).Elem()).(map[string]any) //nolint:forcetypeassert // what a struct becomes
	defaultSpec(content)
	return &section[v1alpha1.ApiKeySpec]{content: content}
}

// statusOf is the status that a typed client sends, and as it will read it back.
func statusOf(typed *v1alpha1.ApiKeyStatus) *section[v1alpha1.ApiKeyStatus] {
	content := statusCodec.content(reflect.ValueOf(typed).Elem()).(map[string]any) //nolint:forcetypeassert // what a struct becomes
	readBack := typed.DeepCopy()
	statusCodec.normalize(reflect.ValueOf(readBack).Elem())
	return &section[v1alpha1.ApiKeyStatus]{content: content, typed: readBack}
}

func (s *section[T]) decoded() (*T, error) {
	if s.typed == nil {
		typed := new(T)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(s.content, typed); err != nil {
			return nil, err
		}
		s.typed = typed
	}
	return s.typed, nil
}

// keepIfEqual is current where next says the same, so that records share it.
func keepIfEqual[T any](current, next *section[T]) *section[T] {
	if next == current || equalJSON(current.content, next.content) {
		return current
	}
	return next
}

// withMeta is the same object with other metadata.
func (r *record) withMeta(meta *metav1.ObjectMeta) *record {
	next := *r
	next.meta, next.generic, next.typed = meta, nil, nil
	if r.secret != nil {
		secret := *r.secret
		secret.ObjectMeta = *meta
		next.secret, next.meta = &secret, &secret.ObjectMeta
	}
	return &next
}

// apiKey is the ApiKey as typed clients see it, shared.
func (r *record) apiKey() (*v1alpha1.ApiKey, error) {
	if r.typed == nil {
		spec, err := r.spec.decoded()
		if err != nil {
			return nil, fmt.Errorf("decode the spec of ApiKey %s: %w", r.meta.Name, err)
		}
		status, err := r.status.decoded()
		if err != nil {
			return nil, fmt.Errorf("decode the status of ApiKey %s: %w", r.meta.Name, err)
		}
		r.typed = &v1alpha1.ApiKey{ObjectMeta: *r.meta, Spec: *spec, Status: *status}
	}
	return r.typed, nil
}

// unstructured is the ApiKey as clients see it that do not decode, shared.
func (r *record) unstructured() *unstructured.Unstructured {
	if r.generic == nil {
		info := kinds[ApiKeys]
		r.generic = &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": info.kind.GroupVersion().String(),
			"kind":       info.kind.Kind,
			"metadata":   metaContent(r.meta),
			"spec":       r.spec.content,
			"status":     r.status.content,
		}}
	}
	return r.generic
}

// object is the whole object in its usual form, shared.
func (r *record) object() client.Object {
	if r.kind == Secrets {
		return r.secret
	}
	return r.unstructured()
}

// writeTo makes a client's object this one; share says that the caller promises to change nothing in it.
func (r *record) writeTo(object client.Object, share bool) error {
	switch o := object.(type) {
	case *corev1.Secret:
		if share {
			*o = *r.secret
			return nil
		}
		r.secret.DeepCopyInto(o)
	case *v1alpha1.ApiKey:
		typed, err := r.apiKey()
		if err != nil {
			return err
		}
		if share {
			*o = *typed
			return nil
		}
		typed.DeepCopyInto(o)
	case *unstructured.Unstructured:
		if share {
			o.Object = r.unstructured().Object
			return nil
		}
		o.Object = runtime.DeepCopyJSON(r.unstructured().Object)
	case *metav1.PartialObjectMetadata:
		if share {
			o.ObjectMeta = *r.meta
			return nil
		}
		r.meta.DeepCopyInto(&o.ObjectMeta)
	default:
		return notModelled("%T", object)
	}
	return nil
}

// metaContent is metadata as JSON, as runtime.DefaultUnstructuredConverter makes it and several times faster.
func metaContent(meta *metav1.ObjectMeta) map[string]any {
	content := map[string]any{
		"name":              meta.Name,
		"namespace":         meta.Namespace,
		"uid":               string(meta.UID),
		"resourceVersion":   meta.ResourceVersion,
		"creationTimestamp": timeContent(meta.CreationTimestamp),
	}
	if meta.Generation != 0 {
		content["generation"] = meta.Generation
	}
	if meta.DeletionTimestamp != nil {
		content["deletionTimestamp"] = timeContent(*meta.DeletionTimestamp)
	}
	if meta.DeletionGracePeriodSeconds != nil {
		content["deletionGracePeriodSeconds"] = *meta.DeletionGracePeriodSeconds
	}
	if len(meta.Labels) > 0 {
		content["labels"] = stringsContent(meta.Labels)
	}
	if len(meta.Annotations) > 0 {
		content["annotations"] = stringsContent(meta.Annotations)
	}
	if len(meta.Finalizers) > 0 {
		finalizers := make([]any, len(meta.Finalizers))
		for i, finalizer := range meta.Finalizers {
			finalizers[i] = finalizer
		}
		content["finalizers"] = finalizers
	}
	if len(meta.OwnerReferences) > 0 {
		references := make([]any, len(meta.OwnerReferences))
		for i := range meta.OwnerReferences {
			references[i] = referenceContent(&meta.OwnerReferences[i])
		}
		content["ownerReferences"] = references
	}
	return content
}

func timeContent(t metav1.Time) any { return t.UTC().Format(time.RFC3339) }

func stringsContent(values map[string]string) map[string]any {
	content := make(map[string]any, len(values))
	for name, value := range values {
		content[name] = value
	}
	return content
}

func referenceContent(reference *metav1.OwnerReference) map[string]any {
	content := map[string]any{
		"apiVersion": reference.APIVersion,
		"kind":       reference.Kind,
		"name":       reference.Name,
		"uid":        string(reference.UID),
	}
	if reference.Controller != nil {
		content["controller"] = *reference.Controller
	}
	if reference.BlockOwnerDeletion != nil {
		content["blockOwnerDeletion"] = *reference.BlockOwnerDeletion
	}
	return content
}

// sameMeta says whether two states of one object have the same metadata, but for the resource version.
func sameMeta(a, b *metav1.ObjectMeta) bool {
	return a.Generation == b.Generation && a.DeletionTimestamp.Equal(b.DeletionTimestamp) &&
		maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations) &&
		slices.Equal(a.Finalizers, b.Finalizers) && slices.EqualFunc(a.OwnerReferences, b.OwnerReferences, sameReference)
}

func sameReference(a, b metav1.OwnerReference) bool {
	return a.APIVersion == b.APIVersion && a.Kind == b.Kind && a.Name == b.Name && a.UID == b.UID &&
		samePointed(a.Controller, b.Controller) && samePointed(a.BlockOwnerDeletion, b.BlockOwnerDeletion)
}

func samePointed[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// formatVersion writes a resource version as clients see it.
func formatVersion(version int64) string { return strconv.FormatInt(version, 10) }
