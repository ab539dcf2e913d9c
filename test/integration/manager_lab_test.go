package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/apikey"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
)

// reconcile is one pass, without waiting for what it asks for.
func (p *process) reconcile() (ctrl.Result, error) {
	return p.reconciler.Reconcile(p.lab.t.Context(), ctrl.Request{NamespacedName: p.lab.name})
}

// labCaches are caches that are never stale: the API server's answers, with the index that it does not have. See
// frozenCaches for stale ones.
type labCaches struct {
	client.Reader
	namespace string // all other labs' ApiKeys are left out, as there are about a thousand
}

// List implements client.Reader for what the manager lists: the ApiKeys whose status has a hash.
func (c labCaches) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	asked := (&client.ListOptions{}).ApplyOptions(options)
	hash, byHash := asked.FieldSelector.RequiresExactMatch(apikey.HashIndex)
	found, untyped := list.(*unstructured.UnstructuredList)
	if !byHash || !untyped || len(asked.FieldSelector.Requirements()) != 1 || asked.Namespace != "" {
		return fmt.Errorf("the manager listed %T by %v of %q from its caches", list, asked.FieldSelector, asked.Namespace)
	}
	if err := c.Reader.List(ctx, found, client.InNamespace(c.namespace)); err != nil {
		return err
	}
	found.Items = slices.DeleteFunc(found.Items, func(u unstructured.Unstructured) bool {
		return !slices.Contains(apikey.HashesOf(&u), hash)
	})
	return nil
}

// frozenCaches answer with the ApiKey and the Secret of one moment.
type frozenCaches struct {
	client.Reader
	key    *unstructured.Unstructured
	secret *metav1.PartialObjectMetadata
}

func newFrozenCaches(l *lab) frozenCaches {
	l.t.Helper()
	c := frozenCaches{Reader: labCaches{Reader: l.manager, namespace: l.name.Namespace}, key: apiobject.New()}
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

// passes reconciles that many times, with time in between for what each pass asks for.
func (p *process) passes(n int) {
	p.lab.t.Helper()
	for range n {
		result, err := p.reconcile()
		p.lab.must(err)
		p.lab.advance(result.RequeueAfter)
	}
}

// expectNoWriteWithoutTimePassing reconciles as events would have it, once for what is due and then again
// and again.
func (p *process) expectNoWriteWithoutTimePassing() {
	p.lab.t.Helper()
	_, err := p.reconcile()
	p.lab.must(err)
	before := len(p.calls)
	for range 20 {
		_, err := p.reconcile()
		p.lab.must(err)
	}
	if writes := writesIn(p.calls[before:]); len(writes) > 0 {
		p.lab.t.Errorf("events alone brought about the writes %q", writes)
	}
}

// writesIn are the calls that change something.
func writesIn(calls []string) []string {
	return slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return strings.HasPrefix(call, "get ") })
}

// secretsOfTheLab are the Secrets of the lab's namespace when they are written.
func (l *lab) secretsOfTheLab() *admissionv1.MatchResources {
	return &admissionv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: l.name.Namespace}},
		ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
			Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
		}}},
	}
}

// refuseSecrets makes the API server refuse the Secrets of the lab's namespace, in words that a CEL
// expression gives.
func (l *lab) refuseSecrets(words string) {
	l.t.Helper()
	policy := l.policyMeta("refuse")
	l.must(l.admin.Create(l.t.Context(), &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: policy,
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: l.secretsOfTheLab(),
			Validations:      []admissionv1.Validation{{Expression: "!('api-key' in object.data)", MessageExpression: words}},
		},
	}))
	l.must(l.admin.Create(l.t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: policy,
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}))
	l.waitForSecrets(func(_ *corev1.Secret, err error) bool { return err != nil })
}

// allowSecrets ends refuseSecrets.
func (l *lab) allowSecrets() {
	l.t.Helper()
	l.must(l.admin.Delete(l.t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: l.policyMeta("refuse")}))
	l.waitForSecrets(func(_ *corev1.Secret, err error) bool { return err == nil })
}

// rewriteSecrets makes the API server store another value than it is sent, as a mutating admission webhook
// might that injects values from elsewhere.
func (l *lab) rewriteSecrets() {
	l.t.Helper()
	l.rewriting = true
	policy := l.policyMeta("rewrite")
	l.must(l.admin.Create(l.t.Context(), &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: policy,
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			MatchConstraints:   l.secretsOfTheLab(),
			ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
			Mutations: []admissionv1.Mutation{{
				PatchType: admissionv1.PatchTypeJSONPatch,
				JSONPatch: &admissionv1.JSONPatch{Expression: `[JSONPatch{op: "add", path: "/data/api-key", value: "cmV3cml0dGVu"}]`},
			}},
		},
	}))
	l.must(l.admin.Create(l.t.Context(), &admissionv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: policy, Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: policy.Name},
	}))
	l.waitForSecrets(func(s *corev1.Secret, err error) bool { return err == nil && string(s.Data["api-key"]) == "rewritten" })
}

func (l *lab) policyMeta(kind string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: kind + "-" + l.name.Namespace}
}

// waitForSecrets waits until an admission policy is in force, or is not any more: the API server learns of
// them from a watch of its own.
func (l *lab) waitForSecrets(done func(*corev1.Secret, error) bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), settleTimeout)
	defer cancel()
	l.must(poll(ctx, func() (bool, error) {
		probe := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: l.name.Namespace, Name: "probe-of-the-policy"},
			Data:       map[string][]byte{"api-key": []byte("x")},
		}
		err := l.admin.Create(ctx, probe, client.DryRunAll)
		return done(probe, err), ctx.Err()
	}))
}

func sortedKeys(data map[string][]byte) []string { return slices.Sorted(maps.Keys(data)) }

// tamper changes the Secret as somebody with a right to do so would.
func (l *lab) tamper(change func(*corev1.Secret)) {
	l.t.Helper()
	secret := l.secret()
	change(secret)
	l.must(l.admin.Update(l.t.Context(), secret))
	l.tampered = true
}

// tamperWith puts another value in the place of the key.
func (l *lab) tamperWith(value string) {
	l.t.Helper()
	l.tamper(func(s *corev1.Secret) { s.Data["api-key"] = []byte(value) })
}

// freezeCaches gives a reader of the world as it is now.
func (l *lab) freezeCaches() client.Reader {
	l.t.Helper()
	return newFrozenCaches(l)
}
