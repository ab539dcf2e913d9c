package integration

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/apikey-operator/apikey-operator/controllers/apikey"
)

func TestTheManagersCacheHoldsNothingOfWhatIsInASecret(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "applied", Annotations: map[string]string{
			corev1.LastAppliedConfigAnnotation: `{"stringData":{"password":"the plaintext"}}`,
		}},
		StringData: map[string]string{"password": "the plaintext"},
	}
	as := admin(t)
	if err := as.client(t).Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	cached := startCache(t, manager(t).config)

	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	ctx, cancel := context.WithTimeout(t.Context(), settleTimeout)
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		err := cached.Get(ctx, client.ObjectKeyFromObject(secret), found)
		return err == nil, client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	if found.ResourceVersion != secret.ResourceVersion || found.UID != secret.UID {
		t.Errorf("the cache has %s of %s, want %s of %s", found.ResourceVersion, found.UID, secret.ResourceVersion, secret.UID)
	}
	if text := strings.TrimSpace(found.String()); strings.Contains(text, "plaintext") || len(found.Annotations) > 0 || len(found.ManagedFields) > 0 {
		t.Errorf("the cache holds more than it needs: %s", text)
	}
}

func TestTheManagersCacheDoesNotReadSecretsWhole(t *testing.T) {
	t.Parallel()
	cached := startCache(t, manager(t).config)
	ctx, cancel := context.WithTimeout(t.Context(), settleTimeout)
	defer cancel()
	err := cached.Get(ctx, client.ObjectKey{Namespace: freshNamespace(t), Name: "any"}, &corev1.Secret{})
	if notCached := (*cache.ErrResourceNotCached)(nil); !errors.As(err, &notCached) {
		t.Errorf("whole Secrets can be read from the cache (%v), so a slip of ours would cache every Secret of the cluster", err)
	}
}

// startCache runs the cache that the manager would, and gives a reader of it.
func startCache(t *testing.T, config *rest.Config) client.Reader {
	t.Helper()
	m, err := ctrl.NewManager(config, ctrl.Options{
		Cache:   apikey.CacheOptions(),
		Client:  apikey.ClientOptions(),
		Metrics: metricsserver.Options{BindAddress: "0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the cache ended with %v", err)
		}
	})
	secrets := &metav1.PartialObjectMetadata{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if _, err := m.GetCache().GetInformer(ctx, secrets); err != nil { // as the controller's watch does
		t.Fatal(err)
	}
	if !m.GetCache().WaitForCacheSync(ctx) {
		t.Fatal("the cache does not start")
	}
	return m.GetClient()
}
