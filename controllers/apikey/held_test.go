package apikey

import (
	"crypto/rand"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

var at = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

func mintFor(t *testing.T, h *heldKeys, key *v1alpha1.ApiKey, recordedAt time.Time) (string, keys.Plaintext) {
	t.Helper()
	plaintext, err := keys.Generate(rand.Reader, keys.Format{})
	if err != nil {
		t.Fatal(err)
	}
	hash := plaintext.Hash().Encode()
	h.hold(key, hash, plaintext, recordedAt)
	return hash, plaintext
}

func apiKeyWith(uid types.UID, pending ...string) *v1alpha1.ApiKey {
	key := &v1alpha1.ApiKey{ObjectMeta: metav1.ObjectMeta{Namespace: "phoenix", Name: "probe", UID: uid}}
	for _, hash := range pending {
		key.Status.Credentials = append(key.Status.Credentials, v1alpha1.Credential{State: v1alpha1.CredentialPending, Hash: hash})
	}
	return key
}

func TestAPlaintextIsHeldForItsOwnApiKeyAlone(t *testing.T) {
	h := newHeldKeys()
	hash, _ := mintFor(t, h, apiKeyWith("first"), at)

	if _, ok := h.plaintext(apiKeyWith("first"), hash); !ok {
		t.Errorf("the plaintext is not held")
	}
	if _, ok := h.plaintext(apiKeyWith("second"), hash); ok {
		t.Errorf("a later ApiKey of the same name gets the plaintext of the earlier one")
	}
	if held := h.recorded(apiKeyWith("second")); len(held) != 0 {
		t.Errorf("a later ApiKey of the same name is told of %v", held)
	}
}

func TestARecordingWithoutAnAnswerCountsFromWhenItIsSeen(t *testing.T) {
	h := newHeldKeys()
	hash, _ := mintFor(t, h, apiKeyWith("u"), time.Time{})
	if held := h.recorded(apiKeyWith("u")); len(held) != 0 {
		t.Errorf("a recording that nobody has seen counts: %v", held)
	}
	h.settle(apiKeyWith("u", hash), at)
	if got := h.recorded(apiKeyWith("u"))[hash]; !got.Equal(at) {
		t.Errorf("the recording counts from %s, want %s", got, at)
	}
	h.settle(apiKeyWith("u", hash), at.Add(time.Minute))
	if got := h.recorded(apiKeyWith("u"))[hash]; !got.Equal(at) {
		t.Errorf("the recording counts from %s after another look, want %s", got, at)
	}
}

func TestWhatIsNoLongerPendingIsWiped(t *testing.T) {
	wipes := map[string]func(*heldKeys){
		"published, or gone from the status": func(h *heldKeys) { h.settle(apiKeyWith("u"), at) },
		"another ApiKey took the name":       func(h *heldKeys) { h.settle(apiKeyWith("v"), at) },
		"the ApiKey is gone":                 func(h *heldKeys) { h.forget(nameOf(apiKeyWith("u"))) },
	}
	for name, wipe := range wipes {
		t.Run(name, func(t *testing.T) {
			h := newHeldKeys()
			hash, plaintext := mintFor(t, h, apiKeyWith("u"), at)
			wipe(h)
			if _, ok := h.plaintext(apiKeyWith("u"), hash); ok {
				t.Errorf("the plaintext is still held")
			}
			for _, b := range plaintext.Reveal() {
				if b != 0 {
					t.Fatalf("the plaintext is still in memory")
				}
			}
			if len(h.owner) != 0 {
				t.Errorf("something is kept for nothing: %d names", len(h.owner))
			}
		})
	}
}
