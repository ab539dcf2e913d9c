package apimodel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Options are what a Store works with.
type Options struct {
	// Clock gives creation and deletion times.
	Clock clock.PassiveClock

	// Validate, if any, is asked before an ApiKey or its status is stored; before is nil for a new one.
	// Both are shared. What it returns is the API server's answer.
	Validate func(before, after *v1alpha1.ApiKey) error
}

// Store is what the API server has stored.
type Store struct {
	options     Options
	version     int64
	lastUID     int64
	objects     [kindCount]map[types.NamespacedName]*record
	events      [kindCount][]Event
	terminating []string
}

// New makes an empty Store.
func New(options Options) *Store { return &Store{options: options} }

// Version is the resource version of the last write of any kind; 0 before the first.
func (s *Store) Version() int64 { return s.version }

// TerminateNamespace lets a namespace be deleted: nothing is created in it any more. What is in it stays
// until somebody deletes it.
func (s *Store) TerminateNamespace(namespace string) {
	if !slices.Contains(s.terminating, namespace) {
		s.terminating = append(s.terminating, namespace)
	}
}

func nameOf(meta *metav1.ObjectMeta) types.NamespacedName {
	return types.NamespacedName{Namespace: meta.Namespace, Name: meta.Name}
}

// get is the current state of an object.
func (s *Store) get(kind Kind, name types.NamespacedName) (*record, error) {
	found := s.objects[kind][name]
	if found == nil {
		return nil, kinds[kind].notFound(name.Name)
	}
	return found, nil
}

// inNamespace are the objects of a namespace, or of all if none is named, in the order of the API server.
func inNamespace(objects map[types.NamespacedName]*record, namespace string) []*record {
	var found []*record
	for name, r := range objects {
		if namespace == "" || name.Namespace == namespace {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *record) int {
		if a.meta.Namespace != b.meta.Namespace {
			return strings.Compare(a.meta.Namespace, b.meta.Namespace)
		}
		return strings.Compare(a.meta.Name, b.meta.Name)
	})
	return found
}

// create stores a new object.
func (s *Store) create(draft *record) (*record, error) {
	info, name := kinds[draft.kind], nameOf(draft.meta)
	if slices.Contains(s.terminating, name.Namespace) {
		return nil, info.terminating(name.Namespace, name.Name)
	}
	s.initMeta(draft)
	if errs := validate(draft, nil); len(errs) > 0 {
		return nil, info.invalid(name.Name, errs)
	}
	if err := s.validateApiKey(nil, draft); err != nil {
		return nil, err
	}
	if version, err := parseVersion(draft.meta.ResourceVersion); err == nil && version != 0 {
		return nil, unexpected("resourceVersion should not be set on objects to be created")
	}
	if s.objects[draft.kind][name] != nil {
		return nil, info.alreadyExists(name.Name)
	}
	return s.put(nil, draft), nil
}

// initMeta fills in what only the API server says of a new object.
func (s *Store) initMeta(draft *record) {
	s.lastUID++
	meta := draft.meta
	meta.UID = types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012x", s.lastUID))
	meta.CreationTimestamp = s.now()
	meta.DeletionTimestamp, meta.DeletionGracePeriodSeconds = nil, nil
	meta.ManagedFields = nil
	if draft.kind == ApiKeys {
		meta.Generation = 1
		draft.status, draft.statusDefaulted = defaultStatus(), true
	}
}

// now is the time as metadata holds it.
func (s *Store) now() metav1.Time {
	return metav1.NewTime(s.options.Clock.Now().Truncate(time.Second).Local())
}

// update replaces a part of an object.
func (s *Store) update(draft *record, p part) (*record, error) {
	current, err := s.get(draft.kind, nameOf(draft.meta))
	if err != nil {
		return nil, err
	}
	if uid := draft.meta.UID; uid != "" && uid != current.meta.UID {
		return nil, kinds[draft.kind].conflict(current.meta.Name,
			fmt.Sprintf("Precondition failed: UID in precondition: %v, UID in object meta: %v", uid, current.meta.UID))
	}
	return s.replace(current, draft, p)
}

// replace is update without its precondition on the UID, which patches do not have.
func (s *Store) replace(current, draft *record, p part) (*record, error) {
	info, name := kinds[draft.kind], current.meta.Name
	if err := checkVersion(info, current.meta, draft.meta); err != nil {
		return nil, err
	}
	next := successor(current, draft, p)
	if errs := validate(next, current); len(errs) > 0 {
		return nil, info.invalid(name, errs)
	}
	if err := s.validateApiKey(current, next); err != nil {
		return nil, err
	}
	if current.meta.DeletionTimestamp != nil && len(next.meta.Finalizers) == 0 {
		s.remove(current)
		return next, nil
	}
	if sameContent(current, next) {
		return current, nil
	}
	return s.put(current, next), nil
}

// delete removes an object, or marks it as deleted while it has finalizers.
func (s *Store) delete(kind Kind, name types.NamespacedName, preconditions *metav1.Preconditions) error {
	current, err := s.get(kind, name)
	if err != nil {
		return err
	}
	if err := checkPreconditions(kinds[kind], current.meta, preconditions); err != nil {
		return err
	}
	switch {
	case len(current.meta.Finalizers) == 0:
		s.remove(current)
	case current.meta.DeletionTimestamp == nil:
		marked := current.withMeta(s.markedDeleted(current.meta))
		marked.statusDefaulted = false // this write stores it as every other does
		s.put(current, marked)
	}
	return nil
}

func (s *Store) markedDeleted(meta *metav1.ObjectMeta) *metav1.ObjectMeta {
	marked, now, immediately := *meta, s.now(), int64(0)
	marked.DeletionTimestamp, marked.DeletionGracePeriodSeconds = &now, &immediately
	if marked.Generation > 0 {
		marked.Generation++
	}
	return &marked
}

// put stores the next state of an object; before is nil for a new one.
func (s *Store) put(before, next *record) *record {
	s.version++
	next.meta.ResourceVersion = formatVersion(s.version)
	if s.objects[next.kind] == nil {
		s.objects[next.kind] = make(map[types.NamespacedName]*record, 1)
	}
	s.objects[next.kind][nameOf(next.meta)] = next
	kind := watch.Modified
	if before == nil {
		kind = watch.Added
	}
	s.log(Event{Type: kind, before: before, record: next})
	return next
}

// remove takes an object away; watchers hear of it as it was last stored.
func (s *Store) remove(current *record) {
	s.version++
	delete(s.objects[current.kind], nameOf(current.meta))
	meta := *current.meta
	meta.ResourceVersion = formatVersion(s.version)
	s.log(Event{Type: watch.Deleted, before: current, record: current.withMeta(&meta)})
}

func (s *Store) log(event Event) {
	event.Version = s.version
	s.events[event.record.kind] = append(s.events[event.record.kind], event)
}

func (s *Store) validateApiKey(before, after *record) error {
	if s.options.Validate == nil || after.kind != ApiKeys {
		return nil
	}
	var old *v1alpha1.ApiKey
	if before != nil {
		var err error
		if old, err = before.apiKey(); err != nil {
			return err
		}
	}
	now, err := after.apiKey()
	if err != nil {
		return err
	}
	err = s.options.Validate(old, now)
	after.typed = nil // it has no resource version yet
	return err
}

func parseVersion(version string) (uint64, error) {
	if version == "" {
		return 0, nil
	}
	return strconv.ParseUint(version, 10, 64)
}
