package integration

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/indexfeed"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/clientaddr"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

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
	l.expectNoKeyIn("the status", asJSON(key.Status))
}

// expectNoKeyIn holds that a text quotes none of the keys that ever were.
func (l *lab) expectNoKeyIn(what, text string) {
	l.t.Helper()
	for _, value := range slices.Concat(l.published, l.dead, l.foreign) {
		if strings.Contains(text, value) {
			l.t.Errorf("%s holds a key", what)
		}
	}
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
		if !stopped(key) && !belowMin(key, value) && !stopped(s.apiKey(l.t)) && !l.accepts(s, value) {
			l.t.Errorf("no dead key in a Secret: at %s a verifier that has the events of %s refuses its value",
				l.clock.Now().Format(time.TimeOnly), s.at.Format(time.TimeOnly))
		}
	}
}

// stopped says whether an ApiKey need not work, going by what its author wants and its status.
func stopped(key *v1alpha1.ApiKey) bool {
	state := key.Status.State
	return key.Spec.Revoked || key.Spec.Suspended || state == v1alpha1.StateExpired || state == v1alpha1.StateDenied
}

// belowMin says whether the spec stops the credential of a value by its revision.
func belowMin(key *v1alpha1.ApiKey, value string) bool {
	return slices.ContainsFunc(key.Status.Credentials, func(c v1alpha1.Credential) bool {
		return c.Hash == hashOf(value) && c.Revision < key.Spec.MinRevision
	})
}

// graceless says whether a credential ends as soon as another is published.
func graceless(key *v1alpha1.ApiKey) bool {
	rotation := key.Spec.Rotation
	return rotation != nil && rotation.GracePeriod != nil && rotation.GracePeriod.Duration == 0
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
		if !works && (l.successorUnderWay(key, age) || age == 1 && graceless(key)) {
			l.ends[hashOf(value)] = l.clock.Now() // it makes way, and does so for good
		}
		if want := !stopped(key) && !belowMin(key, value) && age < 2 && !l.over(value); works != want {
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
		return c.State == v1alpha1.CredentialPending && c.RetiredAt == nil && !due.After(l.clock.Now())
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
	return s.object != nil && l.decide(s, value, "").Reason == authn.Allowed
}

// decide is what a verifier that has heard of a snapshot, and of nothing else, answers a request with a key on a
// route with that requirement.
func (l *lab) decide(s snapshot, value, requirement string) authn.Decision {
	l.t.Helper()
	return decide(l.t, []any{s.object.DeepCopy()}, value, requirement, l.clock.Now())
}

// requester is where all requests of the labs come from.
var requester = clientaddr.Known(netip.MustParseAddr("10.1.2.3"))

// decide is what a verifier that has heard of these ApiKeys answers.
func decide(t *testing.T, apiKeys []any, value, requirement string, now time.Time) authn.Decision {
	t.Helper()
	x := index.New()
	feed := indexfeed.New(x, silent{}, clocktesting.NewFakePassiveClock(now), slog.New(slog.DiscardHandler))
	if err := feed.Replace(apiKeys, ""); err != nil {
		t.Fatal(err)
	}
	demanded, err := authn.ParseRequirement(requirement)
	if err != nil {
		t.Fatal(err)
	}
	return authn.NewDecider(x).Decide(&authn.Request{
		Ready: true, Requirement: demanded, Credential: authn.NewCredential([]byte(value)), Client: &requester, Now: now,
	})
}

func hashOf(value string) string { return keys.HashV1(value).Encode() }

type silent struct{}

func (silent) EventSeen(float64)        {}
func (silent) Undecodable(int)          {}
func (silent) Propagated(time.Duration) {}
