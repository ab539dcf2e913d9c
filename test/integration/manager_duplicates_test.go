package integration

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

func TestTheSecondClaimOnAKeyIsDeniedUntilTheFirstGoes(t *testing.T) {
	t.Parallel()
	first := newLabOf(t, hashSpec(importedKey))
	first.work()
	first.advance(time.Minute)
	second := first.sibling("second", hashSpec(importedKey))
	second.work()

	second.expectDuplicate(importedKey)
	second.expectEvents("Warning DuplicateKey")
	second.expectQuiet()
	first.work().expectWrites("")
	first.expectAccepted(importedKey, "the key that was claimed first")

	first.must(first.admin.Delete(t.Context(), first.apiKey()))
	second.work()
	second.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	second.expectState(v1alpha1.StateActive, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	second.expectNoCondition(v1alpha1.ConditionStalled)
	second.expectAccepted(importedKey, "the key when the first claim has gone")
	second.expectQuiet()
}

func TestAnOlderApiKeyThatIsEditedToClaimAnothersKeyLoses(t *testing.T) {
	t.Parallel()
	older := newLabOf(t, hashSpec(importedKey))
	older.work()
	older.advance(time.Hour)
	victim := older.sibling("victim", hashSpec(otherImportedKey))
	victim.work()
	older.advance(time.Hour)
	older.edit(`{"spec":{"source":{"hash":{"sha256":"` + sha256Of(otherImportedKey) + `"}}}}`)
	older.work()

	older.expectDuplicate(otherImportedKey)
	older.expectRefused(importedKey, "the key that it had before")
	victim.work().expectWrites("")
	victim.expectAccepted(otherImportedKey, "the key of the victim")
}

func TestAReferencedKeyIsAnsweredForBeforeAnImportedHash(t *testing.T) {
	t.Parallel()
	hash := newLabOf(t, hashSpec(importedKey))
	hash.work()
	hash.advance(time.Hour)
	reference := hash.sibling("reference", referenceSpec)
	reference.vault(importedKey)
	reference.work()
	reference.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	reference.expectAccepted(importedKey, "the referenced key")
	hash.work()
	hash.expectDuplicate(importedKey)
}

func TestADeniedClaimThatNamesAnotherKeyIsGranted(t *testing.T) {
	t.Parallel()
	first := newLabOf(t, hashSpec(importedKey))
	first.work()
	first.advance(time.Minute)
	second := first.sibling("second", hashSpec(importedKey))
	second.work()
	second.edit(`{"spec":{"source":{"hash":{"sha256":"` + sha256Of(otherImportedKey) + `"}}}}`)
	second.work()
	second.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	second.expectAccepted(otherImportedKey, "the other key")
}

func TestOfTwoClaimsOfTheSameSecondOneIsGranted(t *testing.T) {
	t.Parallel()
	a := newLabOf(t, hashSpec(importedKey))
	b := a.sibling("b", hashSpec(importedKey))
	for range 2 { // the event of each claim brings a look at it, and at the other
		a.work()
		b.work()
	}
	granted := 0
	for _, l := range []*lab{a, b} {
		if l.accepts(l.latest(), importedKey) {
			granted++
		}
		l.expectQuiet()
	}
	if granted != 1 {
		t.Errorf("%d of the two claims are granted, want one", granted)
	}
}

// expectDuplicate holds that nothing is granted, and that nobody is told who else has the key.
func (l *lab) expectDuplicate(key string) {
	l.t.Helper()
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonDuplicateKey)
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDuplicateKey)
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonDuplicateKey)
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionUsable, metav1.ConditionFalse, v1alpha1.ReasonDuplicateKey)
	status := l.apiKey().Status
	if status.Grant != nil {
		l.t.Errorf("a duplicate has the grant %+v", status.Grant)
	}
	for _, c := range status.Conditions {
		if others := []string{"probe", "victim", "reference", "second"}; containsAny(c.Message, others) {
			l.t.Errorf("the condition %s names the other ApiKey: %s", c.Type, c.Message)
		}
	}
	l.expectRefused(key, "the key of a duplicate claim")
}

func containsAny(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
