package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// bearing is a Secret of that name with a key that somebody has chosen.
func bearing(name, value string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{"api-key": []byte(value)}}
}

// mark makes a Secret look as if the manager had written it for an ApiKey.
func mark(secret *corev1.Secret, hint string) *corev1.Secret {
	secret.Labels = map[string]string{"app.kubernetes.io/managed-by": "apikey-operator"}
	secret.Annotations = map[string]string{
		v1alpha1.RevisionAnnotation: "1", v1alpha1.HintAnnotation: hint, v1alpha1.IssuedAtAnnotation: "2026-11-01T00:00:00Z",
		v1alpha1.WrittenAnnotation: `{"data":["api-key"]}`,
	}
	return secret
}

// controlledBy is a controller reference to an ApiKey, forged by whoever needs one.
func controlledBy(name string, uid string) []metav1.OwnerReference {
	return []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "ApiKey", Name: name, UID: types.UID(uid), Controller: new(true),
	}}
}

// preparing is an attack by a Secret that is there before the ApiKey.
func preparing(prepare func(*corev1.Secret)) func(*attack) {
	return func(a *attack) {
		chosen := chosenKey(a.t)
		secret := bearing(a.name, chosen)
		prepare(secret)
		a.put(secret)
		a.create(allowed())
		a.expectStalled(v1alpha1.ReasonSecretConflict)
		a.expect(chosen, authn.UnknownKey)
		a.own.expectCredentials("")
		if got := a.secretOf(a.name); got.ResourceVersion != secret.ResourceVersion {
			a.t.Error("the Secret of somebody else was written")
		}
	}
}

// tampering is an attack by a change of the Secret that the manager has written.
func tampering(change func(a *attack, s *corev1.Secret, chosen string)) func(*attack) {
	return func(a *attack) {
		value, chosen := a.issue(), chosenKey(a.t)
		a.tamper(func(s *corev1.Secret) { change(a, s, chosen) })
		a.own.await("the manager's key", func() bool {
			got := string(a.secretOf(a.name).Data["api-key"])
			return got != chosen && a.verify(got).Reason == authn.Allowed
		})
		a.settle()
		a.expect(chosen, authn.UnknownKey)
		a.expectWithinPolicy(value) // in its grace period, or still
	}
}

func TestAttacksBySecrets(t *testing.T) {
	t.Parallel()
	runAttacks(t, map[string]func(*attack){
		"preparing a Secret with a chosen key": preparing(func(*corev1.Secret) {}),
		"preparing a Secret with the manager's marks": preparing(func(s *corev1.Secret) {
			mark(s, "ak_0000…")
		}),
		"preparing a Secret of an ApiKey that has been before": preparing(func(s *corev1.Secret) {
			mark(s, "ak_0000…").OwnerReferences = controlledBy(s.Name, "11111111-2222-3333-4444-555555555555")
		}),
		"preparing a Secret that cannot be changed": preparing(func(s *corev1.Secret) {
			mark(s, "ak_0000…").Immutable = new(true)
		}),
		"preparing a Secret with the ApiKey for its controller": func(a *attack) {
			chosen := chosenKey(a.t)
			a.create(allowed(`"permissions":["write"]`)) // so that its UID is known and nothing is issued yet
			secret := mark(bearing(a.name, chosen), "ak_0000…")
			secret.OwnerReferences = controlledBy(a.name, string(a.own.apiKey().UID))
			a.put(secret)
			a.change(`{"spec":{"permissions":["read"]}}`)
			a.own.await("a key", func() bool { return usableKey(a.own.apiKey()) && a.own.value() != chosen })
			a.expect(chosen, authn.UnknownKey)
			a.expectWithinPolicy(a.own.value())
		},

		"putting a chosen key into the Secret": tampering(func(_ *attack, s *corev1.Secret, chosen string) { s.Data["api-key"] = []byte(chosen) }),
		"putting a chosen key beside the Secret's": tampering(func(_ *attack, s *corev1.Secret, chosen string) {
			s.Data["token"] = []byte(chosen)
			s.Annotations[v1alpha1.WrittenAnnotation] = `{"data":["api-key","token"]}`
		}),
		"putting a chosen key into the Secret with its marks": tampering(func(_ *attack, s *corev1.Secret, chosen string) {
			s.Data["api-key"] = []byte(chosen)
			s.Annotations[v1alpha1.HintAnnotation], s.Annotations[v1alpha1.RevisionAnnotation] = chosen[:7]+"…", "99"
		}),
		"putting a chosen key into the Secret and owning it": tampering(func(_ *attack, s *corev1.Secret, chosen string) {
			s.Data["api-key"], s.OwnerReferences = []byte(chosen), nil
		}),
		"putting somebody else's key into the Secret": func(a *attack) {
			value := a.issue()
			a.tamper(func(s *corev1.Secret) { s.Data["api-key"] = []byte(a.victimKey) })
			a.own.await("the manager's key", func() bool { return a.own.value() != a.victimKey })
			a.settle()
			a.expectWithinPolicy(value)
		},
		"putting the key of another ApiKey into the Secret": func(a *attack) {
			other := &attack{siege: a.siege, t: a.t, name: a.name + "-other"}
			own := *a.own
			own.name.Name = other.name
			other.own = &own
			of := other.issue()
			value := a.issue()
			a.tamper(func(s *corev1.Secret) { s.Data["api-key"] = []byte(of) })
			a.own.await("the manager's key", func() bool { return a.own.value() != of })
			a.settle()
			a.expectWithinPolicy(value)
			if got := a.verify(of).Key.Name(); got != other.name {
				a.t.Errorf("the key of %s speaks for %s", other.name, got)
			}
		},
		"keeping a chosen key in the Secret by making it immutable": func(a *attack) {
			value, chosen := a.issue(), chosenKey(a.t)
			a.tamper(func(s *corev1.Secret) { s.Data["api-key"], s.Immutable = []byte(chosen), new(true) })
			a.expectStalled(v1alpha1.ReasonSecretImmutable)
			a.expect(chosen, authn.UnknownKey)
			a.expectWithinPolicy(value)
		},
		"putting another Secret in the place of the manager's": func(a *attack) {
			value, chosen := a.issue(), chosenKey(a.t)
			was := a.secretOf(a.name)
			as := a.user.client(a.t)
			a.own.await("the user being faster", func() bool {
				secret := bearing(a.name, chosen)
				secret.Namespace, secret.Labels, secret.Annotations = a.namespace(), was.Labels, was.Annotations
				_ = as.Delete(a.t.Context(), a.secretOf(a.name))
				return as.Create(a.t.Context(), secret) == nil
			})
			a.expectStalled(v1alpha1.ReasonSecretConflict)
			a.expect(chosen, authn.UnknownKey)
			a.expectWithinPolicy(value)
		},
		"writing an old state of the Secret back": func(a *attack) {
			first := a.issue(`"rotation":{"gracePeriod":"0s"}`)
			was := a.secretOf(a.name)
			a.change(`{"spec":{"revision":2}}`)
			a.own.await("another key", func() bool { return a.own.value() != first && usableKey(a.own.apiKey()) })
			if err := a.user.client(a.t).Update(a.t.Context(), was.DeepCopy()); !apierrors.IsConflict(err) {
				a.t.Errorf("a write of an old state: %v, want a conflict", err)
			}
			a.tamper(func(s *corev1.Secret) { s.Data, s.Annotations = was.Data, was.Annotations })
			a.own.await("another key", func() bool { return a.own.value() != first })
			a.settle()
			a.expect(first, authn.UnknownKey)
			a.expectWithinPolicy(a.own.value())
		},

		"having the key written into a Secret of another name": func(a *attack) {
			database := a.put(bearing(a.name+"-database", "the password of the database"))
			a.create(allowed(`"secret":{"name":"` + database.Name + `","data":{"api-key.env":"$(KEY)"},"key":"token"}`))
			a.expectStalled(v1alpha1.ReasonSecretConflict)
			if got := a.secretOf(database.Name); got.ResourceVersion != database.ResourceVersion {
				a.t.Error("the Secret of somebody else was written")
			}
		},
		"having two ApiKeys share a Secret": func(a *attack) {
			value := a.issue()
			other := a.own.name
			other.Name += "-other"
			own := *a.own
			own.name = other
			second := &attack{siege: a.siege, t: a.t, name: other.Name, own: &own}
			second.create(allowed(`"secret":{"name":"` + a.name + `"}`))
			second.expectStalled(v1alpha1.ReasonSecretConflict)
			second.own.expectCredentials("")
			a.expectWithinPolicy(value)
		},
		"having a Secret written elsewhere": func(a *attack) {
			for _, name := range []string{a.victim.name.Namespace + "/x", "../" + a.victim.name.Namespace + "/secrets/x", "x\n", "X"} {
				a.user.sendRefused(a.t, create(a.namespace(), apiKey(a.name, allowed(`"secret":{"name":`+asJSON(name)+`}`))), "must be the name of a Secret")
			}
			a.user.sendRefused(a.t, create(a.namespace(), apiKey(a.name, allowed(`"secret":{"namespace":"`+a.victim.name.Namespace+`"}`))), `unknown field "spec.secret.namespace"`)
			a.create(allowed(`"permissions":["write"]`))
		},
		"having a token of a ServiceAccount made": func(a *attack) {
			for _, kind := range []string{"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", "kubernetes.io/tls"} {
				a.user.sendRefused(a.t, create(a.namespace(), apiKey(a.name, allowed(`"secret":{"type":"`+kind+`"}`))), "must be Opaque, or a type of a domain outside *kubernetes.io")
			}
			for _, member := range []string{"labels", "annotations"} {
				for _, name := range []string{"kubernetes.io/service-account.name", "kubernetes.io/service-account.uid", "apikey-operator.dev/key-source", "app.kubernetes.io/managed-by"} {
					a.user.sendRefused(a.t, create(a.namespace(), apiKey(a.name, allowed(`"secret":{"`+member+`":{"`+name+`":"default"}}`))), "which mean something to controllers")
				}
			}
			value := a.issue()
			a.user.sendRefused(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"secret":{"type":"kubernetes.io/service-account-token"}}}`), "spec.secret.type")
			a.expectWithinPolicy(value)
		},
		"leaving a Secret for a token of a ServiceAccount in the way": func(a *attack) {
			a.create(allowed(`"permissions":["write"]`))
			secret := mark(bearing(a.name, chosenKey(a.t)), "ak_0000…")
			secret.Type, secret.OwnerReferences = corev1.SecretTypeServiceAccountToken, controlledBy(a.name, string(a.own.apiKey().UID))
			secret.Annotations[corev1.ServiceAccountNameKey] = "default"
			secret.Labels[madeByUser] = "true"
			secret.Namespace = a.namespace()
			if err := a.user.client(a.t).Create(a.t.Context(), secret); err != nil && !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
				a.t.Fatal(err) // the API server need not let the user do that
			}
			a.change(`{"spec":{"permissions":["read"]}}`)
			a.own.await("the manager's look", func() bool { return a.own.apiKey().Status.State != v1alpha1.StateDenied })
			a.expect(string(secret.Data["api-key"]), authn.UnknownKey)
		},
		"having other things written than placeholders name": func(a *attack) {
			for _, text := range []string{"$(PASSWORD)", "$(SECRET)", "$(KEY_OF_ANOTHER)", "$($(KEY))", "$(/var/run/secrets/kubernetes.io/serviceaccount/token)", "$(env)"} {
				a.user.sendRefused(a.t, create(a.namespace(), apiKey(a.name, allowed(`"secret":{"data":{"x":`+asJSON(text)+`}}`))), "may use only $(KEY)")
			}
			value := a.issue(`"secret":{"data":{"x":"$(NAME)$(NAMESPACE)$(TENANT)$(HINT)","y":"${KEY} {{.Key}} $KEY %s"}}`)
			data := a.secretOf(a.name).Data
			if got, want := string(data["x"]), a.name+a.namespace()+"acme"+a.own.apiKey().Status.Hint; got != want {
				a.t.Errorf("the data key x holds %q, want %q", got, want)
			}
			if got := string(data["y"]); got != "${KEY} {{.Key}} $KEY %s" || strings.Contains(got, value) {
				a.t.Errorf("the data key y holds %q", got)
			}
		},
		"owning the ApiKey by what may be deleted, or by somebody else's": func(a *attack) {
			body := strings.Replace(apiKey(a.name, allowed(`"permissions":["*"]`)), `"metadata":{`,
				`"metadata":{"ownerReferences":`+asJSON(controlledBy(a.victim.name.Name, string(a.victim.apiKey().UID)))+`,`, 1)
			a.user.send(a.t, create(a.namespace(), body))
			a.settle()
			a.expectStalled(v1alpha1.ReasonPermissionNotAllowed)
			a.own.expectNoSecret()
		},
	})
}
