package apimodel_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/test/sim/apimodel"
)

var (
	noon  = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)
	probe = types.NamespacedName{Namespace: "phoenix", Name: "probe"}
)

func newStore() *apimodel.Store {
	return apimodel.New(apimodel.Options{Clock: clocktesting.NewFakePassiveClock(noon)})
}

func probeMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: probe.Namespace, Name: probe.Name}
}

// probeKey is an ApiKey such as managers work on, with a status in the midst of a rotation.
func probeKey() *v1alpha1.ApiKey {
	at := metav1.NewTime(noon)
	key := &v1alpha1.ApiKey{ObjectMeta: probeMeta()}
	key.Spec.Permissions = []v1alpha1.Permission{"read", "customers:*"}
	key.Spec.Tenant = "acme"
	key.Status = v1alpha1.ApiKeyStatus{
		ObservedGeneration: 1,
		State:              v1alpha1.StateActive,
		Hint:               "ak_a1b2…",
		Grant:              &v1alpha1.Grant{Tenant: "acme", Permissions: key.Spec.Permissions},
		SecretRef:          &v1alpha1.SecretReference{Name: "probe", UID: "some-uid", ResourceVersion: "17"},
	}
	for i, state := range []v1alpha1.CredentialState{v1alpha1.CredentialCurrent, v1alpha1.CredentialPrevious} {
		key.Status.Credentials = append(key.Status.Credentials, v1alpha1.Credential{
			Revision: int64(2 - i), State: state, Hash: fmt.Sprintf("v1:%064d", i), Hint: "ak_a1b2…",
			Cause: v1alpha1.CauseRotated, IssuedAt: at, NotAfter: &at,
		})
	}
	for _, name := range []string{"Ready", "Usable", "Accepted"} {
		key.Status.Conditions = append(key.Status.Conditions, metav1.Condition{
			Type: name, Status: metav1.ConditionTrue, ObservedGeneration: 1, LastTransitionTime: at, Reason: "Active", Message: "the key works",
		})
	}
	return key
}

func probeSecret() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: probe.Namespace, Name: probe.Name,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "apikey-operator"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apikey-operator.dev/v1alpha1", Kind: "ApiKey", Name: "probe", UID: "some-uid", Controller: new(true),
			}},
		},
		Data: map[string][]byte{"api-key": []byte("ak_0123456789012345678901234567890123456789")},
	}
}

// storeWithProbe holds the ApiKey with its status, and its Secret.
func storeWithProbe(t testing.TB) (*apimodel.Store, apimodel.Client) {
	t.Helper()
	store := newStore()
	c := store.Client(apimodel.ClientOptions{})
	key, status := probeKey(), probeKey().Status
	must(t, c.Create(t.Context(), key))
	key.Status = status
	must(t, c.Status().Update(t.Context(), key))
	must(t, c.Create(t.Context(), probeSecret()))
	return store, c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkNewStore(b *testing.B) {
	options := apimodel.Options{Clock: clocktesting.NewFakePassiveClock(noon)}
	b.ReportAllocs()
	for b.Loop() {
		apimodel.New(options)
	}
}

func BenchmarkReads(b *testing.B) {
	store, copying := storeWithProbe(b)
	sharing := store.Client(apimodel.ClientOptions{ShareReads: true})
	cache := store.NewCache(apimodel.ClientOptions{ShareReads: true})
	cache.CatchUp(apimodel.ApiKeys)
	cache.CatchUp(apimodel.Secrets)
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))

	cases := map[string]struct {
		reader client.Reader
		object client.Object
	}{
		"unstructured ApiKey":                {copying, apiobject.New()},
		"unstructured ApiKey, shared":        {sharing, apiobject.New()},
		"typed ApiKey":                       {copying, &v1alpha1.ApiKey{}},
		"Secret":                             {copying, &corev1.Secret{}},
		"unstructured ApiKey, shared, cache": {cache, apiobject.New()},
		"metadata of a Secret, cache":        {cache, metadata},
	}
	for name, c := range cases {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b, c.reader.Get(b.Context(), probe, c.object))
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	store, _ := storeWithProbe(b)
	object := apiobject.New()
	must(b, store.Client(apimodel.ClientOptions{ShareReads: true}).Get(b.Context(), probe, object))
	b.ReportAllocs()
	for b.Loop() {
		_, err := apiobject.Decode(object)
		must(b, err)
	}
}

func BenchmarkStatusUpdate(b *testing.B) {
	_, c := storeWithProbe(b)
	key := &v1alpha1.ApiKey{}
	must(b, c.Get(b.Context(), probe, key))
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		key.Status.ObservedGeneration = i
		must(b, c.Status().Update(b.Context(), key))
	}
}

func BenchmarkSecretUpdate(b *testing.B) {
	_, c := storeWithProbe(b)
	secret := &corev1.Secret{}
	must(b, c.Get(b.Context(), probe, secret))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		secret.Data["api-key"] = fmt.Appendf(nil, "ak_%040d", i)
		must(b, c.Update(b.Context(), secret))
	}
}

// BenchmarkHistory is what one simulated history does at least: a new store, an ApiKey, a status, a Secret.
func BenchmarkHistory(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		storeWithProbe(b)
	}
}

func BenchmarkCreateAndDeleteSecret(b *testing.B) {
	_, c := storeWithProbe(b)
	secret := probeSecret()
	secret.Name = "another"
	b.ReportAllocs()
	for b.Loop() {
		secret.ResourceVersion = ""
		must(b, c.Create(b.Context(), secret))
		must(b, c.Delete(b.Context(), secret))
	}
}
