package apimodel

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// part says which part of an object a request writes; the rest of what it carries is not looked at.
type part int

const (
	mainPart part = iota
	statusPart
)

// draftOf is what a request asks to be stored, decoded and with the defaults of its kind. It shares
// nothing that the caller can change.
func draftOf(object client.Object, p part) (*record, error) {
	if object.GetGenerateName() != "" {
		return nil, notModelled("generateName")
	}
	if object.GetName() == "" || object.GetNamespace() == "" {
		return nil, notModelled("an object without a name or a namespace")
	}
	switch o := object.(type) {
	case *v1alpha1.ApiKey:
		return typedDraft(o, p)
	case *unstructured.Unstructured:
		if _, err := kindOf(o); err != nil {
			return nil, err
		}
		return genericDraft(o, p)
	case *corev1.Secret:
		if p == mainPart {
			return secretDraft(o)
		}
	}
	return nil, notModelled("writing a %T", object)
}

func typedDraft(key *v1alpha1.ApiKey, p part) (*record, error) {
	var draft *record
	var content map[string]any
	if p == statusPart {
		meta := key.ObjectMeta // of which a status write looks at no more than names and versions
		draft = &record{kind: ApiKeys, meta: &meta, status: statusOf(&key.Status)}
		content = draft.status.content
	} else {
		draft = &record{kind: ApiKeys, meta: key.ObjectMeta.DeepCopy(), spec: specOf(&key.Spec)}
		content = draft.spec.content
	}
	if hasNull(content) {
		return nil, notModelled("null, which is how a zero time is sent")
	}
	return draft, nil
}

func genericDraft(object *unstructured.Unstructured, p part) (*record, error) {
	draft := &record{kind: ApiKeys, meta: &metav1.ObjectMeta{
		Name:                       object.GetName(),
		Namespace:                  object.GetNamespace(),
		UID:                        object.GetUID(),
		ResourceVersion:            object.GetResourceVersion(),
		DeletionTimestamp:          object.GetDeletionTimestamp(),
		DeletionGracePeriodSeconds: object.GetDeletionGracePeriodSeconds(),
		Labels:                     object.GetLabels(),
		Annotations:                object.GetAnnotations(),
		Finalizers:                 object.GetFinalizers(),
		OwnerReferences:            object.GetOwnerReferences(),
	}}
	if p == statusPart {
		content, given, err := contentOf(object, "status")
		if !given {
			content = defaultStatus().content
		}
		draft.status = &section[v1alpha1.ApiKeyStatus]{content: content}
		return draft, err
	}
	content, given, err := contentOf(object, "spec")
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, kinds[ApiKeys].invalid(object.GetName(), field.ErrorList{field.Required(field.NewPath("spec"), "")})
	}
	defaultSpec(content)
	draft.spec = &section[v1alpha1.ApiKeySpec]{content: content}
	return draft, nil
}

// contentOf is a copy of a section of an ApiKey, if it is given.
func contentOf(object *unstructured.Unstructured, name string) (content map[string]any, given bool, err error) {
	value, given := object.Object[name]
	if !given {
		return nil, false, nil
	}
	original, ok := value.(map[string]any)
	if !ok {
		return nil, true, notModelled("a %T as %s", value, name)
	}
	content, err = copyMap(original)
	return content, true, err
}

// defaultStatus is what the schema puts where an ApiKey has no status.
func defaultStatus() *section[v1alpha1.ApiKeyStatus] { return &unseenStatus }

// unseenStatus is shared by all ApiKeys that no manager has looked at.
var unseenStatus = section[v1alpha1.ApiKeyStatus]{
	content: map[string]any{"observedGeneration": int64(-1)},
	typed:   &v1alpha1.ApiKeyStatus{ObservedGeneration: -1},
}

// defaultSpec fills in what the schema says for fields that are left out of parts that are given.
func defaultSpec(spec map[string]any) {
	defaultField(spec["secret"], "key", "api-key")
	if source, ok := spec["source"].(map[string]any); ok {
		defaultField(source["secretRef"], "key", "api-key")
	}
}

func defaultField(object any, name string, value any) {
	if content, ok := object.(map[string]any); ok {
		if _, given := content[name]; !given {
			content[name] = value
		}
	}
}

func secretDraft(secret *corev1.Secret) (*record, error) {
	if strings.Contains(string(secret.Type), "kubernetes.io/") {
		return nil, notModelled("Secrets of type %s, for whose data the API server has rules", secret.Type)
	}
	draft := secret.DeepCopy()
	draft.TypeMeta, draft.ManagedFields = metav1.TypeMeta{}, nil
	if draft.Type == "" {
		draft.Type = corev1.SecretTypeOpaque
	}
	if len(draft.StringData) > 0 && draft.Data == nil {
		draft.Data = make(map[string][]byte, len(draft.StringData))
	}
	for name, value := range draft.StringData {
		draft.Data[name] = []byte(value)
	}
	draft.StringData = nil
	return &record{kind: Secrets, secret: draft, meta: &draft.ObjectMeta}, nil
}
