package apikey

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// heldKeys are the plaintexts between mint and publish: the only place where this process keeps one.
// Losing them costs a mint, so nothing here need survive a restart.
type heldKeys struct {
	mu    sync.Mutex
	owner map[types.NamespacedName]holding
}

// holding is what is held for one ApiKey. The UID tells it from a later one of the same name.
type holding struct {
	uid  types.UID
	keys map[string]heldKey // by encoded hash
}

type heldKey struct {
	plaintext  keys.Plaintext
	recordedAt time.Time // when the API server's answer to the recording came in; zero: none came
}

func newHeldKeys() *heldKeys {
	return &heldKeys{owner: map[types.NamespacedName]holding{}}
}

// hold keeps a plaintext until it is published.
func (h *heldKeys) hold(key *v1alpha1.ApiKey, hash string, plaintext keys.Plaintext, recordedAt time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := nameOf(key)
	held, ok := h.owner[name]
	if !ok || held.uid != key.UID {
		held.wipe()
		held = holding{uid: key.UID, keys: map[string]heldKey{}}
		h.owner[name] = held
	}
	held.keys[hash] = heldKey{plaintext: plaintext, recordedAt: recordedAt}
}

// recorded gives the hashes that are held for this very ApiKey and when their recording was answered.
func (h *heldKeys) recorded(key *v1alpha1.ApiKey) map[string]time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	times := map[string]time.Time{}
	held := h.owner[nameOf(key)]
	if held.uid != key.UID {
		return times
	}
	for hash, k := range held.keys {
		if !k.recordedAt.IsZero() {
			times[hash] = k.recordedAt
		}
	}
	return times
}

// settle compares with a status that was read live: a recording whose answer was lost counts from now
// if it is there, and what is not Pending there is forgotten.
func (h *heldKeys) settle(key *v1alpha1.ApiKey, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := nameOf(key)
	held := h.owner[name]
	if held.uid != key.UID {
		h.drop(name)
		return
	}
	pending := map[string]bool{}
	for _, c := range key.Status.Credentials {
		pending[c.Hash] = c.State == v1alpha1.CredentialPending && c.RetiredAt == nil
	}
	for hash, k := range held.keys {
		switch {
		case !pending[hash]:
			k.plaintext.Wipe()
			delete(held.keys, hash)
		case k.recordedAt.IsZero():
			k.recordedAt = now
			held.keys[hash] = k
		}
	}
	if len(held.keys) == 0 {
		delete(h.owner, name)
	}
}

// plaintext is the held key of that hash, if there is one.
func (h *heldKeys) plaintext(key *v1alpha1.ApiKey, hash string) (keys.Plaintext, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.owner[nameOf(key)]
	if held.uid != key.UID {
		return keys.Plaintext{}, false
	}
	k, ok := held.keys[hash]
	return k.plaintext, ok
}

// forget wipes all that is held under a name, for an ApiKey that is gone.
func (h *heldKeys) forget(name types.NamespacedName) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(name)
}

func (h *heldKeys) drop(name types.NamespacedName) {
	h.owner[name].wipe()
	delete(h.owner, name)
}

func (h holding) wipe() {
	for _, k := range h.keys {
		k.plaintext.Wipe()
	}
}

func nameOf(key *v1alpha1.ApiKey) types.NamespacedName {
	return types.NamespacedName{Namespace: key.Namespace, Name: key.Name}
}
