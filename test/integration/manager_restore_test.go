package integration

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// restoredLab is of an ApiKey that was restored from a backup, without its status and with another UID, beside its
// Secret of revision 4, with what else happened to that.
func restoredLab(t *testing.T, happened func(*corev1.Secret)) *lab {
	t.Helper()
	l := newLab(t)
	l.edit(`{"spec":{"revision":4}}`)
	l.work()
	l.advance(time.Hour)
	if happened != nil {
		l.tamper(happened)
		l.tampered = false
	}
	l.must(l.admin.Delete(t.Context(), l.apiKey()))
	l.createApiKey()
	l.takeEvents()
	return l
}

func disown(s *corev1.Secret) { s.OwnerReferences = nil }

func TestInRestoreModeTheKeyIsAdoptedFromItsSecret(t *testing.T) {
	t.Parallel()
	secrets := map[string]func(*corev1.Secret){
		"of the ApiKey's UID before the restore": nil,
		"that nobody owns":                       disown,
	}
	for name, happened := range secrets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := restoredLab(t, happened)
			value := l.value()
			l.restoring = true
			p := l.start(fault{})
			p.passes(1) // records the key, which consumers have had all the time
			l.advance(labPublishDelay)
			p.settle()

			l.expectCredentials("4 Current")
			l.expectState(v1alpha1.StateActive, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive)
			l.expectEvents("Warning Restored took over the credential of revision 4")
			if l.value() != value || !metav1.IsControlledBy(l.secret(), l.apiKey()) {
				t.Errorf("the Secret has the owners %+v, and its key is the old one: %t", l.secret().OwnerReferences, l.value() == value)
			}
			l.expectAccepted(value, "an adopted key")
			if status := l.apiKey().Status; status.LastRotationTime != nil || !status.Credentials[0].IssuedAt.Time.Before(l.clock.Now().Add(-50*time.Minute)) {
				t.Errorf("the status tells of a rotation at %v and an issue at %v", status.LastRotationTime, status.Credentials[0].IssuedAt)
			}
			l.expectPublished(1)
			l.restoring = false
			l.expectQuiet()
		})
	}
}

func TestWithoutRestoreModeTheWayIsNamedAndNothingIsAdopted(t *testing.T) {
	t.Parallel()
	l := restoredLab(t, nil)
	value := l.value()
	l.published = nil
	l.work().expectWrites("put status")
	l.expectState(v1alpha1.StatePending, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
	l.expectMessage(v1alpha1.ConditionReady, "run the manager with --restore-mode")
	l.expectRefused(value, "a key that was not adopted")
	l.expectCredentials("")
}

func TestInRestoreModeNothingIsAdoptedThatIsNotOurs(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*corev1.Secret){
		"a Secret without the label": func(s *corev1.Secret) { delete(s.Labels, "app.kubernetes.io/managed-by") },
		"a Secret of nobody without the label": func(s *corev1.Secret) {
			disown(s)
			delete(s.Labels, "app.kubernetes.io/managed-by")
		},
		"a key with a mistake": func(s *corev1.Secret) {
			key := s.Data["api-key"]
			last := len(key) - 1
			if key[last] == 'a' {
				key[last] = 'b'
			} else {
				key[last] = 'a'
			}
		},
		"a value of somebody's choice": func(s *corev1.Secret) { s.Data["api-key"] = []byte(importedKey) },
		"a Secret of another ApiKey":   func(s *corev1.Secret) { s.OwnerReferences[0].Name = "other" },
		"a Secret of another kind": func(s *corev1.Secret) {
			s.OwnerReferences[0].APIVersion, s.OwnerReferences[0].Kind = "apps/v1", "Deployment"
		},
	}
	for name, happened := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := restoredLab(t, happened)
			l.published, l.restoring = nil, true
			before := l.secret()
			l.work().expectWrites("put status")
			l.expectState(v1alpha1.StatePending, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
			l.expectCredentials("")
			l.expectRefused(string(before.Data["api-key"]), "a key that was not adopted")
			if l.secret().ResourceVersion != before.ResourceVersion {
				t.Errorf("the Secret was written")
			}
		})
	}
}

func TestInRestoreModeNeitherADuplicateNorARevisionBelowTheLeastIsAdopted(t *testing.T) {
	t.Parallel()
	t.Run("below minRevision", func(t *testing.T) {
		t.Parallel()
		l := restoredLab(t, nil)
		l.published, l.restoring = nil, true
		value := l.value()
		l.edit(`{"spec":{"minRevision":5}}`)
		l.work()
		l.expectCredentials("")
		l.expectRefused(value, "a key below minRevision")
	})
	t.Run("a key that another ApiKey has", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.work()
		copied := l.sibling("copied", `{"permissions":["*"]}`)
		l.must(l.admin.Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: l.name.Namespace, Name: "copied", Labels: l.secret().Labels},
			Data:       l.secret().Data,
		}))
		copied.restoring = true
		copied.work()
		copied.expectState(v1alpha1.StatePending, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
		copied.expectRefused(l.value(), "another ApiKey's key")
		l.work().expectWrites("")
	})
}
