package chaos

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// pace is how often a client calls at most, so that the machine has time for the others.
const pace = 50 * time.Millisecond

// every calls do at a pace until ctx ends. What do has begun it may finish.
func every(ctx context.Context, do func(context.Context)) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			do(context.WithoutCancel(ctx))
		case <-ctx.Done():
			return
		}
	}
}

// readAndCall reads the Secret and calls at once with what it holds.
func (w *world) readAndCall(ctx context.Context, k *apiKey) {
	secret, err := w.secret(ctx, k)
	if apierrors.IsNotFound(err) {
		return // deleted by edit, and not there again yet
	}
	if err != nil {
		w.counts.errors.Add(1) // nothing was read, so nothing is shown
		return
	}
	w.call(ctx, k, k.note(secret.Data[v1alpha1.DefaultSecretKey]))
}

// note keeps a value that stood in the Secret.
func (k *apiKey) note(plaintext []byte) value {
	v := value{plaintext: string(plaintext), hash: keys.HashV1(plaintext).Encode()}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known[v.hash] {
		k.known[v.hash] = true
		k.values = append(k.values, v)
	}
	return v
}

// call calls with a value that once stood in the Secret, and judges the answer.
func (w *world) call(ctx context.Context, k *apiKey, v value) {
	c := call{hash: v.hash, sent: time.Now()}
	c.status = w.send(ctx, v.plaintext)
	c.answered = time.Now()
	if c.refused() {
		w.counts.ended.Add(1)
		if err := w.catchUp(ctx, k); err != nil {
			w.problem(err)
			return
		}
	}
	err := k.judge(c)
	switch {
	case errors.Is(err, errRefused):
		w.counts.refused.Add(1)
	case errors.Is(err, errAccepted):
		w.counts.accepted.Add(1)
	}
	if err != nil {
		w.problem(fmt.Errorf("ApiKey %s: %w", k.name, err))
	}
}

// catchUp waits until the ledger has seen the status that stands now.
func (w *world) catchUp(ctx context.Context, k *apiKey) error {
	key, err := w.get(ctx, k)
	if err != nil {
		return fmt.Errorf("read an ApiKey: %w", err)
	}
	return stack.Await(ctx, "the watch to tell of the status that stands", patience, func(context.Context) error {
		if seen := k.seen(); len(seen) < len(key.ResourceVersion) || len(seen) == len(key.ResourceVersion) && seen < key.ResourceVersion {
			return fmt.Errorf("it is at %s, before %s", seen, key.ResourceVersion)
		}
		return nil
	})
}

// holdAndCall calls with any value that ever stood in the Secret, often with one whose end is near.
func (w *world) holdAndCall(ctx context.Context, k *apiKey, r *rand.Rand) {
	k.mu.Lock()
	candidates := k.values
	if r.IntN(2) == 0 {
		var ending []value
		for _, v := range k.values {
			if k.near(v.hash, time.Now()) {
				ending = append(ending, v)
			}
		}
		if len(ending) > 0 {
			candidates = ending
		}
	}
	var chosen value
	if len(candidates) > 0 {
		chosen = candidates[r.IntN(len(candidates))]
	}
	k.mu.Unlock()
	if chosen.hash != "" {
		w.call(ctx, k, chosen)
	}
}

// callUnknown calls with a well-formed key that nobody was issued.
func (w *world) callUnknown(ctx context.Context) {
	key, err := keys.Generate(crand.Reader, keys.Format{})
	if err != nil {
		w.problem(err)
		return
	}
	w.counts.unknown.Add(1)
	c := call{status: w.send(ctx, string(key.Reveal()))}
	if c.accepted() {
		w.problem(errors.New("a key that was never issued was accepted"))
	}
}

// edit raises revisions and deletes Secrets until ctx ends.
func (w *world) edit(ctx context.Context) {
	r := random(2)
	for pause(ctx, between(r, 1500*time.Millisecond, 4*time.Second)) {
		k := w.keys[r.IntN(len(w.keys))]
		change := w.raise
		if r.IntN(6) == 0 {
			change = w.deleteSecret
		}
		if err := change(context.WithoutCancel(ctx), k); err != nil {
			w.problem(fmt.Errorf("edit ApiKey %s: %w", k.name, err))
		}
	}
}

// raise asks for one revision more than the highest so far, whether that is asked for or reached.
func (w *world) raise(ctx context.Context, k *apiKey) error {
	key, err := w.get(ctx, k)
	if err != nil {
		return err
	}
	_, current, _ := k.account()
	next := max(key.Spec.Revision, current.Revision) + 1
	k.raised.Add(1)
	w.counts.raises.Add(1)
	return w.kube.Patch(ctx, key, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"revision":%d}}`, next)))
}

func (w *world) deleteSecret(ctx context.Context, k *apiKey) error {
	secret, err := w.secret(ctx, k)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := w.kube.Delete(ctx, secret); err != nil {
		return client.IgnoreNotFound(err)
	}
	k.deleted.Add(1)
	w.counts.deletions.Add(1)
	return nil
}
