package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
)

// reconcile is one pass, without waiting for what it asks for.
func (p *process) reconcile() (ctrl.Result, error) {
	return p.reconciler.Reconcile(p.lab.t.Context(), ctrl.Request{NamespacedName: p.lab.name})
}

// frozenCaches answer with the ApiKey and the Secret of one moment.
type frozenCaches struct {
	client.Reader
	key    *unstructured.Unstructured
	secret *metav1.PartialObjectMetadata
}

func newFrozenCaches(l *lab) frozenCaches {
	l.t.Helper()
	c := frozenCaches{Reader: l.manager, key: apiobject.New()}
	l.must(l.manager.Get(l.t.Context(), l.name, c.key))
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := l.manager.Get(l.t.Context(), l.name, secret)
	if err == nil {
		c.secret = secret
	} else if !apierrors.IsNotFound(err) {
		l.t.Fatal(err)
	}
	return c
}

// Get implements client.Reader.
func (c frozenCaches) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	switch o := into.(type) {
	case *unstructured.Unstructured:
		c.key.DeepCopyInto(o)
	case *metav1.PartialObjectMetadata:
		if c.secret == nil {
			return apierrors.NewNotFound(corev1.Resource("secrets"), key.Name)
		}
		c.secret.DeepCopyInto(o)
	default:
		return fmt.Errorf("the manager read a %T from its caches", into)
	}
	return nil
}

// quoteAndRefuseSecrets makes the API server refuse the Secrets of the lab's namespace in words that
// quote what is in them, as an admission webhook might.
func (l *lab) quoteAndRefuseSecrets() {
	l.t.Helper()
	name := "quote-" + l.name.Namespace
	deny := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: l.name.Namespace}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
				}}},
			},
			Validations: []admissionv1.Validation{{
				Expression:        "!('api-key' in object.data)",
				MessageExpression: "'the quota of keys is used up, so this one is refused: ' + string(object.data['api-key'])",
			}},
		},
	}
	l.must(l.admin.Create(l.t.Context(), deny))
	l.must(l.admin.Create(l.t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}))
	l.waitUntilSecretsAreRefused()
}

func (l *lab) waitUntilSecretsAreRefused() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), settleTimeout)
	defer cancel()
	l.must(poll(ctx, func() (bool, error) {
		probe := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: l.name.Namespace, Name: "probe-of-the-refusal"},
			Data:       map[string][]byte{"api-key": []byte("x")},
		}
		err := l.admin.Create(ctx, probe, client.DryRunAll)
		if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) {
			return true, nil
		}
		return false, err
	}))
}

func sortedKeys(data map[string][]byte) []string { return slices.Sorted(maps.Keys(data)) }
