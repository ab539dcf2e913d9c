package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// What is held of the labs in which a manager works without faults.

// sibling is a lab of another ApiKey in the same namespace, with the same clock.
func (l *lab) sibling(name, spec string) *lab {
	l.t.Helper()
	s := &lab{
		t: l.t, admin: l.admin, manager: l.manager, clock: l.clock, window: l.window, spec: spec,
		events: events.NewFakeRecorder(1000),
		name:   types.NamespacedName{Namespace: l.name.Namespace, Name: name},
		ends:   l.ends, byDefault: l.byDefault,
	}
	s.createApiKey()
	l.t.Cleanup(func() { s.takeEvents() })
	return s
}

// work lets a new process do all there is to do.
func (l *lab) work() *process {
	l.t.Helper()
	p := l.start(fault{})
	if !p.settle() {
		l.t.Fatal("a process without a fault died")
	}
	return p
}

// value is what stands in the Secret under the wanted data key.
func (l *lab) value() string {
	l.t.Helper()
	secret := l.secret()
	if secret == nil {
		l.t.Fatal("there is no Secret")
	}
	return string(secret.Data[l.apiKey().SecretKey()])
}

func (l *lab) expectAccepted(value, which string) {
	l.t.Helper()
	if !l.accepts(l.latest(), value) {
		l.t.Errorf("a verifier refuses %s", which)
	}
}

func (l *lab) expectRefused(value, which string) {
	l.t.Helper()
	if l.accepts(l.latest(), value) {
		l.t.Errorf("a verifier accepts %s", which)
	}
}

// expectCredentials compares the revisions and states of the status, such as "2 Current, 1 Previous".
func (l *lab) expectCredentials(want string) {
	l.t.Helper()
	var words []string
	for _, c := range l.apiKey().Status.Credentials {
		words = append(words, fmt.Sprintf("%d %s", c.Revision, c.State))
	}
	if got := strings.Join(words, ", "); got != want {
		l.t.Errorf("the status lists the credentials %q, want %q", got, want)
	}
}

func (p *process) expectWrites(want string) {
	p.lab.t.Helper()
	if got := strings.Join(writesIn(p.calls), ", "); got != want {
		p.lab.t.Errorf("the manager made the writes %q, want %q", got, want)
	}
}

// expectNoSecret holds that no Secret of the ApiKey's name stands.
func (l *lab) expectNoSecret() {
	l.t.Helper()
	if l.secret() != nil {
		l.t.Errorf("there is a Secret of the ApiKey's name")
	}
}

// credential is the current credential.
func (l *lab) credential() v1alpha1.Credential {
	l.t.Helper()
	for _, c := range l.apiKey().Status.Credentials {
		if c.State == v1alpha1.CredentialCurrent {
			return c
		}
	}
	l.t.Fatal("there is no current credential")
	return v1alpha1.Credential{}
}

// sha256Of is the hash of a key as an author writes it into spec.source.hash.
func sha256Of(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func (l *lab) expectState(state v1alpha1.ApiKeyState, condition string, status metav1.ConditionStatus, reason string) {
	l.t.Helper()
	key := l.apiKey()
	if key.Status.State != state {
		l.t.Errorf("the state is %s, want %s", key.Status.State, state)
	}
	if key.Status.ObservedGeneration != key.Generation {
		l.t.Errorf("the status speaks of generation %d, the spec is at %d", key.Status.ObservedGeneration, key.Generation)
	}
	got := meta.FindStatusCondition(key.Status.Conditions, condition)
	if got == nil || got.Status != status || got.Reason != reason || got.ObservedGeneration != key.Generation {
		l.t.Errorf("the condition %s is %+v, want %s with reason %s", condition, got, status, reason)
	}
}

func (l *lab) expectMessage(condition, words string) {
	l.t.Helper()
	got := meta.FindStatusCondition(l.apiKey().Status.Conditions, condition)
	if got == nil || !strings.Contains(got.Message, words) {
		l.t.Errorf("the condition %s is %+v, want its message to contain %q", condition, got, words)
	}
}

func (l *lab) expectNoCondition(condition string) {
	l.t.Helper()
	if got := meta.FindStatusCondition(l.apiKey().Status.Conditions, condition); got != nil {
		l.t.Errorf("there is a condition %+v, want none", got)
	}
}

// takeEvents empties the list of events that were made, and holds that none tells a key.
func (l *lab) takeEvents() []string {
	l.t.Helper()
	var taken []string
	for {
		select {
		case e := <-l.events.Events:
			l.expectNoKeyIn("an event", e)
			taken = append(taken, e)
		default:
			return taken
		}
	}
}

// expectEvents holds that exactly these events were made since the last look, by how they begin.
func (l *lab) expectEvents(want ...string) {
	l.t.Helper()
	got := l.takeEvents()
	if len(got) != len(want) {
		l.t.Errorf("the events are %q, want %q", got, want)
		return
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			l.t.Errorf("event %d is %q, want it to begin with %q", i+1, got[i], want[i])
		}
	}
}
