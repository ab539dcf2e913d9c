package integration

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// verify is what a verifier answers that has heard of all ApiKeys of both namespaces.
func (a *attack) verify(value string) authn.Decision {
	a.t.Helper()
	var apiKeys []any
	for _, namespace := range []string{a.namespace(), a.victim.name.Namespace} {
		list := apiobject.NewList()
		a.own.must(a.admin.List(a.t.Context(), list, client.InNamespace(namespace)))
		for i := range list.Items {
			apiKeys = append(apiKeys, &list.Items[i])
		}
	}
	return decide(a.t, apiKeys, value, "", time.Now())
}

// expect holds what a verifier answers for a key.
func (a *attack) expect(value string, want authn.Reason) {
	a.t.Helper()
	if got := a.verify(value).Reason; got != want {
		a.t.Errorf("a verifier answers %s, want %s; the status is %s", got, want, asJSON(a.own.apiKey().Status))
	}
}

// expectWithinPolicy holds that a key works, and for no more than policy allows.
func (a *attack) expectWithinPolicy(value string) {
	a.t.Helper()
	if d := a.verify(value); d.Reason != authn.Allowed {
		a.t.Errorf("a verifier answers %s, want that the key works", d.Reason)
	} else {
		a.checkWithinPolicy(d, "a key of the user")
	}
}

func (a *attack) checkWithinPolicy(d authn.Decision, which string) {
	a.t.Helper()
	end := time.Unix(0, d.Key.NotAfter())
	if d.Key.Permissions() != "read" && d.Key.Permissions() != "" || d.Key.Tenant() != "acme" || d.Key.Scopes() != "" ||
		d.Key.Namespace() != a.namespace() || end.After(time.Now().Add(a.longest)) {
		a.t.Errorf("%s speaks for tenant %q of namespace %s with the permissions %q and scopes %q until %s",
			which, d.Key.Tenant(), d.Key.Namespace(), d.Key.Permissions(), d.Key.Scopes(), end)
	}
}

// isOfIt tells the ApiKeys and Secrets of this attack from those of others.
func (a *attack) isOfIt(name string) bool {
	return name == a.name || strings.HasPrefix(name, a.name+"-")
}

// expectNothingGained holds for the ApiKeys and Secrets of that name that no grant is more than policy allows, and that
// no value in a Secret opens more. Those of others may be in between: a user who knows somebody's key can write it
// into a Secret, where it stands until the manager puts its own back.
func (a *attack) expectNothingGained(concerned func(name string) bool) {
	a.t.Helper()
	a.expectGrantsWithinPolicy(concerned)
	a.expectSecretsWithinPolicy(concerned)
	a.expectVictimUnharmed()
}

func (a *attack) expectGrantsWithinPolicy(concerned func(name string) bool) {
	a.t.Helper()
	apiKeys := &v1alpha1.ApiKeyList{}
	a.own.must(a.admin.List(a.t.Context(), apiKeys, client.InNamespace(a.namespace())))
	for _, key := range apiKeys.Items {
		if !concerned(key.Name) {
			continue
		}
		grant := key.Status.Grant
		if grant == nil || grant.Policy == "" && grant.Tenant == "" && len(grant.Permissions) == 0 { // of one that was withdrawn
			continue
		}
		widest := slices.ContainsFunc(grant.Permissions, func(p v1alpha1.Permission) bool { return p != "read" })
		if widest || grant.Tenant != "acme" || len(grant.Scopes) > 0 || grant.ExpiresAt == nil || grant.ExpiresAt.After(time.Now().Add(a.longest)) {
			a.t.Errorf("ApiKey %s was granted %s", key.Name, asJSON(grant))
		}
	}
}

func (a *attack) expectSecretsWithinPolicy(concerned func(name string) bool) {
	a.t.Helper()
	secrets := &corev1.SecretList{}
	a.own.must(a.admin.List(a.t.Context(), secrets, client.InNamespace(a.namespace())))
	for _, secret := range secrets.Items {
		if !concerned(secret.Name) {
			continue
		}
		if secret.Type == corev1.SecretTypeServiceAccountToken && secret.Labels[madeByUser] == "" {
			a.t.Errorf("Secret %s, which the user has not made, is one for a token of a ServiceAccount", secret.Name)
		}
		for name, value := range secret.Data {
			if d := a.verify(string(value)); d.Reason == authn.Allowed {
				a.checkWithinPolicy(d, "the key in Secret "+secret.Name)
			} else if strings.Contains(string(value), a.victimKey) {
				a.t.Errorf("Secret %s holds under %s the key of somebody else", secret.Name, name)
			}
		}
	}
}

// madeByUser is the label of a Secret that a user could make without any ApiKey.
const madeByUser = "example.com/made-by-user"

// expectVictimUnharmed holds that somebody else's key works as before, as theirs.
func (a *attack) expectVictimUnharmed() {
	a.t.Helper()
	d := a.verify(a.victimKey)
	if d.Reason != authn.Allowed || d.Key.Namespace() != a.victim.name.Namespace || d.Key.Tenant() != "globex" || d.Key.Permissions() != "*" {
		a.t.Errorf("a verifier answers %s for the key of somebody else, want that it works as before", d.Reason)
	}
}

// expectStalled holds that the attack's ApiKey waits for somebody, for that reason, and that nothing is under way.
func (a *attack) expectStalled(reason string) {
	a.t.Helper()
	a.own.awaitCondition(v1alpha1.ConditionStalled, reason)
}

// expectForbidden holds that the user may not do something at all.
func (a *attack) expectForbidden(r request) {
	a.t.Helper()
	if err := a.try(r); !apierrors.IsForbidden(err) {
		a.t.Errorf("%s: %v, want it forbidden", r, err)
	}
}
