package integration

import (
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apikey"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	policyengine "github.com/apikey-operator/apikey-operator/internal/policy"
)

// The durations of the lab. Its clock is a fake one, so none of them is ever waited for.
const (
	labGrace        = 24 * time.Hour // where the spec names none
	labPublishDelay = 2 * time.Second
	labFence        = 40 * time.Second
	labWriteWindow  = 8 * time.Second

	labExpiringWindow = 720 * time.Hour

	// labLanded is how long after it was given up a write can land no more, by any manager's clock.
	labLanded = labFence + 2*lifecycle.ClockTolerance

	// labTakeover is how long a leader must at least be paused before another one works: it works on
	// for 12 s after it last renewed its lease of 20 s.
	labTakeover = 8 * time.Second
)

// lab is one ApiKey on the real API server with everything else in the test's hands: the managers'
// processes, their clock, each call that they make, and what verifiers have heard at which time.
type lab struct {
	t         *testing.T
	admin     client.Client
	manager   client.Client
	clock     *clocktesting.FakePassiveClock
	events    *events.FakeRecorder
	name      types.NamespacedName
	labels    map[string]string    // of its namespace
	spec      string               // of the ApiKey when it is made, as JSON
	window    time.Duration        // the managers' write window
	offset    time.Duration        // by how much the API server's clock is ahead of the managers'
	restoring bool                 // the managers run in restore mode
	byDefault policyengine.Default // what becomes of namespaces that no policy selects
	foreign   []string             // keys of others, which must be told nowhere either
	lost      int                  // how often a newly published Secret was deleted by a fault
	heard     []snapshot           // the ApiKey after each change, oldest first
	published []string             // what ever stood in the Secret and was put there by a manager, oldest first
	dead      []string             // what was published and has ended for good
	ends      map[string]time.Time // by encoded hash: until when it was promised to work
	tampered  bool                 // somebody else wrote the Secret last
	rewriting bool                 // the API server stores another value than managers send
	late      []func()             // writes that were given up and have not landed yet
}

// snapshot is an ApiKey as verifiers heard of it at a time.
type snapshot struct {
	at     time.Time
	object *unstructured.Unstructured
}

// labClients are shared by all labs: there are about a thousand, and a client begins by asking the API
// server for all that it serves.
var labClients struct {
	once           sync.Once
	admin, manager client.Client
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return newLabOf(t, `{"permissions":["read"]}`)
}

// newLabOf is a lab whose ApiKey begins with that spec.
func newLabOf(t *testing.T, spec string) *lab {
	t.Helper()
	l := emptyLab(t, spec, nil)
	l.createApiKey()
	return l
}

// emptyLab is a lab in a namespace with those labels, before there is an ApiKey.
func emptyLab(t *testing.T, spec string, labels map[string]string) *lab {
	t.Helper()
	labClients.once.Do(func() {
		labClients.admin, labClients.manager = admin(t).client(t), manager(t).client(t)
	})
	l := &lab{
		t:       t,
		admin:   labClients.admin,
		manager: labClients.manager,
		clock:   clocktesting.NewFakePassiveClock(time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)),
		ends:    map[string]time.Time{},
		events:  events.NewFakeRecorder(1000),
		window:  labWriteWindow,
		name:    types.NamespacedName{Name: "probe"},
		spec:    spec,
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "lab-", Labels: labels}}
	l.must(l.admin.Create(t.Context(), namespace))
	l.name.Namespace, l.labels = namespace.Name, namespace.Labels
	t.Cleanup(func() { l.takeEvents() })
	return l
}

func (l *lab) createApiKey() {
	l.t.Helper()
	object := apiobject.New()
	l.must(object.UnmarshalJSON([]byte(apiKey(l.name.Name, l.spec))))
	object.SetNamespace(l.name.Namespace)
	l.must(l.admin.Create(l.t.Context(), object))
	l.hear()
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// hear lets verifiers know of the ApiKey as it is.
func (l *lab) hear() {
	object := apiobject.New()
	err := l.admin.Get(l.t.Context(), l.name, object)
	if apierrors.IsNotFound(err) {
		object = nil
	} else {
		l.must(err)
	}
	l.heard = append(l.heard, snapshot{at: l.clock.Now(), object: object})
}

func (l *lab) advance(d time.Duration) { l.clock.SetTime(l.clock.Now().Add(d)) }

// apiKey is the ApiKey as it is.
func (l *lab) apiKey() *v1alpha1.ApiKey {
	l.t.Helper()
	key := &v1alpha1.ApiKey{}
	l.must(l.admin.Get(l.t.Context(), l.name, key))
	return key
}

// secret is the Secret as it is; nil for none.
func (l *lab) secret() *corev1.Secret {
	l.t.Helper()
	secret := &corev1.Secret{}
	err := l.admin.Get(l.t.Context(), l.name, secret)
	if apierrors.IsNotFound(err) {
		return nil
	}
	l.must(err)
	return secret
}

func (l *lab) deleteSecret() {
	l.t.Helper()
	l.must(client.IgnoreNotFound(l.admin.Delete(l.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.name.Namespace, Name: l.name.Name},
	})))
}

// edit changes the spec as its author would.
func (l *lab) edit(patch string) {
	l.t.Helper()
	key := &v1alpha1.ApiKey{ObjectMeta: metav1.ObjectMeta{Namespace: l.name.Namespace, Name: l.name.Name}}
	l.must(l.admin.Patch(l.t.Context(), key, client.RawPatch(types.MergePatchType, []byte(patch))))
	l.hear()
}

// process is one run of a manager: it holds plaintexts until it dies.
type process struct {
	lab        *lab
	reconciler *apikey.Reconciler
	calls      []string // made to the API server, in order
	fault      fault
	dead       bool

	deletions    []client.Preconditions // that Secrets were deleted with
	beforeDelete func()                 // what happens once before a Secret is deleted; nil for nothing
}

// start begins a manager's process in which fault happens, if any.
func (l *lab) start(f fault) *process {
	l.t.Helper()
	p := &process{lab: l, fault: f}
	calls := processClient{Client: l.manager, process: p}
	p.reconciler = apikey.New(apikey.Options{
		Cached:      labCaches{Reader: l.manager, namespace: l.name.Namespace},
		Live:        calls,
		Writer:      calls,
		Clock:       l.clock,
		Random:      rand.Reader,
		Events:      l.events,
		Metrics:     apikey.NewMetrics(prometheus.NewRegistry()),
		Settings:    lifecycle.Settings{PublishDelay: labPublishDelay, Fence: labFence, ExpiringWindow: labExpiringWindow},
		WriteWindow: l.window,
		ClockOffset: func() time.Duration { return l.offset },
		Judge:       l.book(),
		RestoreMode: l.restoring,
	})
	return p
}

// errKilled is what a call returns in a process that is gone; nobody is there to see it.
var errKilled = errors.New("the process is gone")

// settle lets the process work until it has nothing left to do, and what was given up can land no more, and
// reports whether it lived.
func (p *process) settle() bool {
	p.lab.t.Helper()
	return p.settleWithin(labLanded + 2*time.Second)
}

// settleWithin waits for nothing that is further away than patience.
func (p *process) settleWithin(patience time.Duration) bool {
	l := p.lab
	l.t.Helper()
	const enough = 60
	for range enough {
		if p.dead {
			return false
		}
		result, err := p.reconciler.Reconcile(l.t.Context(), ctrl.Request{NamespacedName: l.name})
		l.check()
		switch {
		case err != nil:
			l.advance(time.Second) // the work queue's back-off
		case result.RequeueAfter > 0 && result.RequeueAfter <= patience:
			l.advance(result.RequeueAfter)
		default:
			return !p.dead
		}
	}
	l.t.Fatalf("the manager does not come to rest; its calls: %q", p.calls)
	return false
}

// settleWithSuccessors goes on with new processes until one lives to the end.
func (p *process) settleWithSuccessors() {
	p.lab.t.Helper()
	if p.settle() {
		return
	}
	if !p.lab.start(fault{}).settle() {
		p.lab.t.Fatal("a process without a fault died")
	}
}

// landLate lets the writes land that were given up before.
func (l *lab) landLate() {
	for _, land := range l.late {
		land()
	}
	l.late = nil
}

// expectQuiet holds that a new process finds nothing to write and no reason to read the Secret.
func (l *lab) expectQuiet() {
	l.t.Helper()
	p := l.start(fault{})
	if !p.settle() {
		l.t.Fatal("a process without a fault died")
	}
	if len(p.calls) > 0 {
		l.t.Errorf("restart is quiet: a new process with nothing to do made the calls %q", p.calls)
	}
}

func (l *lab) expectPublished(want int) {
	l.t.Helper()
	if got := len(l.published); got != want {
		l.t.Errorf("%d credentials were published, want %d", got, want)
	}
}
