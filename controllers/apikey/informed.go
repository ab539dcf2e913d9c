package apikey

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/apikey-operator/apikey-operator/controllers/policy"
)

// keepInformed has caches hold what the controller watches before it starts, which it does only on the manager that leads:
// one that waits to lead should know, and say, that it may not see something. ApiKeys are there for their indexes.
func keepInformed(ctx context.Context, caches cache.Cache, book *policy.Book) error {
	secrets := &metav1.PartialObjectMetadata{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if _, err := caches.GetInformer(ctx, secrets); err != nil {
		return fmt.Errorf("watch the metadata of Secrets: %w", err)
	}
	if book.IsBlank() {
		return nil
	}
	return policy.KeepInformed(ctx, caches)
}
