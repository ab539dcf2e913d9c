package audit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

var (
	secretsResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	eventsResource  = schema.GroupVersionResource{Group: "events.k8s.io", Version: "v1", Resource: "events"}
)

// The files that a witness writes, beside the logs of the processes.
const (
	objectsFile  = "objects.jsonl" // every state of every ApiKey, and every event
	refusalsFile = "refusals.txt"  // what clients were answered other than 200
)

// Witness sees every key that is put into a Secret, and writes down whatever else the operator tells.
type Witness struct {
	objects, refusals *os.File
	stop              context.CancelFunc

	mu       sync.Mutex
	issued   map[string]owner  // by the key itself
	prefixes map[string]string // what the keys of an ApiKey begin with, by its UID
	problems []error
}

// owner is the ApiKey that a key was issued for.
type owner struct{ namespace, name, uid string }

// Watch starts watching, and returns when it has seen what is there already. It watches until Stop is
// called, not until ctx ends: what happens while a test cleans up counts as well.
func Watch(ctx context.Context, kube dynamic.Interface, dir string) (*Witness, error) {
	w := &Witness{issued: map[string]owner{}, prefixes: map[string]string{}}
	var err error
	if w.objects, err = os.Create(filepath.Join(dir, objectsFile)); err != nil {
		return nil, err
	}
	if w.refusals, err = os.Create(filepath.Join(dir, refusalsFile)); err != nil {
		return nil, err
	}
	factory := dynamicinformer.NewDynamicSharedInformerFactory(kube, 0)
	for resource, see := range map[schema.GroupVersionResource]func(*unstructured.Unstructured){
		v1alpha1.ApiKeyResource: w.seeApiKey,
		eventsResource:          w.writeDown,
		secretsResource:         w.seeSecret,
	} {
		_, err := factory.ForResource(resource).Informer().AddEventHandler(handler(see))
		if err != nil {
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, err)
		}
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop = stop
	factory.Start(watching.Done())
	for resource, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, ctx.Err())
		}
	}
	return w, nil
}

// Stop ends the watching.
func (w *Witness) Stop() { w.stop() }

func handler(see func(*unstructured.Unstructured)) cache.ResourceEventHandlerFuncs {
	look := func(object any) {
		if u, ok := object.(*unstructured.Unstructured); ok {
			see(u)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    look,
		UpdateFunc: func(_, object any) { look(object) },
		DeleteFunc: look,
	}
}

func (w *Witness) seeApiKey(object *unstructured.Unstructured) {
	// A spec that is no object, as some tests store it, says nothing of a prefix and has no keys.
	prefix, _, err := unstructured.NestedString(object.Object, "spec", "format", "prefix")
	if prefix == "" || err != nil {
		prefix = keys.DefaultPrefix
	}
	w.mu.Lock()
	w.prefixes[string(object.GetUID())] = prefix
	w.mu.Unlock()
	w.writeDown(object)
}

// seeSecret takes as a key whatever has the checksum of one, so that a Secret of somebody else's does not
// count. Secrets are not written down: there the keys are where they belong.
func (w *Witness) seeSecret(object *unstructured.Unstructured) {
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, err)
	for _, encoded := range data {
		key, err := base64.StdEncoding.DecodeString(encoded)
		w.problems = append(w.problems, err)
		if !keys.ChecksumOK(key) {
			continue
		}
		for _, reference := range object.GetOwnerReferences() {
			w.issued[string(key)] = owner{object.GetNamespace(), reference.Name, string(reference.UID)}
		}
	}
}

func (w *Witness) writeDown(object *unstructured.Unstructured) {
	line, err := json.Marshal(object)
	w.mu.Lock()
	defer w.mu.Unlock()
	_, writeErr := w.objects.Write(append(line, '\n'))
	w.problems = append(w.problems, err, writeErr)
}

// Told writes down bytes that a client got, whatever they are.
func (w *Witness) Told(content []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.refusals.Write(content)
	w.problems = append(w.problems, err)
}

// randomParts are the keys issued so far without their prefixes, each with the ApiKey that it is of.
func (w *Witness) randomParts() (map[string]owner, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	parts := map[string]owner{}
	for key, of := range w.issued {
		prefix, known := w.prefixes[of.uid]
		random, cut := strings.CutPrefix(key, prefix)
		if !known || !cut {
			return nil, fmt.Errorf("the key of ApiKey %s/%s does not begin as its spec says", of.namespace, of.name)
		}
		parts[random] = of
	}
	return maps.Clone(parts), errors.Join(w.problems...)
}
