package integration

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestIssuingCostsThreeWrites(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.start(fault{})
	p.settle()

	if got, want := strings.Join(writesIn(p.calls), ", "), "put status, create Secret, put status"; got != want {
		t.Errorf("issuing made the writes %q, want %q", got, want)
	}
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectEvents("Normal Issued published the credential of revision 1")
	l.expectQuiet()
}

func TestASecretOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	foreign := foreignSecret(l)
	l.must(l.admin.Create(t.Context(), foreign))
	l.start(fault{}).settle()

	l.expectState(v1alpha1.StatePending, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
	l.expectMessage(v1alpha1.ConditionReady, "remove or rename that Secret, or create an ApiKey with another spec.secret.name")
	if got := l.secret(); got.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the Secret of somebody else was written: %+v", got.ObjectMeta)
	}
	if n := len(l.apiKey().Status.Credentials); n != 0 {
		t.Errorf("%d credentials were minted though none could be published", n)
	}
	l.expectEvents("Warning SecretConflict")

	l.deleteSecret()
	l.start(fault{}).settle()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectNoCondition(v1alpha1.ConditionStalled)
}

func TestASecretOfAnEarlierApiKeyOfTheNameIsWaitedFor(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(fault{}).settle()
	l.must(l.admin.Delete(t.Context(), l.apiKey()))
	l.bury()
	l.createApiKey() // nothing collects garbage here, so the old Secret is still there
	l.start(fault{}).settle()

	l.expectState(v1alpha1.StatePending, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
	l.expectMessage(v1alpha1.ConditionStalled, "earlier ApiKey of this name")
	l.deleteSecret()
	l.start(fault{}).settle()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectPublished(1)
}

func TestAnApiKeyThatIsDeletedAndMadeAgainWhileItIsIssuedGetsAKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.start(fault{call: 3, kind: unanswered}) // stops after the hash was recorded
	p.settleWithin(0)
	l.must(l.admin.Delete(t.Context(), l.apiKey()))
	l.createApiKey()
	p.settle()

	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectPublished(1)
	if !metav1.IsControlledBy(l.secret(), l.apiKey()) {
		t.Errorf("the Secret does not belong to the new ApiKey")
	}
}

func TestAnImmutableSecretThatHoldsSomethingElseStalls(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(fault{}).settle()
	l.tamper(func(s *corev1.Secret) {
		immutable := true
		s.Data["api-key"], s.Immutable = []byte("somebody else's"), &immutable
	})
	l.start(fault{}).settle()

	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretImmutable)
	if n := len(l.apiKey().Status.Credentials); n != 1 {
		t.Errorf("the status lists %d credentials, want the published one alone", n)
	}
	l.deleteSecret()
	l.tampered = false
	l.start(fault{}).settle()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectPublished(2)
}

func TestATamperedSecretGetsANewCredentialAndTheOldOneKeepsItsGrace(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(fault{}).settle()
	l.takeEvents()
	l.tamperWith("somebody else's")
	l.start(fault{}).settle()

	l.expectPublished(2)
	l.expectEvents("Warning SecretChanged published the credential of revision 2")
	previous := l.apiKey().Status.Credentials[1]
	if previous.State != v1alpha1.CredentialPrevious || previous.NotAfter == nil {
		t.Fatalf("the replaced credential is %+v", previous)
	}
	l.clock.SetTime(previous.NotAfter.Add(-time.Millisecond))
	if !l.accepts(l.latest(), l.published[0]) {
		t.Errorf("the replaced credential is refused before its grace period is over")
	}
	l.clock.SetTime(previous.NotAfter.Time)
	if l.accepts(l.latest(), l.published[0]) {
		t.Errorf("the replaced credential is accepted after its grace period")
	}
	l.start(fault{}).settle()
	if n := len(l.apiKey().Status.Credentials); n != 1 {
		t.Errorf("the status still lists %d credentials after the grace period", n)
	}
}

func TestAnotherDataKeyTakesTheSameCredentialInOneWrite(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(fault{}).settle()
	l.tamper(func(s *corev1.Secret) { s.Data["note"] = []byte("kept") })
	l.tampered = false
	before := string(l.secret().Data["api-key"])
	l.edit(`{"spec":{"secret":{"key":"token"}}}`)
	p := l.start(fault{})
	p.settle()

	data := l.secret().Data
	if _, old := data["api-key"]; old || string(data["token"]) != before || string(data["note"]) != "kept" {
		t.Errorf("the Secret's data keys are %q; want the credential under token alone, and what was beside it kept", sortedKeys(data))
	}
	if n := strings.Count(strings.Join(p.calls, ","), "update Secret"); n != 1 {
		t.Errorf("the Secret was written %d times, want once", n)
	}
	l.expectPublished(1)
	l.expectQuiet()
}

func TestASecretThatLostItsOwnerIsTakenBack(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(fault{}).settle()
	l.tamper(func(s *corev1.Secret) { s.OwnerReferences, s.Labels = nil, nil })
	l.tampered = false
	l.start(fault{}).settle()

	if !metav1.IsControlledBy(l.secret(), l.apiKey()) {
		t.Errorf("the Secret has the owners %+v", l.secret().OwnerReferences)
	}
	l.expectPublished(1)
	l.expectQuiet()
}

func TestAnExpiredKeyHealsNothingAndMoreTimeGivesItANewCredential(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.edit(`{"spec":{"expiresAt":"2027-01-10T13:00:00Z"}}`)
	l.start(fault{}).settle()
	l.takeEvents()
	l.clock.SetTime(time.Date(2027, 1, 10, 13, 0, 0, 0, time.UTC))
	l.start(fault{}).settle()
	l.expectState(v1alpha1.StateExpired, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonExpired)
	l.expectEvents("Warning Expired")

	l.clock.SetTime(time.Date(2027, 1, 10, 12, 30, 0, 0, time.UTC)) // the clock falls back
	l.start(fault{}).settle()
	l.expectState(v1alpha1.StateExpired, v1alpha1.ConditionUsable, metav1.ConditionFalse, v1alpha1.ReasonExpired)
	if l.accepts(l.latest(), l.published[0]) {
		t.Errorf("a clock that fell back revived an expired key at the verifier")
	}

	l.bury()
	l.edit(`{"spec":{"expiresAt":"2027-02-10T13:00:00Z"}}`)
	l.start(fault{}).settle()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectPublished(1)
	if revision := l.apiKey().Status.Credentials[0].Revision; revision != 2 {
		t.Errorf("the new credential has revision %d, want 2", revision)
	}
}

func TestASuspendedKeyIsHealedAndResumed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(fault{}).settle()
	l.takeEvents()
	l.edit(`{"spec":{"suspended":true}}`)
	if l.accepts(l.latest(), l.published[0]) {
		t.Errorf("the suspended key works before the manager has looked")
	}
	l.start(fault{}).settle()
	l.expectState(v1alpha1.StateSuspended, v1alpha1.ConditionUsable, metav1.ConditionFalse, v1alpha1.ReasonSuspended)
	l.expectEvents("Normal Suspended")
	l.edit(`{"spec":{"suspended":false}}`)
	l.start(fault{}).settle()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionUsable, metav1.ConditionTrue, v1alpha1.ReasonActive)
	l.expectEvents("Normal Resumed")
	l.expectPublished(1)
}

func TestNothingIsDoneForAnApiKeyThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := l.apiKey()
	key.Finalizers = []string{"example.com/hold"}
	l.must(l.admin.Update(t.Context(), key))
	l.must(l.admin.Delete(t.Context(), key))
	p := l.start(fault{})
	p.settle()

	if len(p.calls) > 0 || l.secret() != nil {
		t.Errorf("an ApiKey that is being deleted cost the calls %q", p.calls)
	}
}

func TestNothingIsCreatedInANamespaceThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(l.admin.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: l.name.Namespace}}))
	l.start(fault{}).settle()

	if l.secret() != nil {
		t.Errorf("a Secret was created in a namespace that is being deleted")
	}
}

func TestStaleCachesCostNothingButALook(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	stale := l.freezeCaches() // they know of the new ApiKey, and never hear of anything again
	l.start(fault{}).settle()
	p := l.start(fault{})
	p.reconciler.Cached = stale
	p.settle()

	if writes := writesIn(p.calls); len(writes) > 0 {
		t.Errorf("a manager with stale caches made the writes %q", writes)
	}
	l.expectPublished(1)

	known := l.freezeCaches() // they know of the Secret, which is then deleted
	l.deleteSecret()
	p = l.start(fault{})
	p.reconciler.Cached = known
	p.settle()
	l.start(fault{}).settle()
	l.expectPublished(2)
}

func TestARefusalIsToldToTheAuthorAndTriedAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.refuseSecrets("'the quota of keys is used up'")
	l.start(fault{}).passes(10)

	l.expectState(v1alpha1.StatePending, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPublishFailed)
	l.expectMessage(v1alpha1.ConditionReady, "the quota of keys is used up")
	l.expectEvents("Warning PublishFailed write the Secret")

	l.allowSecrets()
	l.start(fault{}).settle()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
}

func TestARefusalThatQuotesTheKeyDoesNotSpreadIt(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.refuseSecrets("'refused: ' + string(object.data['api-key'])")
	l.start(fault{}).passes(10)

	said := strings.Join(l.takeEvents(), " ")
	for _, c := range l.apiKey().Status.Conditions {
		said += " " + c.Message
	}
	if !strings.Contains(said, "quote the key and are left out") {
		t.Errorf("the refusal did not quote the key, so this test shows nothing: %s", said)
	}
	for _, word := range strings.Fields(said) {
		if decoded, err := base64.StdEncoding.DecodeString(strings.Trim(word, `"':,.`)); keys.ChecksumOK(word) || err == nil && keys.ChecksumOK(decoded) {
			t.Errorf("a whole key was written into an event or condition")
		}
	}
}

func TestARefusalInEverNewWordsIsNotAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.refuseSecrets("'refused: ' + object.metadata.uid")
	p := l.start(fault{})
	p.passes(10)
	p.expectNoWriteWithoutTimePassing()
}

func TestAWebhookThatChangesTheKeyIsToldAndNotFoughtWith(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.rewriteSecrets()
	p := l.start(fault{})
	p.passes(10)

	l.expectState(v1alpha1.StatePending, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPublishFailed)
	l.expectMessage(v1alpha1.ConditionReady, "stored another value than it was sent")
	p.expectNoWriteWithoutTimePassing()
}
