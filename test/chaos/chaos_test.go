package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

func TestNoKeyOfASecretIsRefusedAndNoneWorksPastItsGraceWhateverIsKilled(t *testing.T) {
	t.Logf("CHAOS=%s SEED=%d", settings.length, settings.seed)
	w := startWorld(t)
	if err := w.issue(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := w.keepManagers(t.Context())
	w.run(t.Context())
	ended := time.Now()
	for _, k := range w.keys {
		w.problem(w.awaitSettled(t.Context(), k))
		w.problem(w.checkOutcome(t.Context(), k))
	}
	t.Logf("all had settled %.0f s after the last fault", time.Since(ended).Seconds())
	kept()
	w.problem(w.witness.Search(t.Context(), w.Stack, w.metricsAddresses(), t.Output()))
	w.report(t)
}

// leaseName is that of the managers' lease.
const leaseName = "apikey-operator-manager"

// keepManagers has ended managers started again until the function that it returns is called.
func (w *world) keepManagers(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	for i, m := range w.managers {
		group.Go(func() { m.keep(ctx, w, random(uint64(10+i))) })
	}
	return func() {
		cancel()
		group.Wait()
	}
}

// run lets everything happen at once for the time that was asked for.
func (w *world) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settings.length)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { w.harm(ctx) })
	group.Go(func() { w.edit(ctx) })
	group.Go(func() { every(ctx, w.callUnknown) })
	for i, k := range w.keys {
		r := random(uint64(100 + i))
		group.Go(func() { every(ctx, func(ctx context.Context) { w.readAndCall(ctx, k) }) })
		group.Go(func() { every(ctx, func(ctx context.Context) { w.holdAndCall(ctx, k, r) }) })
	}
	group.Wait()
}

// awaitSettled waits until an ApiKey has what its spec asks for, and its Secret's value works.
func (w *world) awaitSettled(ctx context.Context, k *apiKey) error {
	return stack.Await(ctx, "ApiKey "+k.name+" to settle", patience, func(ctx context.Context) error {
		key, err := w.get(ctx, k)
		if err != nil {
			return err
		}
		current, issued := currentOf(key)
		ready := meta.IsStatusConditionTrue(key.Status.Conditions, v1alpha1.ConditionReady)
		working := meta.IsStatusConditionTrue(key.Status.Conditions, v1alpha1.ConditionReconciling)
		if !issued || !ready || working || key.Status.ObservedGeneration != key.Generation || current.Revision < key.Spec.Revision {
			return fmt.Errorf("ready %t, reconciling %t, revision %d asked for: %s", ready, working, key.Spec.Revision, describe(key))
		}
		secret, err := w.secret(ctx, k)
		if err != nil {
			return err
		}
		value := secret.Data[v1alpha1.DefaultSecretKey]
		if keys.HashV1(value).Encode() != current.Hash {
			return errors.New("the Secret does not hold the current credential")
		}
		if status := w.send(ctx, string(value)); status != http.StatusOK {
			return fmt.Errorf("the Secret's value was answered %d", status)
		}
		return nil
	})
}

// describe tells the credentials of an ApiKey, for people.
func describe(key *v1alpha1.ApiKey) string {
	var text strings.Builder
	for _, c := range key.Status.Credentials {
		_, _ = fmt.Fprintf(&text, "revision %d %s, issued at %s", c.Revision, c.State, c.IssuedAt.Format(time.TimeOnly))
		if c.RetiredAt != nil {
			_, _ = fmt.Fprintf(&text, ", retired at %s", c.RetiredAt.Format(time.TimeOnly))
		}
		text.WriteString("; ")
	}
	return text.String() + "it is " + time.Now().UTC().Format(time.TimeOnly)
}

func currentOf(key *v1alpha1.ApiKey) (v1alpha1.Credential, bool) {
	for _, c := range key.Status.Credentials {
		if c.State == v1alpha1.CredentialCurrent {
			return c, true
		}
	}
	return v1alpha1.Credential{}, false
}

// checkOutcome calls with every value once more, and holds what was published to what was asked for: every raised
// revision and every deletion may cost one credential, though one may serve several.
func (w *world) checkOutcome(ctx context.Context, k *apiKey) error {
	for _, v := range k.values {
		w.call(ctx, k, v)
	}
	if err := w.catchUp(ctx, k); err != nil {
		return err
	}
	published, current, broken := k.account()
	asked := 1 + k.raised.Load() + k.deleted.Load()
	if int64(published) > asked || current.Revision > asked {
		broken = errors.Join(broken, fmt.Errorf("%d credentials were published, up to revision %d, where %d were asked for",
			published, current.Revision, asked))
	}
	if broken != nil {
		return fmt.Errorf("ApiKey %s: %w", k.name, broken)
	}
	return nil
}

func (w *world) metricsAddresses() map[string]string {
	addresses := map[string]string{}
	for _, m := range w.managers {
		select {
		case <-m.process.Exited():
		default:
			addresses[m.name] = m.process.Metrics
		}
	}
	for _, v := range w.verifiers {
		addresses[v.name] = v.process.Load().Metrics
	}
	return addresses
}

// leaders is how many times another process has become the leader.
func (w *world) leaders(ctx context.Context) (int32, error) {
	lease := &coordinationv1.Lease{}
	err := w.kube.Get(ctx, client.ObjectKey{Namespace: stack.SystemNamespace, Name: leaseName}, lease)
	if err != nil {
		return 0, fmt.Errorf("read the lease: %w", err)
	}
	return ptr.Deref(lease.Spec.LeaseTransitions, 0), nil
}

// report prints the counts, and fails the test if anything was wrong.
func (w *world) report(t *testing.T) {
	published := 0
	for _, k := range w.keys {
		n, _, _ := k.account()
		published += n
	}
	leaders, err := w.leaders(t.Context())
	w.problem(err)
	c := &w.counts
	for _, err := range w.problems {
		t.Error(err)
	}
	if c.requests.Load() == c.errors.Load() || c.unknown.Load() == 0 || c.raises.Load() == 0 || c.kills.Load()+c.stops.Load() == 0 {
		t.Error("nothing went on, so nothing was shown: give CHAOS= more time")
	}
	_, _ = fmt.Fprintf(t.Output(), "chaos %s, seed %d: kills: %d, stops: %d, changes of the leader: %d, of which ended when they woke up: %d, revisions raised: %d, Secrets deleted: %d, credentials published: %d, "+
		"requests: %d, with ended keys: %d, with unknown keys: %d, errors: %d, refusals of a value read from the Secret: %d, acceptances past grace: %d\n",
		settings.length, settings.seed, c.kills.Load(), c.stops.Load(), leaders, c.lostLeases.Load(), c.raises.Load(), c.deletions.Load(), published,
		c.requests.Load(), c.ended.Load(), c.unknown.Load(), c.errors.Load(), c.refused.Load(), c.accepted.Load())
}
