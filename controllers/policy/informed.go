package policy

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
)

// KeepInformed has caches hold what a book reads. The controllers themselves see to that only on the manager that leads;
// admission is answered by all, and all say whether they may see it.
func KeepInformed(ctx context.Context, caches cache.Cache) error {
	for _, object := range []client.Object{apiobject.New(), apiobject.NewPolicy(), newNamespace()} {
		if _, err := caches.GetInformer(ctx, object); err != nil {
			return fmt.Errorf("watch %s: %w", object.GetObjectKind().GroupVersionKind().Kind, err)
		}
	}
	return nil
}
