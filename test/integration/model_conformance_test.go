package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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
	modelLanes        = 10
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
	Metadata *seenObject // the same, read as metadata alone; of calls that ask for it
}

// perform makes a call and looks at what has become of its object.
func (s *modelSide) perform(ctx context.Context, t *rapid.T, c modelCall) outcome {
	before := s.version(c.slot)
	answer, err := c.do(ctx, s)
	result := outcome{Refusal: refusal(t, err)}
	stored := s.read(ctx, t, c.slot)
	if stored != nil {
		seen := s.see(stored, before)
		result.Stored = &seen
		if c.metadata {
			result.Metadata = s.readMetadata(ctx, t, c.slot, before)
		}
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
func (s *modelSide) read(ctx context.Context, t *rapid.T, slot modelSlot) client.Object {
	var object client.Object = &corev1.Secret{}
	if slot.kind == "ApiKey" {
		object = apiobject.New()
	}
	return s.get(ctx, t, slot, object)
}

func (s *modelSide) readMetadata(ctx context.Context, t *rapid.T, slot modelSlot, before string) *seenObject {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(slot.kind))
	if slot.kind == "ApiKey" {
		object.SetGroupVersionKind(apiobject.New().GroupVersionKind())
	}
	if s.get(ctx, t, slot, object) == nil {
		return nil
	}
	seen := s.see(object, before)
	return &seen
}

func (s *modelSide) get(ctx context.Context, t *rapid.T, slot modelSlot, object client.Object) client.Object {
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
	text := fmt.Sprintf("%d %s", status.Status().Code, status.Status().Reason)
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		text += " in a terminating namespace"
	}
	return text
}

// modelReplay is what all lanes share.
type modelReplay struct {
	admin     client.WithWatch
	manager   client.Client
	sequences atomic.Int64

	lock    sync.Mutex
	answers map[string]int // how often each verb was answered how
}

// wantAnswers must have been seen for the replay to mean something.
var wantAnswers = []string{
	"create: done", "create: 409 AlreadyExists", "create: 422 Invalid", "create: 500 ", "create: 403 Forbidden in a terminating namespace",
	"update: done", "update: 404 NotFound", "update: 409 Conflict", "update: 422 Invalid", "update: 500 ",
	"put status: done", "put status: 404 NotFound", "put status: 409 Conflict", "put status: 422 Invalid", "put status: 500 ",
	"patch: done", "patch: 404 NotFound", "patch: 409 Conflict", "patch: 422 Invalid",
	"delete: done", "delete: 404 NotFound", "delete: 409 Conflict",
}

func TestModelAnswersAsTheAPIServerDoes(t *testing.T) {
	t.Parallel()
	replay := &modelReplay{admin: watchingClient(t, admin(t)), manager: manager(t).client(t), answers: map[string]int{}}
	began := time.Now()
	var lanes sync.WaitGroup // not parallel tests: lanes wait for the API server, so there may be more than processors
	for lane := range modelLanes {
		lanes.Go(func() {
			t.Run(fmt.Sprintf("lane %d", lane), replay.lane)
		})
	}
	lanes.Wait()
	calls := 0
	for _, times := range replay.answers {
		calls += times
	}
	t.Logf("replayed %d sequences with %d calls in %s: %v", replay.sequences.Load(), calls, time.Since(began).Round(time.Second), replay.answers)
	if replay.sequences.Load() < modelMinSequences {
		t.Errorf("only %d sequences were replayed, want %d at least", replay.sequences.Load(), modelMinSequences)
	}
	for _, answer := range wantAnswers {
		if replay.answers[answer] == 0 {
			t.Errorf("the answer %q never came, so the model was not held to it", answer)
		}
	}
}

func (r *modelReplay) count(c modelCall, refusal string) {
	if refusal == "" {
		refusal = "done"
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	r.answers[c.verb+": "+refusal]++
}

// lane replays sequences one after the other in a namespace, each under names of its own. The model stamps nobody.
func (r *modelReplay) lane(t *testing.T) {
	namespace := freshUnstampedNamespace(t)
	feed := r.watch(t, namespace)
	sequence := 0
	rapid.Check(t, func(rt *rapid.T) {
		sequence++
		prefix := fmt.Sprintf("s%d-", sequence)
		if terminates := rapid.IntRange(0, 19).Draw(rt, "terminates") == 7; terminates {
			r.sequence(t.Context(), rt, freshUnstampedNamespace(t), prefix, true)
			return
		}
		feed.want[prefix] = r.sequence(t.Context(), rt, namespace, prefix, false)
	})
	if !t.Failed() {
		feed.compare(t)
	}
}

// sequence makes random calls on both sides and returns what the model has stored.
func (r *modelReplay) sequence(ctx context.Context, t *rapid.T, namespace, prefix string, terminates bool) *apimodel.Store {
	store := apimodel.New(apimodel.Options{Clock: clock.RealClock{}})
	modelled := store.Client(apimodel.ClientOptions{})
	server, model := newModelSide(r.admin, r.manager, namespace, prefix), newModelSide(modelled, modelled, namespace, prefix)
	defer server.release(ctx, t)
	defer model.release(ctx, t)
	var made []modelCall
	for i := range rapid.IntRange(6, 12).Draw(t, "calls") {
		if terminates && i == 4 {
			server.must(t, r.admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
			store.TerminateNamespace(namespace)
		}
		c := drawModelCall(t, func(slot modelSlot) bool { return model.read(ctx, t, slot) != nil })
		made = append(made, c)
		want, got := server.perform(ctx, t, c), model.perform(ctx, t, c)
		r.count(c, want.Refusal)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the model differs after\n%s\n(-API server +model):\n%s", callList(made), diff)
		}
	}
	r.sequences.Add(1)
	return store
}

func callList(calls []modelCall) string {
	var text strings.Builder
	for i, c := range calls {
		fmt.Fprintf(&text, "%3d. %s\n", i+1, c)
	}
	return text.String()
}

// release lets go of what finalizers hold when a sequence is over.
func (s *modelSide) release(ctx context.Context, t *rapid.T) {
	for slot := range s.states {
		object := s.read(ctx, t, slot)
		if object == nil || len(object.GetFinalizers()) == 0 {
			continue
		}
		object.SetFinalizers(nil)
		s.must(t, s.admin.Update(ctx, object))
	}
}

func (s *modelSide) must(t *rapid.T, err error) {
	if err != nil {
		t.Fatalf("in namespace %s: %v", s.namespace, err)
	}
}
