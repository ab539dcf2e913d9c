package integration

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apikey"
	"github.com/apikey-operator/apikey-operator/controllers/policy"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	policyengine "github.com/apikey-operator/apikey-operator/internal/policy"
)

// In these tests the controller runs as it does in a cluster: with the manager's ServiceAccount, with watches and
// caches, and by the real clock. It sees the lab's namespace and no other.

func TestARunningManagerIsWokenByAllThatConcernsAnApiKey(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	imported := l.sibling("imported", hashSpec(importedKey))
	l.runManager()
	l.awaitState(v1alpha1.StateActive)
	imported.awaitState(v1alpha1.StateActive)
	first := l.value()

	l.edit(`{"spec":{"revision":2}}`)
	l.await("a new key", func() bool { return l.value() != first })
	l.deleteSecret()
	l.await("another Secret", func() bool { return l.secret() != nil })

	reference := l.sibling("reference", referenceSpec)
	reference.awaitCondition(v1alpha1.ConditionReady, v1alpha1.ReasonSecretNotFound)
	reference.vault(importedKey) // a better claim than that of the hash
	reference.awaitState(v1alpha1.StateActive)
	imported.awaitState(v1alpha1.StateDenied)
	reference.putIntoVault(otherImportedKey)
	reference.await("the new referenced key", func() bool { return reference.apiKey().Status.Hint == "…43" })

	// The replaced key is still claimed, in its grace period; and then by nobody.
	l.must(l.admin.Delete(t.Context(), reference.apiKey()))
	imported.awaitState(v1alpha1.StateActive)
}

func TestARunningManagerMayDoAllThatIsAskedOfIt(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, `{"secret":{"deleteAfter":"10s"}}`)
	l.runManager()
	l.await("the removal of the Secret", func() bool { return l.apiKey().Status.Hint != "" && l.secret() == nil })
	l.await("events", func() bool {
		list := &eventsv1.EventList{}
		l.must(l.admin.List(t.Context(), list, client.InNamespace(l.name.Namespace)))
		var reasons []string
		for _, e := range list.Items {
			reasons = append(reasons, e.Reason)
		}
		return containsAny(strings.Join(reasons, " "), []string{v1alpha1.ReasonConcealed})
	})
}

// runManager runs the controller until the test ends, or until it is stopped. It sees the lab's namespace, and others
// where that is asked for.
func (l *lab) runManager(others ...string) (stop func()) {
	l.t.Helper()
	options := l.managerOptions()
	for _, namespace := range others {
		options.Cache.DefaultNamespaces[namespace] = cache.Config{}
	}
	m, err := ctrl.NewManager(manager(l.t).config, options)
	l.must(err)
	ctx, cancel := context.WithCancel(l.t.Context())
	book := policy.NewBook(m.GetClient(), policyengine.DenyByDefault)
	reconciler := apikey.New(apikey.Options{
		Cached:      m.GetClient(),
		Live:        m.GetAPIReader(),
		Writer:      m.GetClient(),
		Clock:       clock.RealClock{},
		Random:      rand.Reader,
		Events:      m.GetEventRecorder("apikey-operator"),
		Metrics:     apikey.NewMetrics(prometheus.NewRegistry()),
		Settings:    lifecycle.Settings{PublishDelay: 10 * time.Millisecond, Fence: time.Second, ExpiringWindow: labExpiringWindow},
		Judge:       book,
		WriteWindow: labWriteWindow,
		ClockOffset: func() time.Duration { return 0 },
	})
	l.must(reconciler.SetupWithManager(ctx, m, book))
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("the manager ended with %v", err)
		}
	})
	l.t.Cleanup(stop)
	return stop
}

func (l *lab) managerOptions() ctrl.Options {
	options := ctrl.Options{
		Scheme: l.admin.Scheme(), Cache: apikey.CacheOptions(), Client: apikey.ClientOptions(),
		Metrics: metricsserver.Options{BindAddress: "0"},
	}
	options.Cache.DefaultNamespaces = map[string]cache.Config{l.name.Namespace: {}}
	options.Controller.SkipNameValidation = new(true) // two of them run in one process here
	return options
}

func (l *lab) awaitState(state v1alpha1.ApiKeyState) {
	l.t.Helper()
	l.await("the state "+string(state), func() bool { return l.apiKey().Status.State == state })
}

func (l *lab) awaitCondition(kind, reason string) {
	l.t.Helper()
	l.await(kind+" for the reason "+reason, func() bool {
		for _, c := range l.apiKey().Status.Conditions {
			if c.Type == kind && c.Reason == reason {
				return true
			}
		}
		return false
	})
}

func (l *lab) await(what string, done func() bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), settleTimeout)
	defer cancel()
	if err := poll(ctx, func() (bool, error) { return done(), nil }); err != nil {
		l.t.Fatalf("wait for %s: %v; the status is %+v", what, err, l.apiKey().Status)
	}
}
