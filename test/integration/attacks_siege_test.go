package integration

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// In the attacks somebody who may do anything with ApiKeys (but not with their status) and with Secrets in one
// namespace tries to get more than policy gives: the permission read, for the tenant acme, for a day at most, of a key
// that is generated. A manager runs as it does in a cluster. What is judged is what they end up with: what verifiers answer
// for each key that they know or have chosen, and what stands in Secrets.

// siege is a namespace under attack, with somebody else's beside it.
type siege struct {
	*lab
	victim    *lab // an ApiKey of another namespace, for the tenant globex, with every permission
	user      identity
	stop      func() // the manager
	longest   time.Duration
	victimKey string
}

// besiege makes one for all attacks of a test.
func besiege(t *testing.T) *siege {
	t.Helper()
	s := &siege{lab: emptyLab(t, "", map[string]string{ownPolicies: "", tenantLabel: "acme"}), longest: day}
	s.victim = emptyLab(t, `{"permissions":["*"],"tenant":"globex"}`, nil)
	s.victim.createApiKey()
	s.policy("only", mayRead+`,"tenants":["acme"],"maxLifetime":"24h"`)
	s.stop = s.runManager(s.victim.name.Namespace)
	s.user = namespaceUser(t, s.name.Namespace)
	s.victim.awaitState(v1alpha1.StateActive)
	s.victimKey = s.victim.value()
	t.Cleanup(func() { removeApiKeys(t, s.name.Namespace) })
	return s
}

// namespaceUser is a person who may do anything with ApiKeys and Secrets in one namespace, the status apart.
func namespaceUser(t *testing.T, namespace string) identity {
	t.Helper()
	name := "user-of-" + namespace
	i := newUser(t, name)
	object := metav1.ObjectMeta{Namespace: namespace, Name: "edit"}
	as := admin(t).client(t)
	for _, o := range []client.Object{
		&rbacv1.Role{ObjectMeta: object, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeys"}, Verbs: []string{"*"}},
			{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"*"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: object, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "edit"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}},
		},
	} {
		if err := as.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	i.waitUntilMay(t, authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "update", Resource: "secrets"})
	return i
}

// attack is one of them, on an ApiKey of its own name.
type attack struct {
	*siege
	t    *testing.T
	name string
	own  *lab // that ApiKey
}

// runAttacks lets all of them happen at once, each by its sentence. Each is judged by what is of it at its end, and all
// by the whole namespace when nobody is in the middle of something.
func runAttacks(t *testing.T, attacks map[string]func(*attack)) {
	t.Helper()
	s := besiege(t)
	t.Run("at once", func(t *testing.T) {
		for i, title := range slices.Sorted(maps.Keys(attacks)) {
			t.Run(title, func(t *testing.T) {
				t.Parallel()
				a := s.attack(t, fmt.Sprintf("attack-%d", i))
				attacks[title](a)
				a.expectNothingGained(a.isOfIt)
			})
		}
	})
	s.attack(t, "").expectNothingGained(anything)
}

// attack makes one, on an ApiKey of that name.
func (s *siege) attack(t *testing.T, name string) *attack {
	return &attack{siege: s, t: t, name: name, own: &lab{
		t: t, admin: s.admin, manager: s.manager, clock: s.clock, events: s.events, ends: map[string]time.Time{},
		name: types.NamespacedName{Namespace: s.lab.name.Namespace, Name: name},
	}}
}

// anything is whatever it is called.
func anything(string) bool { return true }

// in is a time that far ahead, as a spec has it.
func in(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }

// allowed is a spec that policy allows, with other members, JSON without the braces; the last of a name counts.
func allowed(members ...string) string {
	spec := map[string]any{"permissions": []string{"read"}, "tenant": "acme", "expiresAt": in(12 * time.Hour)}
	for _, member := range members {
		if err := json.Unmarshal([]byte("{"+member+"}"), &spec); err != nil {
			panic(fmt.Sprintf("%s: %v", member, err))
		}
	}
	return asJSON(spec)
}

func (a *attack) namespace() string { return a.siege.lab.name.Namespace }

// try sends a request as the user.
func (a *attack) try(r request) error {
	a.t.Helper()
	_, err := a.user.do(a.t.Context(), r)
	return err
}

// attempt sends a request that the API server may accept or refuse: what counts is what comes of it.
func (a *attack) attempt(r request) {
	a.t.Helper()
	if err := a.try(r); err != nil {
		a.t.Logf("%s %s: %v", r.method, r.path, err)
	}
}

// send sends a request that must succeed, and makes it again where a write of the manager was in its way.
func (a *attack) send(made func() request) {
	a.t.Helper()
	a.own.await("an answer", func() bool {
		r := made()
		err := a.try(r)
		if err != nil && !apierrors.IsConflict(err) {
			a.t.Fatalf("%s: %v", r, err)
		}
		return err == nil
	})
}

// create makes the attack's ApiKey and lets the manager look at it.
func (a *attack) create(spec string) {
	a.t.Helper()
	a.user.send(a.t, create(a.namespace(), apiKey(a.name, spec)))
	a.settle()
}

// issue makes it with what policy allows and returns its key.
func (a *attack) issue(members ...string) string {
	a.t.Helper()
	a.user.send(a.t, create(a.namespace(), apiKey(a.name, allowed(members...))))
	a.own.await("a key", func() bool { return usableKey(a.own.apiKey()) })
	return a.own.value()
}

func usableKey(key *v1alpha1.ApiKey) bool {
	return key.Status.ObservedGeneration == key.Generation && meta.IsStatusConditionTrue(key.Status.Conditions, v1alpha1.ConditionUsable)
}

// change merges into the attack's ApiKey, and lets the manager look at it.
func (a *attack) change(patchOfAll string) {
	a.t.Helper()
	a.user.send(a.t, patch(a.namespace(), a.name, mergePatch, patchOfAll))
	a.settle()
}

// settle waits until the manager has looked at the attack's ApiKey as it is, and has nothing under way.
func (a *attack) settle() {
	a.t.Helper()
	a.own.await("the manager's look", func() bool {
		key := a.own.apiKey()
		return key.Status.ObservedGeneration == key.Generation && !meta.IsStatusConditionTrue(key.Status.Conditions, v1alpha1.ConditionReconciling)
	})
}

// secretOf is a Secret as it is.
func (a *attack) secretOf(name string) *corev1.Secret {
	a.t.Helper()
	secret := &corev1.Secret{}
	a.own.must(a.admin.Get(a.t.Context(), types.NamespacedName{Namespace: a.namespace(), Name: name}, secret))
	return secret
}

// put makes a Secret as the user; it fails the test if that is refused.
func (a *attack) put(secret *corev1.Secret) *corev1.Secret {
	a.t.Helper()
	secret.Namespace = a.namespace()
	a.own.must(a.user.client(a.t).Create(a.t.Context(), secret))
	return secret
}

// tamper changes the attack's Secret as the user, again where the manager was faster.
func (a *attack) tamper(change func(*corev1.Secret)) {
	a.t.Helper()
	as := a.user.client(a.t)
	a.own.await("a write of the Secret", func() bool {
		secret := a.secretOf(a.name)
		change(secret)
		err := as.Update(a.t.Context(), secret)
		if err != nil && !apierrors.IsConflict(err) {
			a.t.Fatal(err)
		}
		return err == nil
	})
}

// chosenKey is a key that the user has made up, so that no manager has to tell them. It looks like a generated one.
func chosenKey(t *testing.T) string {
	t.Helper()
	plaintext, err := keys.Generate(rand.Reader, keys.Format{})
	if err != nil {
		t.Fatal(err)
	}
	return string(plaintext.Reveal())
}

// removeFinalizers lets go what an attack kept from being deleted.
func (a *attack) removeFinalizers() {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if _, err := a.user.do(ctx, patch(a.namespace(), a.name, mergePatch, `{"metadata":{"finalizers":null}}`)); err != nil {
		a.t.Errorf("remove the finalizers: %v", err)
	}
}
