package integration

import (
	"net/url"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/authn"
)

func TestAttacksWhileNoManagerRuns(t *testing.T) {
	t.Parallel()
	// Each with what a verifier makes of it until a manager looks.
	cases := map[string]struct {
		change string
		want   authn.Reason
	}{
		"more permissions":          {`{"permissions":["*"]}`, authn.Allowed},
		"permissions beside it":     {`{"permissions":["read","write"]}`, authn.Allowed},
		"another tenant":            {`{"tenant":"globex"}`, authn.NotGranted},
		"no tenant":                 {`{"tenant":null}`, authn.NotGranted},
		"scopes":                    {`{"scopes":{"category":["general"]}}`, authn.NotGranted},
		"a later end":               {`{"expiresAt":"2199-01-01T00:00:00Z"}`, authn.Allowed},
		"no end":                    {`{"expiresAt":null}`, authn.Allowed},
		"everything":                {`{"permissions":["*"],"tenant":"globex","expiresAt":null}`, authn.NotGranted},
		"other networks, and rates": {`{"allowedCIDRs":["0.0.0.0/0"],"rateLimit":{"requests":1000000,"period":"1s"}}`, authn.Allowed},
	}
	s := besiege(t)
	attacks := map[string]*attack{}
	number := 0
	for title := range cases {
		number++
		name := objectName(number)
		own := *s.lab
		own.name.Name = name
		attacks[title] = &attack{siege: s, t: t, name: name, own: &own}
	}
	values := map[string]string{}
	for title, a := range attacks {
		values[title] = a.issue()
	}
	s.stop()
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			a := attacks[title]
			a.t, a.own.t = t, t
			was := a.verify(values[title]).Key.NotAfter()
			a.user.send(t, patch(a.namespace(), a.name, mergePatch, `{"spec":`+c.change+`}`))
			a.expect(values[title], c.want)
			if d := a.verify(values[title]); c.want == authn.Allowed {
				a.checkWithinPolicy(d, "a key of the user")
				if d.Key.Permissions() != "read" || d.Key.NotAfter() != was {
					t.Errorf("a widened spec changed what the key may do to %q until %d, from %d", d.Key.Permissions(), d.Key.NotAfter(), was)
				}
			}
			a.expectNothingGained(anything)
		})
	}
}

func TestAttacksByMeansOfDeletion(t *testing.T) {
	t.Parallel()
	runAttacks(t, map[string]func(*attack){
		"making an ApiKey anew under the name of one that had a key": func(a *attack) {
			value := a.issue()
			r := remove(a.namespace(), a.name)
			r.query = url.Values{"propagationPolicy": {string(metav1.DeletePropagationOrphan)}}
			a.attempt(r)
			a.attempt(patch(a.namespace(), a.name, mergePatch, `{"metadata":{"finalizers":null}}`)) // nobody collects garbage here
			a.user.send(a.t, create(a.namespace(), apiKey(a.name, allowed())))
			a.settle()
			a.expectStalled(v1alpha1.ReasonSecretConflict)
			a.expect(value, authn.UnknownKey)
			a.own.expectCredentials("")

			a.own.must(a.user.client(a.t).Delete(a.t.Context(), a.secretOf(a.name)))
			a.own.await("a key", func() bool { return usableKey(a.own.apiKey()) })
			a.expect(value, authn.UnknownKey)
			a.expectWithinPolicy(a.own.value())
		},
		"making a denied ApiKey anew under the name of one that had a grant": func(a *attack) {
			value := a.issue()
			a.user.send(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"tenant":"acme"}}`))
			a.own.must(a.user.client(a.t).Delete(a.t.Context(), a.own.apiKey()))
			a.user.send(a.t, create(a.namespace(), apiKey(a.name, allowed(`"permissions":["*"]`))))
			a.settle()
			a.expectStalled(v1alpha1.ReasonPermissionNotAllowed)
			a.own.expectCredentials("")
			a.expect(value, authn.UnknownKey)
		},
		"keeping a deleted ApiKey alive with a finalizer": func(a *attack) {
			value := a.issue()
			a.user.send(a.t, patch(a.namespace(), a.name, mergePatch, `{"metadata":{"finalizers":["example.com/alive"]}}`))
			a.t.Cleanup(a.removeFinalizers)
			a.own.must(a.user.client(a.t).Delete(a.t.Context(), a.own.apiKey()))
			a.expect(value, authn.UnknownKey)
			a.user.send(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"revision":2,"permissions":["*"]}}`))
			a.tamper(func(s *corev1.Secret) { s.Data["api-key"] = []byte(chosenKey(a.t)) })
			a.expect(value, authn.UnknownKey)
			a.expect(a.own.value(), authn.UnknownKey)
		},
		"unsetting revoked in every way": func(a *attack) {
			value := a.issue()
			a.change(`{"spec":{"revoked":true}}`)
			a.expect(value, authn.Revoked)
			stays := "may not be unset, a revoked key stays revoked"
			a.user.sendRefused(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"revoked":false}}`), stays)
			a.user.sendRefused(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"revoked":null}}`), stays)
			a.user.sendRefused(a.t, patch(a.namespace(), a.name, jsonPatch, `[{"op":"remove","path":"/spec/revoked"}]`), stays)
			a.user.sendRefused(a.t, patch(a.namespace(), a.name, jsonPatch, `[{"op":"remove","path":"/spec"}]`), "spec: Required value")
			a.user.sendRefused(a.t, byUpdate(a, allowed()), stays)
			a.attempt(byApply(a, allowed()))
			a.expect(value, authn.Revoked)
			a.own.must(a.user.client(a.t).Delete(a.t.Context(), a.own.apiKey()))
			a.user.send(a.t, create(a.namespace(), apiKey(a.name, allowed())))
			a.settle()
			a.expect(value, authn.UnknownKey)
		},
		"lowering the least revision that stopped a key": func(a *attack) {
			value := a.issue()
			a.change(`{"spec":{"minRevision":2}}`)
			a.own.await("another key", func() bool { return a.own.value() != value })
			a.user.sendRefused(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"minRevision":null}}`), "may not be lowered or unset")
			a.user.sendRefused(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"minRevision":1}}`), "may not be lowered or unset")
			if got := a.verify(value).Reason; got == authn.Allowed {
				a.t.Error("the key that was stopped works again")
			}
		},
		"giving more time at the moment of the end": func(a *attack) {
			end := time.Now().Add(15 * time.Second).Truncate(time.Second)
			value := a.issue(`"expiresAt":"` + end.UTC().Format(time.RFC3339) + `"`)
			a.own.await("the end", func() bool { return !time.Now().Before(end) })
			a.user.send(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"expiresAt":"`+in(12*time.Hour)+`"}}`))
			// Where the manager has not noticed the end, it waits until that is certain by all clocks.
			for range 2 {
				if got := a.verify(value).Reason; got == authn.Allowed {
					a.t.Error("the key that had ended works again")
				}
				a.own.await("the manager's look", func() bool { return a.own.apiKey().Status.ObservedGeneration == a.own.apiKey().Generation })
			}
		},
	})
}

func TestAttacksInANamespaceThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	own := *s.lab
	own.name.Name = "attack"
	a := &attack{siege: s, t: t, name: "attack", own: &own}
	value := a.issue()
	a.own.must(a.admin.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.namespace()}}))
	a.user.sendRefused(t, create(a.namespace(), apiKey("another", allowed())), "because it is being terminated")
	a.user.send(t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"permissions":["*"]}}`))
	a.own.awaitCondition(v1alpha1.ConditionAccepted, v1alpha1.ReasonPermissionNotAllowed)
	a.expect(value, authn.NotGranted)
	a.user.send(t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"permissions":["read"],"revision":2}}`))
	a.own.must(a.user.client(t).Delete(t.Context(), a.secretOf(a.name)))
	a.own.await("the manager's look", func() bool { return a.own.apiKey().Status.ObservedGeneration == a.own.apiKey().Generation })
	a.own.expectNoSecret()
	a.expectNothingGained(anything)
}
