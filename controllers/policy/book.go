// Package policy brings ApiKeyPolicies to bear: it judges ApiKeys by them, finds those that a change concerns, and
// says in each policy's status what it does.
package policy

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// +kubebuilder:rbac:groups=apikey-operator.dev,resources=apikeypolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=apikey-operator.dev,resources=apikeypolicies/status,verbs=update
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch

// Book is the policies of a cluster and the labels of its namespaces, as a reader has them: the informer caches, or
// the API server itself. It may be used by any number of goroutines.
type Book struct {
	reader    client.Reader
	byDefault policy.Default
	shared    *shared
}

// shared is what the books over several readers keep in common.
type shared struct {
	rotations apispec.Rotations

	mutex sync.Mutex
	known map[types.UID]page
}

// page is a policy as it was at one resource version.
type page struct {
	resourceVersion string
	policy          policy.Policy
}

// NewBook makes a book over a reader.
func NewBook(reader client.Reader, byDefault policy.Default) *Book {
	return &Book{reader: reader, byDefault: byDefault, shared: &shared{known: map[types.UID]page{}}}
}

// NewBlankBook makes a book without policies, which judges by the default alone and reads nothing. It is for a manager
// of some namespaces: policies stand in none, and only a right in the whole cluster can read them.
func NewBlankBook(byDefault policy.Default) *Book { return NewBook(nil, byDefault) }

// IsBlank says that the book holds no policies, whatever there are.
func (b *Book) IsBlank() bool { return b.reader == nil }

// Over is the same book over another reader.
func (b *Book) Over(reader client.Reader) *Book {
	return &Book{reader: reader, byDefault: b.byDefault, shared: b.shared}
}

// Judge says what policy makes of an ApiKey that lives in a namespace.
func (b *Book) Judge(ctx context.Context, key *v1alpha1.ApiKey, now time.Time) (policy.Verdict, error) {
	if b.IsBlank() {
		return policy.Evaluate(b.request(key, now), policy.Namespace{Name: key.Namespace}, nil, b.byDefault, now), nil
	}
	policies, err := b.policies(ctx)
	if err != nil {
		return policy.Verdict{}, err
	}
	namespace, err := b.namespace(ctx, key.Namespace)
	if err != nil {
		return policy.Verdict{}, err
	}
	return policy.Evaluate(b.request(key, now), namespace, policies, b.byDefault, now), nil
}

// Unreadable is why nobody can tell what a policy says; empty where it can be read.
func (*Book) Unreadable(p *v1alpha1.ApiKeyPolicy) string { return policyOf(p).Unreadable }

// Contradiction is why a policy can never admit anything; empty where it can.
func (*Book) Contradiction(p *v1alpha1.ApiKeyPolicy) string { return contradiction(p) }

// CheckRotation says what is wrong about a rotation in a way that its schema cannot tell.
func (b *Book) CheckRotation(rotation *v1alpha1.Rotation, now time.Time) error {
	_, err := b.shared.rotations.Of(rotation, now)
	return err
}

// request is what an ApiKey asks for. A rotation that cannot be understood is none.
func (b *Book) request(key *v1alpha1.ApiKey, now time.Time) policy.Request {
	rotation, err := b.shared.rotations.Of(key.Spec.Rotation, now)
	if err != nil {
		rotation.Interval = 0
	}
	return apispec.RequestOf(&key.Spec, rotation)
}

func (b *Book) policies(ctx context.Context) ([]policy.Policy, error) {
	list := apiobject.NewPolicyList()
	if err := b.reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the ApiKeyPolicies: %w", err)
	}
	policies := make([]policy.Policy, 0, len(list.Items))
	for i := range list.Items {
		policies = append(policies, b.shared.read(&list.Items[i]))
	}
	return policies, nil
}

// read converts a policy once for each of its versions: thousands of ApiKeys are judged by it.
func (s *shared) read(object *unstructured.Unstructured) policy.Policy {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	known, ok := s.known[object.GetUID()]
	if !ok || known.resourceVersion != object.GetResourceVersion() {
		if len(s.known) > mostPages {
			clear(s.known)
		}
		known = page{object.GetResourceVersion(), read(object)}
		s.known[object.GetUID()] = known
	}
	return known.policy
}

// mostPages bounds what is kept of policies that are gone.
const mostPages = 4096

// namespace fails on one that is not there, in words that nobody takes for an ApiKey that is not: a cache that lags
// must not make the ApiKey be forgotten.
func (b *Book) namespace(ctx context.Context, name string) (policy.Namespace, error) {
	object := newNamespace()
	if err := b.reader.Get(ctx, types.NamespacedName{Name: name}, object); err != nil {
		return policy.Namespace{}, fmt.Errorf("read the labels of namespace %s: %v", name, err) //nolint:errorlint // see above
	}
	return policy.Namespace{Name: name, Labels: object.Labels}, nil
}

func newNamespace() *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return object
}

func newNamespaceList() *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	return list
}
