package integration

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
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
	"github.com/apikey-operator/apikey-operator/controllers/indexfeed"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// The durations of the lab. Its clock is a fake one, so none of them is ever waited for.
const (
	labGrace        = 24 * time.Hour
	labPublishDelay = 2 * time.Second
	labFence        = 40 * time.Second
	labWriteWindow  = 8 * time.Second

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
	window    time.Duration        // the managers' write window
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
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "lab-"}}
	l.must(l.admin.Create(t.Context(), namespace))
	l.name.Namespace = namespace.Name
	l.createApiKey()
	return l
}

func (l *lab) createApiKey() {
	l.t.Helper()
	key := &v1alpha1.ApiKey{ObjectMeta: metav1.ObjectMeta{Namespace: l.name.Namespace, Name: l.name.Name}}
	key.Spec.Permissions = []v1alpha1.Permission{"read"}
	l.must(l.admin.Create(l.t.Context(), key))
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
}

// start begins a manager's process in which fault happens, if any.
func (l *lab) start(f fault) *process {
	l.t.Helper()
	p := &process{lab: l, fault: f}
	calls := processClient{Client: l.manager, process: p}
	p.reconciler = apikey.New(apikey.Options{
		Cached:      l.manager, // caches that are never stale; see the tests with stale ones
		Live:        calls,
		Writer:      calls,
		Clock:       l.clock,
		Random:      rand.Reader,
		Events:      l.events,
		Metrics:     apikey.NewMetrics(prometheus.NewRegistry()),
		Settings:    lifecycle.Settings{GracePeriod: labGrace, PublishDelay: labPublishDelay, Fence: labFence},
		WriteWindow: l.window,
	})
	return p
}

// errKilled is what a call returns in a process that is gone; nobody is there to see it.
var errKilled = errors.New("the process is gone")

// settle lets the process work until it has nothing left to do, the fence included, and reports whether
// it lived.
func (p *process) settle() bool {
	p.lab.t.Helper()
	return p.settleWithin(labFence + time.Second)
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

// check holds what must always be true against the world as it is.
func (l *lab) check() {
	l.t.Helper()
	key := &v1alpha1.ApiKey{}
	if err := l.admin.Get(l.t.Context(), l.name, key); apierrors.IsNotFound(err) {
		return
	}
	secret := l.secret()
	if value, ok := l.ownValue(key, secret); ok {
		l.noteAndCheckValue(key, value)
	}
	l.checkPublished(key)
}

// ownValue is the value of the Secret, if a manager put it there for this very ApiKey.
func (l *lab) ownValue(key *v1alpha1.ApiKey, secret *corev1.Secret) (string, bool) {
	if secret == nil || l.tampered || !metav1.IsControlledBy(secret, key) {
		return "", false
	}
	return string(secret.Data[key.SecretKey()]), true
}

func (l *lab) noteAndCheckValue(key *v1alpha1.ApiKey, value string) {
	l.t.Helper()
	if slices.Contains(l.dead, value) {
		return // it stands there until the key is revived with another
	}
	if !slices.Contains(l.published, value) {
		l.published = append(l.published, value)
	}
	if !slices.ContainsFunc(key.Status.Credentials, func(c v1alpha1.Credential) bool { return c.Hash == hashOf(value) }) {
		l.t.Errorf("no orphan: the Secret holds a key whose hash is in no status")
	}
	for _, s := range l.heardSince(l.clock.Now().Add(-labPublishDelay)) {
		if !stopped(key) && !stopped(s.apiKey(l.t)) && !l.accepts(s, value) {
			l.t.Errorf("no dead key in a Secret: at %s a verifier that has the events of %s refuses its value",
				l.clock.Now().Format(time.TimeOnly), s.at.Format(time.TimeOnly))
		}
	}
}

// stopped says whether an ApiKey need not work, going by what its author wants and its status.
func stopped(key *v1alpha1.ApiKey) bool {
	return key.Spec.Revoked || key.Spec.Suspended || key.Status.State == v1alpha1.StateExpired
}

// checkPublished holds that the newest published credential works and the one before it during its
// grace period, and that no others do.
func (l *lab) checkPublished(key *v1alpha1.ApiKey) {
	l.t.Helper()
	l.noteEnds(key)
	latest := l.latest()
	var accepted int
	for i, value := range l.published {
		works := l.accepts(latest, value)
		if works {
			accepted++
		}
		age := len(l.published) - 1 - i
		if want := !stopped(key) && age < 2 && !l.over(value); works != want && !l.successorUnderWay(key, age) {
			l.t.Errorf("grace is kept, and nothing comes back: the credential published as number %d of %d works: %t, want %t",
				i+1, len(l.published), works, want)
		}
	}
	for _, value := range l.dead {
		if l.accepts(latest, value) {
			l.t.Errorf("nothing comes back: a credential that has ended works again")
		}
	}
	if accepted > 2 {
		l.t.Errorf("at most two published credentials are accepted, but %d are", accepted)
	}
}

// noteEnds remembers until when each credential was promised to work.
func (l *lab) noteEnds(key *v1alpha1.ApiKey) {
	for _, c := range key.Status.Credentials {
		if c.NotAfter != nil {
			l.ends[c.Hash] = c.NotAfter.Time
		}
	}
}

func (l *lab) over(value string) bool {
	end, ok := l.ends[hashOf(value)]
	return ok && !end.After(l.clock.Now())
}

// bury says that what was published so far has ended and must never work again.
func (l *lab) bury() {
	l.dead = append(l.dead, l.published...)
	l.published = nil
}

func (l *lab) latest() snapshot { return l.heard[len(l.heard)-1] }

// successorUnderWay says whether a newer credential is due to be published, which ends the older of the two.
func (l *lab) successorUnderWay(key *v1alpha1.ApiKey, age int) bool {
	return age == 1 && slices.ContainsFunc(key.Status.Credentials, func(c v1alpha1.Credential) bool {
		due := c.IssuedAt.Add(labPublishDelay)
		return c.State == v1alpha1.CredentialPending && c.NotAfter == nil && !due.After(l.clock.Now())
	})
}

// heardSince is what verifiers may know: the last news from before a time, and all that came after it.
func (l *lab) heardSince(t time.Time) []snapshot {
	first := 0
	for i, s := range l.heard {
		if !s.at.After(t) {
			first = i
		}
	}
	return l.heard[first:]
}

// apiKey is the ApiKey of a snapshot.
func (s snapshot) apiKey(t *testing.T) *v1alpha1.ApiKey {
	t.Helper()
	if s.object == nil {
		return &v1alpha1.ApiKey{}
	}
	key, err := apiobject.Decode(s.object)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// accepts asks the verifier's own feed, index and decision.
func (l *lab) accepts(s snapshot, value string) bool {
	l.t.Helper()
	if s.object == nil {
		return false
	}
	x := index.New()
	feed := indexfeed.New(x, silent{}, l.clock, slog.New(slog.DiscardHandler))
	l.must(feed.Add(s.object.DeepCopy()))
	nothing, err := authn.ParseRequirement("")
	l.must(err)
	decision := authn.NewDecider(x).Decide(&authn.Request{
		Ready:       true,
		Requirement: nothing,
		Credential:  authn.NewCredential([]byte(value)),
		Now:         l.clock.Now(),
	})
	return decision.Reason == authn.Allowed
}

func hashOf(value string) string { return keys.HashV1(value).Encode() }

type silent struct{}

func (silent) EventSeen(float64) {}
func (silent) Undecodable(int)   {}

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
