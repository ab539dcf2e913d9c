package integration

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestTheFormatOfThePolicyIsUsedAtTheNextMint(t *testing.T) {
	t.Parallel()
	recognised := func(l *lab, prefix string, bytes int) {
		t.Helper()
		if hint, ok := (keys.Format{Prefix: prefix, Bytes: bytes}).Recognize([]byte(l.value())); !ok || hint != l.apiKey().Status.Hint {
			t.Errorf("the key with the hint %q, in the status %q, is none of the prefix %s with %d bytes", hint, l.apiKey().Status.Hint, prefix, bytes)
		}
	}
	l := grantedLab(t, `{"permissions":["read"]}`, mayRead+`,"format":{"prefix":"sk_live_","minBytes":40}`)
	recognised(l, "sk_live_", 40)
	first := l.value()
	l.policy("first", mayRead+`,"format":{"prefix":"sk_next_","minBytes":24}`)
	l.work().expectWrites("")
	l.expectAccepted(first, "a key of the format that was demanded before")
	l.edit(`{"spec":{"revision":2}}`)
	l.work()
	recognised(l, "sk_next_", keys.DefaultBytes)
	l.expectAccepted(first, "the replaced key in its grace period")
	l.edit(`{"spec":{"revision":3,"format":{"bytes":64}}}`)
	l.work()
	recognised(l, "sk_next_", 64)
	if got := l.apiKey().Spec.Format.Prefix; got != "" {
		t.Errorf("the prefix %q was written to the spec", got)
	}
}

func TestInRestoreModeAKeyIsRecognisedByTheFormatOfThePolicy(t *testing.T) {
	t.Parallel()
	restore := func(t *testing.T, members string) (*lab, string) {
		l := grantedLab(t, `{"permissions":["read"]}`, mayRead+`,"format":{"prefix":"sk_live_","minBytes":40}`)
		value := l.value()
		l.policy("first", mayRead+members)
		l.must(l.admin.Delete(t.Context(), l.apiKey()))
		l.createApiKey()
		l.takeEvents()
		l.restoring = true
		return l, value
	}
	t.Run("the same", func(t *testing.T) {
		t.Parallel()
		l, value := restore(t, `,"format":{"prefix":"sk_live_","minBytes":40}`)
		p := l.start(fault{})
		p.passes(1) // records the key, which consumers have had all the time
		l.advance(labPublishDelay)
		p.settle()
		l.expectGrantedBy("first")
		l.expectEvents("Warning Restored took over the credential of revision 1")
		if l.value() != value {
			t.Error("another key was issued")
		}
	})
	t.Run("another", func(t *testing.T) {
		t.Parallel()
		l, value := restore(t, "")
		l.published = nil
		l.work()
		l.expectState(v1alpha1.StatePending, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
		l.expectRefused(value, "a key of a format that nobody demands")
	})
	t.Run("no policy any more", func(t *testing.T) {
		t.Parallel()
		l, value := restore(t, "")
		l.published = nil
		l.removePolicy("first")
		l.work()
		l.expectDenied(v1alpha1.ReasonNoPolicy)
		l.expectCredentials("")
		l.expectRefused(value, "a key that no policy allows")
	})
}

func TestAPolicyMayRaiseTheBoundOnReferencedKeys(t *testing.T) {
	t.Parallel()
	l := newPolicyLab(t, referenceSpec)
	l.policy("first", mayRead+`,"allowImport":true,"format":{"minBytes":40}`)
	l.vault(importedKey) // of 24 characters
	l.work()
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonWeakKey)
	l.expectMessage(v1alpha1.ConditionAccepted, "give it at least 40 characters")
	l.expectRefused(importedKey, "a referenced key that is shorter than policy demands")
	l.putIntoVault(importedKey + "-and-16-letters-more")
	l.work()
	l.expectGrantedBy("first")
	l.expectAccepted(importedKey+"-and-16-letters-more", "a referenced key of as many characters as policy demands")
}

func TestABoundThatIsRaisedReachesKeysThatWereTakenBefore(t *testing.T) {
	t.Parallel()
	l := newPolicyLab(t, referenceSpec)
	l.policy("first", mayRead+`,"allowImport":true`)
	l.vault(importedKey) // of 24 characters
	l.work()
	l.expectGrantedBy("first")
	l.policy("first", mayRead+`,"allowImport":true,"format":{"minBytes":40}`)
	l.work()
	l.expectDenied(v1alpha1.ReasonWeakKey)
	l.expectRefused(importedKey, "a referenced key that is shorter than policy demands now")
	l.expectCredentials("1 Current")

	l.policy("first", mayRead+`,"allowImport":true,"format":{"minBytes":24}`)
	l.work()
	l.expectGrantedBy("first")
	l.expectAccepted(importedKey, "the same key under a policy that allows it again")
	l.expectQuiet()
}
