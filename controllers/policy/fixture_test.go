package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

var now = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

// cluster is a reader of what a test put there.
type cluster struct {
	t          *testing.T
	namespaces map[string]map[string]string // labels by name
	policies   []unstructured.Unstructured
	keys       []unstructured.Unstructured
	listed     []string // of which namespace ApiKeys were listed
}

func newCluster(t *testing.T) *cluster {
	return &cluster{t: t, namespaces: map[string]map[string]string{}}
}

// object is an object of that kind with a spec in YAML.
func (c *cluster) object(kind, namespace, name, spec string) unstructured.Unstructured {
	c.t.Helper()
	text := fmt.Sprintf(`
apiVersion: apikey-operator.dev/v1alpha1
kind: %s
metadata: {namespace: %q, name: %s, uid: uid-of-%s, resourceVersion: "1", generation: 1}
spec: %s`, kind, namespace, name, name, spec)
	o := unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		c.t.Fatalf("%v in %s", err, text)
	}
	return o
}

func (c *cluster) policy(name, spec string) *unstructured.Unstructured {
	c.t.Helper()
	c.policies = append(c.policies, c.object("ApiKeyPolicy", "", name, spec))
	return &c.policies[len(c.policies)-1]
}

// typed is a policy that does not stand in the cluster.
func (c *cluster) typed(name, spec string) *v1alpha1.ApiKeyPolicy {
	c.t.Helper()
	p := &v1alpha1.ApiKeyPolicy{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(c.object("ApiKeyPolicy", "", name, spec).Object, p); err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (c *cluster) key(namespace, name, spec string) *unstructured.Unstructured {
	c.t.Helper()
	c.keys = append(c.keys, c.object("ApiKey", namespace, name, spec))
	return &c.keys[len(c.keys)-1]
}

// Get implements client.Reader for what a Book gets: the labels of a namespace.
func (c *cluster) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	labels, ok := c.namespaces[key.Name]
	namespace, isMetadata := into.(*metav1.PartialObjectMetadata)
	if !isMetadata || namespace.Kind != "Namespace" {
		return fmt.Errorf("the book got a %T", into)
	}
	if !ok {
		return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("namespaces").GroupResource(), key.Name)
	}
	namespace.Name, namespace.Labels = key.Name, labels
	return nil
}

// List implements client.Reader for what a Book lists.
func (c *cluster) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	asked := (&client.ListOptions{}).ApplyOptions(options)
	switch list := into.(type) {
	case *metav1.PartialObjectMetadataList:
		for _, name := range slices.Sorted(maps.Keys(c.namespaces)) {
			list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: c.namespaces[name]}})
		}
	case *unstructured.UnstructuredList:
		if strings.HasPrefix(list.GetKind(), "ApiKeyPolicy") {
			list.Items = c.policies
			return nil
		}
		c.listed = append(c.listed, asked.Namespace)
		for _, key := range c.keys {
			if asked.Namespace == "" || key.GetNamespace() == asked.Namespace {
				list.Items = append(list.Items, key)
			}
		}
	default:
		return fmt.Errorf("the book listed a %T", into)
	}
	return nil
}
