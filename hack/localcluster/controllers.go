package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
)

const (
	garbageWorkers     = 20 // kube-controller-manager's default
	namespaceWorkers   = 10 // kube-controller-manager's default
	aggregationWorkers = 5  // as in kube-controller-manager
	// discoveryPeriod is how soon the garbage collector watches a kind whose CRD was just installed.
	// kube-controller-manager takes 30 s, which every test that deletes an owner would wait for.
	discoveryPeriod = 2 * time.Second
	// namespaceResync is kube-controller-manager's default.
	namespaceResync = 5 * time.Minute
)

// controllers runs three of kube-controller-manager's: garbage collection and namespaces, without which deleting
// an owner or a namespace leaves its contents behind, and the aggregation of ClusterRoles, without which the
// built-in roles view, edit and admin allow nothing. Linked directly instead of through
// kube-controller-manager, whose other controllers would add some 300 packages to the build.
func controllers(args []string, _, stderr io.Writer) error {
	flags := flag.NewFlagSet("controllers", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "`file` with the API server's address and a client certificate (required)")
	readyFile := flags.String("ready-file", "", "`file` to create once everything is watched (required)")
	if err := parse(flags, args, stderr); err != nil {
		return err
	}
	if *kubeconfig == "" || *readyFile == "" {
		return usageError(flags, "--kubeconfig and --ready-file are required")
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS = -1 // the API server is this control plane's own: no need to spare it
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	return runControllers(ctx, config, func() error { return os.WriteFile(*readyFile, nil, 0o600) })
}

// runControllers calls ready once everything is watched, and returns when ctx is done.
func runControllers(ctx context.Context, config *rest.Config, ready func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	clients, err := newClients(config)
	if err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(clients.typed, 0)
	started := make(chan struct{})
	garbage, err := newGarbageCollector(ctx, clients, shared, started)
	if err != nil {
		return err
	}
	namespaces := newNamespaceController(ctx, clients, shared)
	clusterRoles := shared.Rbac().V1().ClusterRoles()
	aggregation := clusterroleaggregation.NewClusterRoleAggregation(clusterRoles, clients.typed.RbacV1())

	shared.Start(ctx.Done())
	close(started)
	var running sync.WaitGroup
	running.Go(func() { garbage.Run(ctx, garbageWorkers, discoveryPeriod) })
	running.Go(func() { garbage.Sync(ctx, clients.discovery, discoveryPeriod) })
	running.Go(func() { namespaces.Run(ctx, namespaceWorkers) })
	running.Go(func() { aggregation.Run(ctx, aggregationWorkers) })
	defer running.Wait()

	synced := func(ctx context.Context) (bool, error) {
		return shared.Core().V1().Namespaces().Informer().HasSynced() && clusterRoles.Informer().HasSynced() &&
			garbage.IsSynced(klog.FromContext(ctx)), nil
	}
	if err := wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, synced); err != nil {
		return nil // asked to stop before it was ready
	}
	if err := ready(); err != nil {
		cancel()
		return fmt.Errorf("say that the controllers are ready: %w", err)
	}
	return nil
}

// clients talk to one API server.
type clients struct {
	typed     kubernetes.Interface
	metadata  metadata.Interface
	discovery discovery.DiscoveryInterface
}

func newClients(config *rest.Config) (clients, error) {
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return clients{}, fmt.Errorf("create a client: %w", err)
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return clients{}, fmt.Errorf("create a metadata client: %w", err)
	}
	return clients{typed: typed, metadata: metadataClient, discovery: typed.Discovery()}, nil
}

// newGarbageCollector wires it as kube-controller-manager does.
func newGarbageCollector(ctx context.Context, c clients, shared informers.SharedInformerFactory, started <-chan struct{}) (*garbagecollector.GarbageCollector, error) {
	// The mapper's discovery client is its own: the collector resets it whenever a kind comes or goes.
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.discovery))
	all := informerfactory.NewInformerFactory(shared, metadatainformer.NewSharedInformerFactory(c.metadata, 0))
	collector, err := garbagecollector.NewGarbageCollector(
		ctx, c.typed, c.metadata, mapper, garbagecollector.DefaultIgnoredResources(), all, started)
	if err != nil {
		return nil, fmt.Errorf("create the garbage collector: %w", err)
	}
	return collector, nil
}

func newNamespaceController(ctx context.Context, c clients, shared informers.SharedInformerFactory) *namespace.NamespaceController {
	return namespace.NewNamespaceController(ctx, c.typed, c.metadata, c.discovery.ServerPreferredNamespacedResources,
		shared.Core().V1().Namespaces(), namespaceResync, corev1.FinalizerKubernetes)
}
