package sim

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// TestALateCreateBringsNoReplacedKeyBack is a history that broke once. The create of a Secret was given up, and the key
// published by another one; the key was replaced, the Secret lost, and then the first create landed: with a key that
// had ended, or that ended before any manager was there to see it.
func TestALateCreateBringsNoReplacedKeyBack(t *testing.T) {
	cases := map[string]struct{ gracePeriod, unattended time.Duration }{
		"no grace period": {0, time.Second},
		"a grace period that ends while no manager runs": {24 * time.Hour, 25 * time.Hour},
	}
	for name, c := range cases {
		for late := time.Second; late < fence; late += time.Second {
			t.Run(fmt.Sprintf("%s, landing after %s", name, late), func(t *testing.T) {
				playScript(t, func(w *world) {
					w.change(func(s *v1alpha1.ApiKeySpec) { rotationOf(s).GracePeriod = hours(int(c.gracePeriod / time.Hour)) })
					w.giveUpFirstCreate(w.managers[0], late)
					w.managers[0].settle(fence + time.Second)
					w.change(func(s *v1alpha1.ApiKeySpec) { s.Revision = 2 })
					w.managers[0].settle(publishDelay)
					w.loseSecret()
					w.advance(fence)
					w.advance(c.unattended)
				})
			})
		}
	}
}

// playScript plays a history in which nothing is left to chance.
func playScript(t *testing.T, script func(*world)) {
	t.Helper()
	rapid.MakeFuzz(func(t *rapid.T) {
		w := newWorld(t)
		script(w)
		w.finish()
	})(t, nil)
}

// change edits the spec in one way.
func (w *world) change(edit func(*v1alpha1.ApiKeySpec)) {
	key := w.apiKey()
	edit(&key.Spec)
	w.must(w.client.Update(ctx, key))
	w.ledger.reason("edit")
	w.observe()
}

// giveUpFirstCreate lets the first create of a manager's process be given up, and land late.
func (w *world) giveUpFirstCreate(m *manager, late time.Duration) {
	m.process.reconciler.Writer = &slowOnce{Client: m.process.reconciler.Writer, process: m.process, late: late}
}

// slowOnce is a client whose first create of a Secret lands late.
type slowOnce struct {
	client.Client
	process *process
	late    time.Duration
	spent   bool
}

// Create implements client.Writer.
func (c *slowOnce) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	secret, ok := object.(*corev1.Secret)
	if c.spent || !ok {
		return c.Client.Create(ctx, object, options...)
	}
	c.spent = true
	w, copied, admitted := c.process.manager.world, secret.DeepCopy(), c.process.admitted
	land := func() {
		if w.client.Create(context.Background(), copied) == nil { // that it is refused is a fine end for it
			w.ledger.wrote(copied, admitted)
			w.observe()
		}
	}
	w.late = append(w.late, lateWrite{deadline: w.now().Add(c.late), land: land})
	return apierrors.NewTimeoutError("the request was given up", 0)
}
