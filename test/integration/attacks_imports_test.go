package integration

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// importing is an attack by a key that comes from elsewhere, of which nothing may show in the status.
func importing(source func(a *attack, chosen string) string) func(*attack) {
	return func(a *attack) {
		chosen := chosenKey(a.t)
		a.create(allowed(`"source":` + source(a, chosen)))
		a.expectStalled(v1alpha1.ReasonImportNotAllowed)
		a.own.expectCredentials("")
		a.expect(chosen, authn.UnknownKey)
		status := asJSON(a.own.apiKey().Status)
		for _, hash := range []string{sha256Of(chosen), fmt.Sprintf("%x", keys.HashV1(chosen).Sum), sha256Of(a.victimKey), hintOfReference(chosen)} {
			if strings.Contains(status, hash) {
				a.t.Errorf("the status tells something of a Secret: %s", status)
			}
		}
	}
}

// hintOfReference is how a status would hint at the key of a Secret. Two characters alone are the end of some word now and then.
func hintOfReference(key string) string { return "…" + key[len(key)-2:] }

func TestAttacksByImports(t *testing.T) {
	t.Parallel()
	hash := func(text string) string { return `{"hash":{"sha256":"` + text + `"}}` }
	reference := func(name string) string { return `{"secretRef":{"name":"` + name + `"}}` }
	runAttacks(t, map[string]func(*attack){
		"importing a chosen key by its hash": importing(func(_ *attack, chosen string) string { return hash(sha256Of(chosen)) }),
		"importing the hash that another's status shows": importing(func(a *attack, _ string) string {
			shown := a.victim.credential().Hash
			return hash(strings.TrimPrefix(shown, "v1:"))
		}),
		"importing the hash of a key that another has": importing(func(a *attack, _ string) string { return hash(sha256Of(a.victimKey)) }),
		"importing a hash in the form of another's status": func(a *attack) {
			for _, text := range []string{a.victim.credential().Hash, "sha256:" + sha256Of(a.victimKey), strings.ToUpper(sha256Of(a.victimKey)), "v1:" + sha256Of(a.victimKey)} {
				a.user.sendRefused(a.t, create(a.namespace(), apiKey(a.name, allowed(`"source":`+hash(text)))), "must be the SHA-256 of the key in 64 lower-case hexadecimal digits")
			}
			a.create(allowed(`"permissions":["*"]`))
		},
		"importing a key that another has imported": func(a *attack) {
			imported := chosenKey(a.t)
			theirs := a.victim.sibling(a.name, `{"permissions":["*"],"tenant":"globex","source":`+hash(sha256Of(imported))+`}`)
			theirs.t = a.t
			theirs.awaitState(v1alpha1.StateActive)
			a.create(allowed(`"source":` + hash(sha256Of(imported))))
			a.expectStalled(v1alpha1.ReasonImportNotAllowed)
			if d := a.verify(imported); d.Reason != authn.Allowed || d.Key.Namespace() != a.victim.name.Namespace || d.Key.Tenant() != "globex" {
				a.t.Errorf("a verifier answers %s for the key that another has imported", d.Reason)
			}
		},
		"referring to a Secret that is not offered": importing(func(a *attack, chosen string) string {
			return reference(a.put(bearing(a.name+"-vault", chosen)).Name)
		}),
		"referring to a Secret that the user has offered": importing(func(a *attack, chosen string) string {
			secret := bearing(a.name+"-vault", chosen)
			secret.Labels = map[string]string{v1alpha1.KeySourceLabel: "true"}
			return reference(a.put(secret).Name)
		}),
		"referring to a Secret of the manager's": importing(func(*attack, string) string { return reference("apikey-operator-webhook-cert") }),
		"referring to a token of a ServiceAccount": importing(func(a *attack, chosen string) string {
			// As the token controller would fill it.
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace(), Name: a.name + "-token", Labels: map[string]string{v1alpha1.KeySourceLabel: "true"}},
				StringData: map[string]string{"api-key": chosen},
			}
			a.own.must(a.admin.Create(a.t.Context(), secret))
			return `{"secretRef":{"name":"` + secret.Name + `"}}`
		}),
		"referring to the Secret of another ApiKey": func(a *attack) {
			value := a.issue()
			own := *a.own
			own.name.Name = a.name + "-thief"
			thief := &attack{siege: a.siege, t: a.t, name: own.name.Name, own: &own}
			a.tamper(func(s *corev1.Secret) { s.Labels[v1alpha1.KeySourceLabel] = "true" })
			thief.create(allowed(`"source":` + reference(a.name)))
			thief.expectStalled(v1alpha1.ReasonImportNotAllowed)
			thief.own.expectCredentials("")
			if got := a.verify(value).Key.Name(); got != a.name {
				a.t.Errorf("the key speaks for %q", got)
			}
			a.expectWithinPolicy(value)
		},
		"referring to a Secret of another namespace": func(a *attack) {
			for _, name := range []string{a.victim.name.Namespace + "/probe", "../" + a.victim.name.Namespace + "/secrets/probe", "probe\n"} {
				a.user.sendRefused(a.t, create(a.namespace(), apiKey(a.name, allowed(`"source":{"secretRef":{"name":`+asJSON(name)+`}}`))), "must be the name of a Secret")
			}
			a.user.sendRefused(a.t, create(a.namespace(), apiKey(a.name, allowed(`"source":{"secretRef":{"name":"probe","namespace":"`+a.victim.name.Namespace+`"}}`))),
				`unknown field "spec.source.secretRef.namespace"`)
			loosely := createLoosely(a.namespace(), apiKey(a.name, allowed(`"source":{"secretRef":{"name":"probe","namespace":"`+a.victim.name.Namespace+`"}}`)))
			a.user.send(a.t, loosely)
			a.settle()
			a.expectStalled(v1alpha1.ReasonImportNotAllowed)
			a.own.expectCredentials("")
		},
		"turning a generated key into an import": func(a *attack) {
			value, chosen := a.issue(), chosenKey(a.t)
			for _, source := range []string{hash(sha256Of(chosen)), reference(a.name)} {
				a.user.sendRefused(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"source":`+source+`}}`), "may not change between no source, hash and secretRef")
			}
			a.expect(chosen, authn.UnknownKey)
			a.expectWithinPolicy(value)
		},
		"turning an import into a generated key": func(a *attack) {
			chosen := chosenKey(a.t)
			a.create(allowed(`"source":` + hash(sha256Of(chosen))))
			a.user.sendRefused(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"source":null}}`), "may not change between no source, hash and secretRef")
			a.expect(chosen, authn.UnknownKey)
		},
	})
}
