package integration

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/test/sim/apimodel"
)

// modelLanes replay sequences beside each other, a hundred each (or what -rapid.checks says).
const (
	modelLanes        = 12
	modelMinSequences = 1000
)

// controlPlaneEpoch is a time before any object was made.
var controlPlaneEpoch = time.Date(2020, 2, 20, 20, 20, 20, 0, time.UTC)

// modelSide is the API server or the model, and what clients have seen of it in one sequence.
type modelSide struct {
	admin, manager    client.Client
	namespace, prefix string
	states            map[modelSlot][]client.Object // as read after each change, oldest first
	uids              map[types.UID]int             // in the order in which they were seen
}

func newModelSide(admin, manager client.Client, namespace, prefix string) *modelSide {
	return &modelSide{
		admin: admin, manager: manager, namespace: namespace, prefix: prefix,
		states: map[modelSlot][]client.Object{}, uids: map[types.UID]int{},
	}
}

// seenObject is what clients can tell of an object, in words that mean the same on both sides.
type seenObject struct {
	Incarnation int // which UID
	Changed     bool
	Generation  int64
	Created     bool
	Deleting    bool
	Grace       *int64
	Labels      map[string]string
	Annotations map[string]string
	Finalizers  []string
	Owners      []metav1.OwnerReference
	Content     any
}

// see tells what an object is on a side; before is the resource version that it had.
func (s *modelSide) see(object client.Object, before string) seenObject {
	if _, known := s.uids[object.GetUID()]; !known {
		s.uids[object.GetUID()] = len(s.uids)
	}
	seen := seenObject{
		Incarnation: s.uids[object.GetUID()],
		Changed:     object.GetResourceVersion() != before,
		Generation:  object.GetGeneration(),
		Created:     time.Since(object.GetCreationTimestamp().Time) < time.Hour,
		Deleting:    object.GetDeletionTimestamp() != nil,
		Grace:       object.GetDeletionGracePeriodSeconds(),
		Labels:      object.GetLabels(),
		Annotations: object.GetAnnotations(),
		Finalizers:  object.GetFinalizers(),
		Owners:      object.GetOwnerReferences(),
	}
	switch o := object.(type) {
	case *unstructured.Unstructured:
		seen.Content = map[string]any{"spec": o.Object["spec"], "status": o.Object["status"]}
	case *corev1.Secret:
		seen.Content = corev1.Secret{Data: o.Data, StringData: o.StringData, Type: o.Type, Immutable: o.Immutable}
	}
	return seen
}

// outcome is all that a client can tell of a call.
type outcome struct {
	Refusal  string
	Answer   *seenObject // of calls that answer with an object that a generic client can read
	Stored   *seenObject // what is there afterwards; nil for nothing
	Metadata *seenObject // the same, read as metadata alone
}

// perform makes a call and looks at what has become of its object.
func (s *modelSide) perform(t *rapid.T, ctx context.Context, c modelCall) outcome {
	before := s.version(c.slot)
	answer, err := c.do(ctx, s)
	result := outcome{Refusal: refusal(t, err)}
	stored := s.read(t, ctx, c.slot)
	if stored != nil {
		seen := s.see(stored, before)
		result.Stored = &seen
		result.Metadata = s.readMetadata(t, ctx, c.slot, before)
		if seen.Changed {
			s.states[c.slot] = append(s.states[c.slot], stored)
		}
	}
	if err == nil && answer != nil && (c.slot.kind == "Secret" || !c.typed) {
		seen := s.see(answer, before)
		result.Answer = &seen
	}
	return result
}

// version is the resource version in which an object was last read.
func (s *modelSide) version(slot modelSlot) string {
	if states := s.states[slot]; len(states) > 0 {
		return states[len(states)-1].GetResourceVersion()
	}
	return ""
}

// read is an object as it is stored, without the managed fields, which the model has not; nil for none.
func (s *modelSide) read(t *rapid.T, ctx context.Context, slot modelSlot) client.Object {
	var object client.Object = &corev1.Secret{}
	if slot.kind == "ApiKey" {
		object = apiobject.New()
	}
	return s.get(t, ctx, slot, object)
}

func (s *modelSide) readMetadata(t *rapid.T, ctx context.Context, slot modelSlot, before string) *seenObject {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(slot.kind))
	if slot.kind == "ApiKey" {
		object.SetGroupVersionKind(apiobject.New().GroupVersionKind())
	}
	if s.get(t, ctx, slot, object) == nil {
		return nil
	}
	seen := s.see(object, before)
	return &seen
}

func (s *modelSide) get(t *rapid.T, ctx context.Context, slot modelSlot, object client.Object) client.Object {
	err := s.admin.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: s.prefix + slot.name}, object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatalf("read %v: %v", slot, err)
	}
	object.SetManagedFields(nil)
	return object
}

// refusal is what programs can tell of an error.
func refusal(t *rapid.T, err error) string {
	if err == nil {
		return ""
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		t.Fatalf("the call was not answered: %v", err)
	}
	return fmt.Sprintf("%d %s, namespace terminating: %t", status.Status().Code, status.Status().Reason,
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause))
}

// modelReplay is what all lanes share.
type modelReplay struct {
	admin, manager   client.Client
	sequences, calls atomic.Int64
}

func TestModelAnswersAsTheAPIServerDoes(t *testing.T) {
	t.Parallel()
	replay := &modelReplay{admin: admin(t).client(t), manager: manager(t).client(t)}
	began := time.Now()
	t.Run("lanes", func(t *testing.T) {
		for lane := range modelLanes {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				replay.lane(t)
			})
		}
	})
	t.Logf("replayed %d sequences with %d calls in %s", replay.sequences.Load(), replay.calls.Load(), time.Since(began).Round(time.Second))
	if replay.sequences.Load() < modelMinSequences {
		t.Errorf("only %d sequences were replayed, want %d at least", replay.sequences.Load(), modelMinSequences)
	}
}

// lane replays sequences one after the other in a namespace, each under names of its own.
func (r *modelReplay) lane(t *testing.T) {
	namespace := freshNamespace(t)
	sequence := 0
	rapid.Check(t, func(rt *rapid.T) {
		sequence++
		r.sequence(rt, t.Context(), namespace, fmt.Sprintf("s%d-", sequence))
	})
}

func (r *modelReplay) sequence(t *rapid.T, ctx context.Context, namespace, prefix string) {
	store := apimodel.New(apimodel.Options{Clock: clock.RealClock{}})
	modelled := store.Client(apimodel.ClientOptions{})
	real, model := newModelSide(r.admin, r.manager, namespace, prefix), newModelSide(modelled, modelled, namespace, prefix)
	defer real.release(t, ctx, store)
	var made []modelCall
	for i := range rapid.IntRange(6, 12).Draw(t, "calls") {
		c := drawModelCall(t, i == 0)
		made = append(made, c)
		want, got := real.perform(t, ctx, c), model.perform(t, ctx, c)
		r.calls.Add(1)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the model differs after\n%s\n(-API server +model):\n%s", callList(made), diff)
		}
	}
	r.sequences.Add(1)
}

func callList(calls []modelCall) string {
	var text string
	for i, c := range calls {
		text += fmt.Sprintf("%3d. %s\n", i+1, c)
	}
	return text
}

// release lets go of what finalizers hold on the API server when a sequence is over.
func (s *modelSide) release(t *rapid.T, ctx context.Context, _ *apimodel.Store) {
	for slot := range s.states {
		object := s.read(t, ctx, slot)
		if object == nil || len(object.GetFinalizers()) == 0 {
			continue
		}
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		if err := client.IgnoreNotFound(s.admin.Patch(ctx, object, patch)); err != nil {
			t.Errorf("release %v: %v", slot, err)
		}
	}
}
