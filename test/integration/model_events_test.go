package integration

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/test/sim/apimodel"
)

// watchingClient acts as an identity and can watch.
func watchingClient(t *testing.T, i identity) client.WithWatch {
	t.Helper()
	c, err := client.NewWithWatch(i.config, client.Options{Scheme: i.client(t).Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// modelFeed is what a watch of a namespace reports, and the models of the sequences in it.
type modelFeed struct {
	admin     client.Client
	namespace string
	want      map[string]*apimodel.Store // by the prefix of a sequence's names
	heard     [2]chan []watch.Event      // of ApiKeys and Secrets, once a watch has heard of the last object
}

// lastObject is the name of the object of each kind that is made when a feed is over.
const lastObject = "last"

// watch begins to listen to a namespace in which nothing has happened yet.
func (r *modelReplay) watch(t *testing.T, namespace string) *modelFeed {
	t.Helper()
	feed := &modelFeed{admin: r.admin, namespace: namespace, want: map[string]*apimodel.Store{}}
	for i, list := range []client.ObjectList{apiobject.NewList(), &corev1.SecretList{}} {
		watcher, err := r.admin.Watch(t.Context(), list, client.InNamespace(namespace))
		if err != nil {
			t.Fatal(err)
		}
		feed.heard[i] = make(chan []watch.Event, 1)
		go func() {
			defer watcher.Stop()
			feed.heard[i] <- eventsUntilLast(watcher)
		}()
	}
	return feed
}

func eventsUntilLast(watcher watch.Interface) []watch.Event {
	var events []watch.Event
	for event := range watcher.ResultChan() {
		object, ok := event.Object.(client.Object)
		if ok && object.GetName() == lastObject {
			break
		}
		events = append(events, event)
	}
	return events
}

// modelChange is an event as both sides tell it.
type modelChange struct {
	Type   watch.EventType
	Object seenObject
}

// compare holds what watches reported of each object against what the models say.
func (f *modelFeed) compare(t *testing.T) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: f.namespace, Name: lastObject}
	last := apiobject.New()
	last.SetNamespace(meta.Namespace)
	last.SetName(meta.Name)
	last.Object["spec"] = map[string]any{}
	for _, object := range []client.Object{last, &corev1.Secret{ObjectMeta: meta}} {
		if err := f.admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	heard := map[string][]watch.Event{}
	for _, events := range f.heard {
		for _, event := range <-events {
			object, ok := event.Object.(client.Object)
			if !ok {
				t.Fatalf("a watch was ended by %v", event)
			}
			prefix, _, _ := strings.Cut(object.GetName(), "-")
			heard[prefix+"-"] = append(heard[prefix+"-"], event)
		}
	}
	count := 0
	for prefix, store := range f.want {
		if diff := cmp.Diff(changesOf(heard[prefix]), changesOf(modelEvents(store)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("the model reports other events of %s than watches (-API server +model):\n%s", prefix, diff)
		}
		count += len(heard[prefix])
	}
	if count == 0 {
		t.Error("watches reported nothing, so nothing was compared")
	}
}

func modelEvents(store *apimodel.Store) []watch.Event {
	var events []watch.Event
	for _, kind := range []apimodel.Kind{apimodel.ApiKeys, apimodel.Secrets} {
		for _, event := range store.Events(kind, 0) {
			events = append(events, watch.Event{Type: event.Type, Object: event.Object()})
		}
	}
	return events
}

// changesOf are events by the kind and name of their objects, of each in order.
func changesOf(events []watch.Event) map[modelSlot][]modelChange {
	changes := map[modelSlot][]modelChange{}
	sides := map[modelSlot]*modelSide{}
	versions := map[modelSlot]string{}
	for _, event := range events {
		object := event.Object.(client.Object)
		slot := modelSlot{kind: "ApiKey", name: object.GetName()}
		if _, secret := object.(*corev1.Secret); secret {
			slot.kind = "Secret"
		}
		if sides[slot] == nil {
			sides[slot] = newModelSide(nil, nil, "", "")
		}
		seen := sides[slot].see(object, versions[slot])
		versions[slot] = object.GetResourceVersion()
		changes[slot] = append(changes[slot], modelChange{Type: event.Type, Object: seen})
	}
	return changes
}
