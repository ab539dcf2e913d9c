package gitops

import (
	"context"
	"fmt"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// history keeps every version of the watched objects that the API server told of: what a watching controller may come
// to judge, also for the blink of an eye.
type history struct {
	mu       sync.Mutex
	versions []*unstructured.Unstructured
}

// follow begins to watch and returns at once; it ends with ctx.
func follow(ctx context.Context, kube dynamic.Interface, resources ...schema.GroupVersionResource) (*history, error) {
	h := &history{}
	for _, resource := range resources {
		watch, err := kube.Resource(resource).Watch(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, err)
		}
		go func() {
			for event := range watch.ResultChan() {
				if object, ok := event.Object.(*unstructured.Unstructured); ok && object.GetKind() != "Status" {
					h.add(object)
				}
			}
		}()
	}
	return h, nil
}

func (h *history) add(object *unstructured.Unstructured) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.versions = append(h.versions, object)
}

// of returns the versions of a namespace's objects so far, in order.
func (h *history) of(namespace string) []*unstructured.Unstructured {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.versions), func(object *unstructured.Unstructured) bool {
		return object.GetNamespace() != namespace
	})
}
