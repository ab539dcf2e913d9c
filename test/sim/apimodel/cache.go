package apimodel

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cache shows each kind as it was at some version, as a manager's informer caches do: it is empty until
// it is told to go on, each kind goes on by itself, and none goes back. It holds ApiKeys that are not
// decoded and of Secrets the metadata; anything else cannot be read from it.
type Cache struct {
	store   *Store
	options ClientOptions
	views   [kindCount]cacheView
	indexes map[string]client.IndexerFunc
}

var _ client.Reader = &Cache{}

// cacheView is one kind as of a version.
type cacheView struct {
	version int64
	objects map[types.NamespacedName]*record
}

// NewCache makes a cache that has heard of nothing yet.
func (s *Store) NewCache(options ClientOptions) *Cache {
	return &Cache{store: s, options: options}
}

// IndexApiKeys lets ApiKeys be listed by a field, as client.FieldIndexer does. The function is given
// shared *unstructured.Unstructured.
func (c *Cache) IndexApiKeys(field string, values client.IndexerFunc) {
	if c.indexes == nil {
		c.indexes = map[string]client.IndexerFunc{}
	}
	c.indexes[field] = values
}

// Version is what version a kind is shown at.
func (c *Cache) Version(kind Kind) int64 { return c.views[kind].version }

// Pending are the changes of a kind that the cache has not heard of; the slice is shared.
func (c *Cache) Pending(kind Kind) []Event { return c.store.Events(kind, c.views[kind].version) }

// Advance goes on to a version and returns the changes on the way, which a manager's event handlers would
// be told of; the slice is shared.
func (c *Cache) Advance(kind Kind, to int64) []Event {
	view := &c.views[kind]
	pending := c.Pending(kind)
	heard := 0
	for ; heard < len(pending) && pending[heard].Version <= to; heard++ {
		view.apply(pending[heard])
	}
	view.version = max(view.version, min(to, c.store.version))
	return pending[:heard:heard]
}

// CatchUp goes on to the current state of a kind.
func (c *Cache) CatchUp(kind Kind) []Event { return c.Advance(kind, c.store.version) }

func (v *cacheView) apply(event Event) {
	if event.Type == watch.Deleted {
		delete(v.objects, event.Name())
		return
	}
	if v.objects == nil {
		v.objects = make(map[types.NamespacedName]*record, 1)
	}
	v.objects[event.Name()] = event.record
}

// Get implements client.Reader.
func (c *Cache) Get(ctx context.Context, name client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := client.GetOptions{}
	o.ApplyOptions(options)
	kind, err := cachedKind(object)
	if err != nil {
		return err
	}
	found := c.views[kind].objects[name]
	if found == nil {
		of := kinds[kind].kind
		return apierrors.NewNotFound(schema.GroupResource{Group: of.Group, Resource: of.Kind}, name.Name)
	}
	return found.writeTo(object, c.shares(o.UnsafeDisableDeepCopy))
}

func (c *Cache) shares(asked *bool) bool { return c.options.ShareReads || asked != nil && *asked }

// cachedKind is the kind of what can be read from the cache.
func cachedKind(object client.Object) (Kind, error) {
	kind, err := kindOf(object)
	if err != nil {
		return kind, err
	}
	switch object.(type) {
	case *unstructured.Unstructured:
		return kind, nil
	case *metav1.PartialObjectMetadata:
		if kind == Secrets {
			return kind, nil
		}
	}
	return kind, notModelled("%T of %s in a cache", object, kinds[kind].kind.Kind)
}

// List implements client.Reader for ApiKeys that are not decoded: those of a namespace, and those that have
// a value of an index.
func (c *Cache) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := client.ListOptions{}
	o.ApplyOptions(options)
	if o.LabelSelector != nil || o.Limit != 0 || o.Continue != "" {
		return notModelled("selecting in a cached list but by namespace and index")
	}
	_, generic := list.(*unstructured.UnstructuredList)
	if kind, err := kindOfList(list); err != nil || kind != ApiKeys || !generic {
		return notModelled("a list of type %T in a cache", list)
	}
	found := inNamespace(c.views[ApiKeys].objects, o.Namespace)
	if o.FieldSelector != nil {
		var err error
		if found, err = c.selected(found, o.FieldSelector); err != nil {
			return err
		}
	}
	list.SetContinue("continue-not-supported")
	return fill(list, found, c.shares(o.UnsafeDisableDeepCopy))
}

// selected are the ApiKeys that meet all requirements of a selector.
func (c *Cache) selected(from []*record, selector fields.Selector) ([]*record, error) {
	for _, requirement := range selector.Requirements() {
		values, registered := c.indexes[requirement.Field]
		if !registered {
			return nil, fmt.Errorf("index with name field:%s does not exist", requirement.Field)
		}
		if requirement.Operator != selection.Equals && requirement.Operator != selection.DoubleEquals {
			return nil, fmt.Errorf("non-exact field matches are not supported by the cache")
		}
		from = slices.DeleteFunc(from, func(r *record) bool {
			return !slices.Contains(values(r.unstructured()), requirement.Value)
		})
	}
	return from, nil
}
