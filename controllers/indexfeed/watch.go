package indexfeed

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
)

// backoff is how long to wait before the API server is asked again: from a second up to 5 to 10, where client-go waits up
// to a minute. Until then a revocation is not heard of, and there are fewer verifiers than there are informers.
func backoff() *wait.Backoff {
	return &wait.Backoff{Duration: 800 * time.Millisecond, Factor: 2, Jitter: 1, Steps: 10, Cap: 5 * time.Second}
}

// +kubebuilder:rbac:groups=apikey-operator.dev,resources=apikeys,verbs=list;watch

// Run watches the ApiKeys and feeds the index until the context ends. It goes on trying for as long as the API
// server is away; what the index holds is served meanwhile.
func (f *Feed) Run(ctx context.Context, config *rest.Config) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client for ApiKeys: %w", err)
	}
	apiKeys := client.Resource(v1alpha1.ApiKeyResource).Namespace(f.namespace)
	source := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return apiKeys.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return apiKeys.Watch(ctx, options)
		},
	}, client)
	reflector := cache.NewReflectorWithOptions(source, apiobject.New(), f, cache.ReflectorOptions{
		Name: strings.TrimSuffix("apikeys/"+f.namespace, "/"), Backoff: backoff(),
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		reflector.RunWithContext(ctx)
	}()
	// A reflector sleeps between two attempts for up to ten seconds, whatever becomes of its context. Nothing waits for that: what it
	// may still write into the index nobody reads any more.
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}
