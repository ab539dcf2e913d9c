package integration

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Keys of somebody else.
const (
	importedKey      = "a-key-of-somebody-else-42"
	otherImportedKey = "b-key-of-somebody-else-43"
)

// hashSpec imports a key by its hash.
func hashSpec(key string) string {
	return fmt.Sprintf(`{"permissions":["read"],"source":{"hash":{"sha256":%q,"hint":"a-key…"}}}`, sha256Of(key))
}

func TestAnImportedKeyWorksAndNoSecretIsWritten(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, hashSpec(importedKey))
	l.foreign = append(l.foreign, importedKey)
	l.work().expectWrites("put status")

	l.expectAccepted(importedKey, "an imported key")
	l.expectNoSecret()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectEvents("Normal Imported took over the key of revision 1 (a-key…) that spec.source names")
	if status := l.apiKey().Status; status.Hint != "a-key…" || status.SecretRef != nil {
		t.Errorf("the status has the hint %q and the Secret %+v, want a-key… and none", status.Hint, status.SecretRef)
	}
	l.expectQuiet()
}

func TestAnotherImportedHashEndsTheOldKeyAtOnce(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, hashSpec(importedKey))
	l.work()
	l.takeEvents()
	l.advance(time.Hour)
	l.edit(`{"spec":{"source":{"hash":{"sha256":"` + sha256Of(otherImportedKey) + `","hint":"b-key…"}}}}`)
	l.expectRefused(importedKey, "the old imported key, before the manager has looked")
	l.work().expectWrites("put status")

	l.expectAccepted(otherImportedKey, "the new imported key")
	l.expectRefused(importedKey, "the old imported key")
	l.expectCredentials("2 Current")
	l.expectEvents("Normal SourceChanged took over the key of revision 2 (b-key…)")
	l.expectQuiet()
}

func TestAnotherHintIsFollowedWithoutANewRevision(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, hashSpec(importedKey))
	l.work()
	l.edit(`{"spec":{"source":{"hash":{"hint":"vault…"}}}}`)
	l.work()
	if got := l.apiKey().Status.Hint; got != "vault…" {
		t.Errorf("the hint is %q, want vault…", got)
	}
	l.expectCredentials("1 Current")
}

func TestAHashFromAnothersStatusCannotBeImported(t *testing.T) {
	t.Parallel()
	victim := newLab(t)
	victim.work()
	hash := keys.HashV1(victim.value())
	thief := victim.sibling("thief", fmt.Sprintf(`{"permissions":["*"],"source":{"hash":{"sha256":"%x"}}}`, hash.Sum))
	thief.work()

	thief.expectRefused(victim.value(), "a generated key for the ApiKey that imported the hash in its status")
	victim.work().expectWrites("")
	victim.expectState(v1alpha1.StateActive, v1alpha1.ConditionUsable, metav1.ConditionTrue, v1alpha1.ReasonActive)
}

func TestAnImportedKeyThatExpiredNeverWorksAgain(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, hashSpec(importedKey))
	l.edit(`{"spec":{"expiresAt":"2027-01-10T13:00:00Z"}}`)
	l.work()
	l.clock.SetTime(time.Date(2027, 1, 10, 13, 0, 0, 0, time.UTC))
	l.work()
	l.edit(`{"spec":{"expiresAt":"2027-02-10T13:00:00Z"}}`)
	l.work()
	l.expectRefused(importedKey, "an expired imported key that was given more time")
	l.expectState(v1alpha1.StateExpired, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonExpired)

	l.edit(`{"spec":{"source":{"hash":{"sha256":"` + sha256Of(otherImportedKey) + `"}}}}`)
	l.work()
	l.expectAccepted(otherImportedKey, "another imported key")
	l.expectRefused(importedKey, "the imported key that expired")
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
}
