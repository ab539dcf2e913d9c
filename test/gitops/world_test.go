package gitops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// patience bounds every wait; what is waited for takes a few seconds on a machine that has nothing else to do.
const patience = 2 * time.Minute

var (
	apiKeys  = v1alpha1.GroupVersion.WithResource("apikeys")
	policies = v1alpha1.GroupVersion.WithResource("apikeypolicies")
	secrets  = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

// world is the control plane with the operator.
type world struct {
	*stack.Stack

	kube    dynamic.Interface
	mapper  meta.RESTMapper
	manager *stack.Manager
	history *history
}

// startWorld starts everything, the manager last, so that a test can see what an ApiKey is before anybody looked at it.
func startWorld(ctx context.Context, s *stack.Stack) (*world, error) {
	if err := s.StartControlPlane(ctx); err != nil {
		return nil, err
	}
	if _, err := s.Install(ctx); err != nil {
		return nil, err
	}
	if err := s.AllowEverything(ctx); err != nil {
		return nil, err
	}
	config, err := s.AdminConfig()
	if err != nil {
		return nil, err
	}
	w := &world{Stack: s}
	if w.kube, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	w.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds))
	if w.history, err = follow(ctx, w.kube, apiKeys, policies); err != nil {
		return nil, err
	}
	if err := layOut(ctx, w); err != nil {
		return nil, err
	}
	w.manager, err = w.StartManager(ctx, stack.Options{})
	return w, err
}

// kubectl runs kubectl, which must succeed, and returns what it printed.
func (w *world) kubectl(t *testing.T, input string, args ...string) string {
	t.Helper()
	printed, err := w.KubectlWithInput(t.Context(), input, args...)
	if err != nil {
		t.Fatal(err)
	}
	return printed
}

// kubectlFails runs kubectl, which must fail and say words.
func (w *world) kubectlFails(t *testing.T, words, input string, args ...string) {
	t.Helper()
	printed, err := w.KubectlWithInput(t.Context(), input, args...)
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Fatalf("kubectl %s printed %q and ended with %v, want it to fail with %q", strings.Join(args, " "), printed, err, words)
	}
}

// newNamespace makes a namespace and returns its name.
func (w *world) newNamespace(t *testing.T, name string) string {
	t.Helper()
	if err := w.makeNamespace(t.Context(), name, nil); err != nil {
		t.Fatal(err)
	}
	return name
}

func (w *world) makeNamespace(ctx context.Context, name string, labels map[string]string) error {
	namespace := unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	namespace.SetName(name)
	namespace.SetLabels(labels)
	_, err := w.kube.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Create(ctx, &namespace, metav1.CreateOptions{})
	return err
}

// get is an object as the API server has it; an empty namespace is that of a cluster-scoped one.
func (w *world) get(t *testing.T, resource schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	object, err := w.kube.Resource(resource).Namespace(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// await waits until an object is as wanted: check says what is missing.
func (w *world) await(t *testing.T, what string, resource schema.GroupVersionResource, namespace, name string,
	check func(*unstructured.Unstructured) error,
) *unstructured.Unstructured {
	t.Helper()
	var found *unstructured.Unstructured
	err := stack.Await(t.Context(), what, patience, func(ctx context.Context) error {
		object, err := w.kube.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		found = object
		return check(object)
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// awaitReady waits until an ApiKey or an ApiKeyPolicy has the condition Ready with a reason, for the spec that it has now.
func (w *world) awaitReady(t *testing.T, resource schema.GroupVersionResource, namespace, name, reason string) *unstructured.Unstructured {
	t.Helper()
	return w.await(t, name+" to be Ready or not with the reason "+reason, resource, namespace, name, func(object *unstructured.Unstructured) error {
		return readyWith(object, reason)
	})
}

func readyWith(object *unstructured.Unstructured, reason string) error {
	ready := conditions(object)["Ready"]
	if observed(object) != object.GetGeneration() {
		return fmt.Errorf("the status speaks of generation %d, the spec is at %d", observed(object), object.GetGeneration())
	}
	if ready["reason"] != reason {
		return fmt.Errorf("Ready is %v (%v): %v", ready["status"], ready["reason"], ready["message"])
	}
	return nil
}

// awaitGone waits until there is no such object.
func (w *world) awaitGone(t *testing.T, resource schema.GroupVersionResource, namespace, name string) {
	t.Helper()
	err := stack.Await(t.Context(), name+" to be gone", patience, func(ctx context.Context) error {
		_, err := w.kube.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("it is still there"))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// resourceOf tells under which resource objects of a kind are found.
func resourceOf(t *testing.T, object *unstructured.Unstructured) schema.GroupVersionResource {
	t.Helper()
	return mapping(t, object).Resource
}

// namespaced says whether an object lives in a namespace, also where it names none.
func namespaced(t *testing.T, object *unstructured.Unstructured) bool {
	t.Helper()
	return mapping(t, object).Scope.Name() == meta.RESTScopeNameNamespace
}

func mapping(t *testing.T, object *unstructured.Unstructured) *meta.RESTMapping {
	t.Helper()
	kind := object.GroupVersionKind()
	found, err := shared.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// observed is the generation that a status speaks of; 0 where it does not say.
func observed(object *unstructured.Unstructured) int64 {
	generation, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	return generation
}

// conditions are those of the status, by their types.
func conditions(object *unstructured.Unstructured) map[string]map[string]any {
	found := map[string]map[string]any{}
	list, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, entry := range list {
		if condition, ok := entry.(map[string]any); ok {
			found[fmt.Sprint(condition["type"])] = condition
		}
	}
	return found
}

// summary tells an object's status in a line.
func summary(object *unstructured.Unstructured) string {
	state, _, _ := unstructured.NestedString(object.Object, "status", "state")
	words := []string{fmt.Sprintf("%s, generation %d, observed %d", state, object.GetGeneration(), observed(object))}
	byType := conditions(object)
	for _, kind := range slices.Sorted(maps.Keys(byType)) {
		words = append(words, fmt.Sprintf("%s=%v (%v)", kind, byType[kind]["status"], byType[kind]["reason"]))
	}
	return strings.Join(words, ", ")
}
