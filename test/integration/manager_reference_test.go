package integration

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// referenceSpec takes the key from a Secret that somebody else manages.
const referenceSpec = `{"permissions":["read"],"source":{"secretRef":{"name":"from-vault","key":"token"}}}`

// referenceLab has that Secret, with a label that offers it.
func referenceLab(t *testing.T, value string) *lab {
	t.Helper()
	l := newLabOf(t, referenceSpec)
	l.vault(value)
	l.work()
	return l
}

// vault makes the Secret that somebody else manages.
func (l *lab) vault(value string) {
	l.t.Helper()
	l.foreign = append(l.foreign, value)
	l.must(l.admin.Create(l.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: l.name.Namespace, Name: "from-vault", Labels: map[string]string{v1alpha1.KeySourceLabel: "true"},
		},
		Data: map[string][]byte{"token": []byte(value)},
	}))
}

// changeVault changes that Secret as its manager does.
func (l *lab) changeVault(change func(*corev1.Secret)) {
	l.t.Helper()
	secret := &corev1.Secret{}
	l.must(l.admin.Get(l.t.Context(), types.NamespacedName{Namespace: l.name.Namespace, Name: "from-vault"}, secret))
	change(secret)
	l.must(l.admin.Update(l.t.Context(), secret))
}

func (l *lab) putIntoVault(value string) {
	l.t.Helper()
	l.foreign = append(l.foreign, value)
	l.changeVault(func(s *corev1.Secret) { s.Data["token"] = []byte(value) })
}

func TestAReferencedKeyIsTakenOverWhenItAppears(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, referenceSpec)
	l.work()
	l.expectState(v1alpha1.StatePending, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	l.expectState(v1alpha1.StatePending, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSecretNotFound)
	l.expectNoCondition(v1alpha1.ConditionStalled)
	l.expectEvents("Warning SecretNotFound Secret from-vault does not exist")

	l.vault(importedKey)
	l.work().expectWrites("put status")
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectNoCondition(v1alpha1.ConditionReconciling)
	l.expectAccepted(importedKey, "a referenced key")
	l.expectNoSecret()
	l.expectEvents("Normal Imported took over the key of revision 1 (…42)")
	if got := l.apiKey().Status.Hint; got != "…42" {
		t.Errorf("the hint is %q, want …42", got)
	}
	l.expectQuiet()
}

func TestASecretWithoutTheWantedDataKeyCountsAsMissing(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, referenceSpec)
	l.vault(importedKey)
	l.changeVault(func(s *corev1.Secret) { s.Data = map[string][]byte{"other": s.Data["token"]} })
	l.work().expectWrites("put status")
	l.expectState(v1alpha1.StatePending, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	l.expectRefused(importedKey, "what stands under another data key")
}

func TestNothingIsTakenFromASecretThatIsNotOffered(t *testing.T) {
	t.Parallel()
	labels := map[string]map[string]string{
		"no label":                   nil,
		"a label of another value":   {v1alpha1.KeySourceLabel: "false"},
		"a label in capital letters": {v1alpha1.KeySourceLabel: "True"},
	}
	for name, labels := range labels {
		for _, value := range []string{importedKey, "weak", importedKey + "\n"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				l := newLabOf(t, referenceSpec)
				l.vault(value)
				l.changeVault(func(s *corev1.Secret) { s.Labels = labels })
				l.work().expectWrites("put status")
				// Whatever it holds, good or bad, the same is told.
				l.expectState(v1alpha1.StatePending, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretNotOffered)
				l.expectMessage(v1alpha1.ConditionReady, v1alpha1.KeySourceLabel+`: "true"`)
				l.expectState(v1alpha1.StatePending, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
				l.expectRefused(value, "a key that is not offered")
				l.expectCredentials("")
				l.expectEvents("Warning SecretNotOffered")
			})
		}
	}
}

func TestAnotherReferencedValueIsARotationWithGrace(t *testing.T) {
	t.Parallel()
	l := referenceLab(t, importedKey)
	l.takeEvents()
	l.edit(`{"spec":{"rotation":{"gracePeriod":"1h"}}}`)
	l.work()
	l.putIntoVault(otherImportedKey)
	l.work().expectWrites("put status")

	l.expectCredentials("2 Current, 1 Previous")
	l.expectEvents("Normal SourceChanged took over the key of revision 2 (…43)")
	l.expectAccepted(otherImportedKey, "the new referenced key")
	l.expectAccepted(importedKey, "the replaced referenced key in its grace period")
	l.expectQuiet()
	l.advance(time.Hour)
	l.expectRefused(importedKey, "the replaced referenced key after its grace period")
	l.expectNoSecret()

	l.work()
	l.putIntoVault(importedKey) // somebody goes back to the old one
	l.work()
	l.expectAccepted(importedKey, "the key that was put back on purpose")
	l.expectQuiet()
}

func TestAReferencedValueThatIsNoKeyIsDeniedAndTheOneBeforeKeepsItsGrace(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ value, wantReason, wantMessage string }{
		"a short one":                {"short-s3cr3t", v1alpha1.ReasonWeakKey, "at least 20 characters"},
		"one of few characters":      {"abababababababababababab", v1alpha1.ReasonWeakKey, "8 of them different"},
		"one with a line break":      {otherImportedKey + "\n", v1alpha1.ReasonMalformedKey, "without a line break at the end"},
		"one with a space":           {"a key of somebody else 42", v1alpha1.ReasonMalformedKey, "without spaces"},
		"one that no header carries": {"ein-schlüssel-von-jemand-anderem", v1alpha1.ReasonMalformedKey, "printable ASCII"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := referenceLab(t, importedKey)
			l.takeEvents()
			l.putIntoVault(tt.value)
			l.work().expectWrites("put status")
			l.expectState(v1alpha1.StatePending, v1alpha1.ConditionAccepted, metav1.ConditionFalse, tt.wantReason)
			l.expectState(v1alpha1.StatePending, v1alpha1.ConditionStalled, metav1.ConditionTrue, tt.wantReason)
			l.expectMessage(v1alpha1.ConditionReady, tt.wantMessage)
			l.expectEvents("Warning " + tt.wantReason)
			l.expectCredentials("1 Previous")
			l.expectAccepted(importedKey, "the key before it, in its grace period")
			l.expectRefused(tt.value, "what is no key")
			l.work().expectWrites("")

			l.putIntoVault(otherImportedKey)
			l.work()
			l.expectAccepted(otherImportedKey, "the good key that came after")
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
			l.expectNoSecret()
		})
	}
}

func TestAReferencedValueThatNeverWasAKeyIsDenied(t *testing.T) {
	t.Parallel()
	l := referenceLab(t, "short-s3cr3t")
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonWeakKey)
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionUsable, metav1.ConditionFalse, v1alpha1.ReasonIssuing)
	l.expectRefused("short-s3cr3t", "a weak key")
	l.expectEvents("Warning WeakKey")
	l.expectCredentials("")
}

func TestAReferencedSecretThatIsWithdrawnStallsAndTheKeyGoesOn(t *testing.T) {
	t.Parallel()
	l := referenceLab(t, importedKey)
	l.takeEvents()
	l.changeVault(func(s *corev1.Secret) { s.Labels = nil })
	l.work().expectWrites("put status")
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretNotOffered)
	l.expectEvents("Warning SecretNotOffered")
	l.expectAccepted(importedKey, "a key whose Secret is no longer offered")

	l.changeVault(func(s *corev1.Secret) { s.Data["token"] = []byte(otherImportedKey) })
	l.work().expectWrites("")
	l.expectRefused(otherImportedKey, "what came into a Secret that is not offered")
	l.changeVault(func(s *corev1.Secret) { s.Labels = map[string]string{v1alpha1.KeySourceLabel: "true"} })
	l.work()
	l.expectCredentials("2 Current, 1 Previous")
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectNoSecret()
}
