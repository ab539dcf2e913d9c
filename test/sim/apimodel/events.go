package apimodel

import (
	"sort"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Event is one change as a watch reports it.
type Event struct {
	Type    watch.EventType // Added, Modified or Deleted
	Version int64           // the resource version of the change, which the object carries

	before, record *record
}

// Kind is the kind of the object.
func (e Event) Kind() Kind { return e.record.kind }

// Name is the name of the object.
func (e Event) Name() types.NamespacedName { return nameOf(e.record.meta) }

// Object is the object as stored, of a deleted one as it was last: an *unstructured.Unstructured of an
// ApiKey, a *corev1.Secret of a Secret. It is shared and must not be changed.
func (e Event) Object() client.Object { return e.record.object() }

// Before is what Object was before the change, shared; nil where the object is new.
func (e Event) Before() client.Object {
	if e.before == nil {
		return nil
	}
	return e.before.object()
}

// ApiKey is the object, an ApiKey, decoded; shared.
func (e Event) ApiKey() (*v1alpha1.ApiKey, error) {
	if e.record.kind != ApiKeys {
		return nil, notModelled("decoding another kind than ApiKey")
	}
	return e.record.apiKey()
}

// Events are the changes of a kind after a version, oldest first. The slice is shared.
func (s *Store) Events(kind Kind, after int64) []Event {
	all := s.events[kind]
	first := sort.Search(len(all), func(i int) bool { return all[i].Version > after })
	return all[first:len(all):len(all)]
}
