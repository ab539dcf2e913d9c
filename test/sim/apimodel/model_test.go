package apimodel_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/test/sim/apimodel"
)

func secretMetadata() *metav1.PartialObjectMetadata {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return metadata
}

func TestACacheShowsWhatItWasToldOfAndNothingLater(t *testing.T) {
	store, c := storeWithProbe(t)
	cache := store.NewCache(apimodel.ClientOptions{})
	cached := apiobject.New()
	if err := cache.Get(t.Context(), probe, cached); !apierrors.IsNotFound(err) {
		t.Fatalf("a new cache answers %v, want not found", err)
	}

	firstOnly := cache.Pending(apimodel.ApiKeys)[0].Version
	if heard := cache.Advance(apimodel.ApiKeys, firstOnly); len(heard) != 1 {
		t.Fatalf("heard of %d changes, want 1", len(heard))
	}
	must(t, cache.Get(t.Context(), probe, cached))
	if state, _, _ := unstructured.NestedString(cached.Object, "status", "state"); state != "" {
		t.Errorf("the cache shows state %q of a status that was written later", state)
	}

	cache.CatchUp(apimodel.ApiKeys)
	must(t, cache.Get(t.Context(), probe, cached))
	live := apiobject.New()
	must(t, c.Get(t.Context(), probe, live))
	if diff := cmp.Diff(live, cached); diff != "" {
		t.Errorf("a cache that caught up differs from the store (-store +cache):\n%s", diff)
	}
	if err := cache.Get(t.Context(), probe, secretMetadata()); !apierrors.IsNotFound(err) {
		t.Errorf("the cache shows a Secret though it heard of ApiKeys alone: %v", err)
	}
}

func TestACacheNeverGoesBack(t *testing.T) {
	store, c := storeWithProbe(t)
	cache := store.NewCache(apimodel.ClientOptions{})
	cache.CatchUp(apimodel.Secrets)
	must(t, c.Delete(t.Context(), probeSecret()))

	if heard := cache.Advance(apimodel.Secrets, 1); len(heard) != 0 {
		t.Errorf("heard of %d changes on the way back", len(heard))
	}
	must(t, cache.Get(t.Context(), probe, secretMetadata()))
	cache.CatchUp(apimodel.Secrets)
	if err := cache.Get(t.Context(), probe, secretMetadata()); !apierrors.IsNotFound(err) {
		t.Errorf("the cache still shows a Secret whose deletion it heard of: %v", err)
	}
	if want := store.Version(); cache.Version(apimodel.Secrets) != want {
		t.Errorf("the cache is at version %d, want %d", cache.Version(apimodel.Secrets), want)
	}
}

func TestACacheListsByNamespaceAndIndex(t *testing.T) {
	store := newStore()
	c := store.Client(apimodel.ClientOptions{})
	for _, name := range []types.NamespacedName{
		{Namespace: "phoenix", Name: "b"}, {Namespace: "phoenix", Name: "a"}, {Namespace: "other", Name: "a"},
	} {
		key := &v1alpha1.ApiKey{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
		key.Spec.Tenant = "tenant-of-" + name.Name
		must(t, c.Create(t.Context(), key))
	}
	cache := store.NewCache(apimodel.ClientOptions{})
	cache.IndexApiKeys("tenant", func(object client.Object) []string {
		tenant, _, _ := unstructured.NestedString(object.(*unstructured.Unstructured).Object, "spec", "tenant")
		return []string{tenant}
	})
	cache.CatchUp(apimodel.ApiKeys)

	cases := map[string]struct {
		options []client.ListOption
		want    []string
	}{
		"all":                    {nil, []string{"other/a", "phoenix/a", "phoenix/b"}},
		"of a namespace":         {[]client.ListOption{client.InNamespace("phoenix")}, []string{"phoenix/a", "phoenix/b"}},
		"by index":               {[]client.ListOption{client.MatchingFields{"tenant": "tenant-of-a"}}, []string{"other/a", "phoenix/a"}},
		"by index and namespace": {[]client.ListOption{client.InNamespace("phoenix"), client.MatchingFields{"tenant": "tenant-of-b"}}, []string{"phoenix/b"}},
		"by a value nobody has":  {[]client.ListOption{client.MatchingFields{"tenant": "nobody"}}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			list := apiobject.NewList()
			must(t, cache.List(t.Context(), list, tc.options...))
			var got []string
			for i := range list.Items {
				got = append(got, fmt.Sprintf("%s/%s", list.Items[i].GetNamespace(), list.Items[i].GetName()))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if err := cache.List(t.Context(), apiobject.NewList(), client.MatchingFields{"unknown": "x"}); err == nil {
		t.Error("a list by an index that was never registered is answered")
	}
}

func TestEventsTellWhatWasStoredBeforeAndAfter(t *testing.T) {
	store, c := storeWithProbe(t)
	before := store.Version()
	secret := &corev1.Secret{}
	must(t, c.Get(t.Context(), probe, secret))
	must(t, c.Update(t.Context(), secret)) // of which nobody hears: nothing changes
	secret.Labels["team"] = "payments"
	must(t, c.Update(t.Context(), secret))
	must(t, c.Delete(t.Context(), secret))

	events := store.Events(apimodel.Secrets, before)
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprintf("%s %d %s, %v from %v", e.Type, e.Version-before, e.Name(),
			e.Object().GetLabels()["team"], e.Before().GetLabels()["team"]))
		if e.Object().GetResourceVersion() != fmt.Sprint(e.Version) {
			t.Errorf("an event of version %d carries an object of version %s", e.Version, e.Object().GetResourceVersion())
		}
	}
	want := []string{
		"MODIFIED 1 phoenix/probe, payments from ",
		"DELETED 2 phoenix/probe, payments from payments",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatWasHandedOutDoesNotChangeWhatIsStored(t *testing.T) {
	store, c := storeWithProbe(t)
	secret, key := &corev1.Secret{}, apiobject.New()
	must(t, c.Get(t.Context(), probe, secret))
	must(t, c.Get(t.Context(), probe, key))
	events := store.Events(apimodel.Secrets, 0)
	secret.Data["api-key"][0] = 'X'
	secret.Labels["added"] = "later"
	must(t, unstructured.SetNestedField(key.Object, "somebody", "spec", "tenant"))

	stored, storedKey := &corev1.Secret{}, &v1alpha1.ApiKey{}
	must(t, c.Get(t.Context(), probe, stored))
	must(t, c.Get(t.Context(), probe, storedKey))
	if diff := cmp.Diff(probeSecret().Data, stored.Data); diff != "" || stored.Labels["added"] != "" {
		t.Errorf("the stored Secret was changed by a reader:\n%s", diff)
	}
	if storedKey.Spec.Tenant != "acme" {
		t.Errorf("the stored ApiKey was changed by a reader: its tenant is %q", storedKey.Spec.Tenant)
	}
	if events[0].Object().GetLabels()["added"] != "" {
		t.Error("an event was changed by a reader")
	}
}

func TestWhatIsNotModelledIsRefused(t *testing.T) {
	store, c := storeWithProbe(t)
	cache := store.NewCache(apimodel.ClientOptions{})
	merge := client.RawPatch(types.MergePatchType, []byte(`{}`))
	ctx := t.Context()
	serviceAccountToken := probeSecret()
	serviceAccountToken.Type = corev1.SecretTypeServiceAccountToken
	withoutTime := probeKey()
	withoutTime.Status.Credentials[0].IssuedAt = metav1.Time{}
	calls := map[string]error{
		"a time that is not set":         c.Status().Update(ctx, withoutTime),
		"another kind":                   c.Get(ctx, probe, &corev1.Pod{}),
		"apply":                          c.Apply(ctx, nil),
		"deletion of all":                c.DeleteAllOf(ctx, &corev1.Secret{}),
		"a subresource by name":          c.SubResource("status").Update(ctx, probeKey()),
		"a patch of a Secret":            c.Patch(ctx, probeSecret(), merge),
		"a patch of a status":            c.Status().Patch(ctx, probeKey(), merge),
		"a status of a Secret":           c.Status().Update(ctx, probeSecret()),
		"a dry run":                      c.Create(ctx, probeSecret(), client.DryRunAll),
		"a Secret with rules of its own": c.Create(ctx, serviceAccountToken),
		"orphaning":                      c.Delete(ctx, probeSecret(), client.PropagationPolicy(metav1.DeletePropagationOrphan)),
		"a list by label":                c.List(ctx, &corev1.SecretList{}, client.MatchingLabels{"a": "b"}),
		"a whole Secret from a cache":    cache.Get(ctx, probe, &corev1.Secret{}),
		"a typed ApiKey from a cache":    cache.Get(ctx, probe, &v1alpha1.ApiKey{}),
	}
	for name, err := range calls {
		if !errors.Is(err, apimodel.ErrNotModelled) {
			t.Errorf("%s is answered with %v, want %v", name, err, apimodel.ErrNotModelled)
		}
	}
}

func TestTheHookRefusesAnApiKeyAsAnAPIServerWould(t *testing.T) {
	refusal := errors.New("a revoked key stays revoked")
	store := apimodel.New(apimodel.Options{
		Clock: clocktesting.NewFakePassiveClock(noon),
		Validate: func(before, after *v1alpha1.ApiKey) error {
			if before != nil && before.Spec.Revoked && !after.Spec.Revoked {
				return refusal
			}
			return nil
		},
	})
	c := store.Client(apimodel.ClientOptions{})
	key := probeKey()
	key.Spec.Revoked = true
	must(t, c.Create(t.Context(), key))
	version := store.Version()

	err := c.Patch(t.Context(), key.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"revoked":null}}`)))
	if !errors.Is(err, refusal) || store.Version() != version {
		t.Errorf("unrevoking is answered with %v at version %d, want %v at version %d", err, store.Version(), refusal, version)
	}
	must(t, c.Patch(t.Context(), key.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"tenant":"other"}}`))))
}
