package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// asking is an attack that asks for what policy withholds from the start, and ends with nothing.
func asking(reason string, members ...string) func(*attack) {
	return func(a *attack) {
		a.create(allowed(members...))
		a.expectStalled(reason)
		a.own.expectNoSecret()
		a.own.expectCredentials("")
	}
}

// widening is an attack that asks for more when there is a key, by any of the ways to change a spec. It ends with
// less, and with what it had when it asks for that again.
func widening(reason, member string, changes ...func(a *attack, spec string) request) func(*attack) {
	return func(a *attack) {
		value := a.issue()
		before := asJSON(a.own.apiKey().Spec)
		for _, change := range changes {
			a.send(func() request { return change(a, allowed(member)) })
			a.settle()
			a.expectStalled(reason)
			a.expect(value, authn.NotGranted)
			a.user.send(a.t, byJSONPatch(a, before))
			a.own.await("the old grant", func() bool { return usableKey(a.own.apiKey()) })
			a.expectWithinPolicy(value)
		}
		if a.own.value() != value {
			a.t.Error("another key was issued")
		}
	}
}

func byUpdate(a *attack, spec string) request {
	stored := a.user.send(a.t, get(a.namespace(), a.name))
	return update(a.namespace(), a.name, withSpec(a.t, stored, spec))
}

func byMergePatch(a *attack, spec string) request {
	return patch(a.namespace(), a.name, mergePatch, `{"spec":`+spec+`}`)
}

func byJSONPatch(a *attack, spec string) request {
	return patch(a.namespace(), a.name, jsonPatch, `[{"op":"replace","path":"/spec","value":`+spec+`}]`)
}

func byApply(a *attack, spec string) request {
	return apply(a.namespace(), a.name, "apikey-operator", apiKey(a.name, spec)) // under the manager's name
}

// aStatus is one that lets a key in, whoever wrote it.
func aStatus(value string) string {
	return fmt.Sprintf(`{"observedGeneration":1,"state":"Active","hint":"ak_0000…",
		"grant":{"tenant":"acme","permissions":["*"]},
		"credentials":[{"revision":1,"state":"Current","hash":%q,"hint":"ak_0000…","issuedAt":"2026-11-01T00:00:00Z","publishedAt":"2026-11-01T00:00:00Z"}],
		"conditions":[{"type":"Accepted","status":"True","reason":"Accepted","message":"","lastTransitionTime":"2026-11-01T00:00:00Z"}]}`,
		keys.HashV1(value).Encode())
}

// smuggling is an attack that sends a status along with a change that the user may make.
func smuggling(send func(a *attack, status string) request) func(*attack) {
	return func(a *attack) {
		value, chosen := a.issue(), chosenKey(a.t)
		a.attempt(send(a, aStatus(chosen)))
		a.settle()
		a.expect(chosen, authn.UnknownKey)
		a.expectWithinPolicy(value)
	}
}

// writingStatus is an attack by the status itself, which the user may not write in any way.
func writingStatus(send func(a *attack, status string) request) func(*attack) {
	return func(a *attack) {
		value, chosen := a.issue(), chosenKey(a.t)
		a.expectForbidden(send(a, aStatus(chosen)))
		a.expect(chosen, authn.UnknownKey)
		a.expectWithinPolicy(value)
	}
}

func TestAttacksByAskingForMore(t *testing.T) {
	t.Parallel()
	attacks := map[string]func(*attack){
		"creating with a permission that policy withholds":        asking(v1alpha1.ReasonPermissionNotAllowed, `"permissions":["read","write"]`),
		"creating with the bare wildcard":                         asking(v1alpha1.ReasonPermissionNotAllowed, `"permissions":["*"]`),
		"creating with a wildcard below the permission":           asking(v1alpha1.ReasonPermissionNotAllowed, `"permissions":["read:*"]`),
		"creating with the permission in capitals":                asking(v1alpha1.ReasonPermissionNotAllowed, `"permissions":["READ"]`),
		"creating for another tenant":                             asking(v1alpha1.ReasonTenantNotAllowed, `"tenant":"globex"`),
		"creating for no tenant, which may count as all":          asking(v1alpha1.ReasonTenantRequired, `"tenant":null`),
		"creating with a scope that policy does not know":         asking(v1alpha1.ReasonScopeNotAllowed, `"scopes":{"category":["general"]}`),
		"creating without an end":                                 asking(v1alpha1.ReasonExpiryRequired, `"expiresAt":null`),
		"creating with an end that is too far away":               asking(v1alpha1.ReasonLifetimeTooLong, `"expiresAt":"`+in(25*time.Hour)+`"`),
		"creating with an end that is in time only by its digits": asking(v1alpha1.ReasonLifetimeTooLong, `"expiresAt":"`+strings.TrimSuffix(in(12*time.Hour), "Z")+`-23:59"`),
		"creating with an end just before the year 2200":          asking(v1alpha1.ReasonLifetimeTooLong, `"expiresAt":"2199-12-31T23:59:59.999999999Z"`),

		"widening the permissions by an update":      widening(v1alpha1.ReasonPermissionNotAllowed, `"permissions":["read","write"]`, byUpdate),
		"widening the permissions by a merge patch":  widening(v1alpha1.ReasonPermissionNotAllowed, `"permissions":["*"]`, byMergePatch),
		"widening the permissions by a JSON patch":   widening(v1alpha1.ReasonPermissionNotAllowed, `"permissions":["*"]`, byJSONPatch),
		"widening the permissions by applying them":  widening(v1alpha1.ReasonPermissionNotAllowed, `"permissions":["*"]`, byApply),
		"changing the tenant in every way":           widening(v1alpha1.ReasonTenantNotAllowed, `"tenant":"globex"`, byUpdate, byMergePatch, byJSONPatch, byApply),
		"adding scopes to what was granted":          widening(v1alpha1.ReasonScopeNotAllowed, `"scopes":{"category":["general"]}`, byMergePatch),
		"lengthening the life of what was granted":   widening(v1alpha1.ReasonLifetimeTooLong, `"expiresAt":"`+in(48*time.Hour)+`"`, byMergePatch, byUpdate),
		"taking the end off what was granted":        widening(v1alpha1.ReasonExpiryRequired, `"expiresAt":null`, byJSONPatch),
		"ending a fraction after what policy allows": fractionAfter,

		"sending a status with a new ApiKey": func(a *attack) {
			chosen := chosenKey(a.t)
			body := strings.TrimSuffix(apiKey(a.name, allowed()), "}") + `,"status":` + aStatus(chosen) + `}`
			a.user.send(a.t, create(a.namespace(), body))
			a.own.await("a key", func() bool { return usableKey(a.own.apiKey()) })
			a.expect(chosen, authn.UnknownKey)
			a.expectWithinPolicy(a.own.value())
		},
		"sending a status with an update": smuggling(func(a *attack, status string) request {
			stored := a.user.send(a.t, get(a.namespace(), a.name))
			return update(a.namespace(), a.name, with(a.t, stored, "status", status, "spec", allowed(`"description":"x"`)))
		}),
		"sending a status with a merge patch": smuggling(func(a *attack, status string) request {
			return patch(a.namespace(), a.name, mergePatch, `{"spec":{"description":"x"},"status":`+status+`}`)
		}),
		"sending a status with a JSON patch": smuggling(func(a *attack, status string) request {
			return patch(a.namespace(), a.name, jsonPatch, `[{"op":"replace","path":"/status","value":`+status+`}]`)
		}),
		"sending a status with an apply": smuggling(func(a *attack, status string) request {
			return apply(a.namespace(), a.name, "x", strings.TrimSuffix(apiKey(a.name, allowed()), "}")+`,"status":`+status+`}`)
		}),
		"replacing the status": writingStatus(func(a *attack, status string) request {
			return updateStatus(a.namespace(), a.name, withStatus(a.t, a.user.send(a.t, get(a.namespace(), a.name)), status))
		}),
		"merging into the status": writingStatus(func(a *attack, status string) request {
			return patchStatus(a.namespace(), a.name, mergePatch, `{"status":`+status+`}`)
		}),
		"patching the status": writingStatus(func(a *attack, status string) request {
			return patchStatus(a.namespace(), a.name, jsonPatch, `[{"op":"replace","path":"/status","value":`+status+`}]`)
		}),
		"applying a status": writingStatus(func(a *attack, status string) request {
			return applyStatus(a.namespace(), a.name, "apikey-operator", statusOnly(a.name, status))
		}),
		"removing the status, so that it is made anew": writingStatus(func(a *attack, _ string) request {
			return patchStatus(a.namespace(), a.name, jsonPatch, `[{"op":"remove","path":"/status"}]`)
		}),

		"forging who created it":               forgingMarks,
		"letting the API server give the name": generatingName,
		"naming it like a path or a header":    namingOddly,
		"making it as large as may be":         makingItHuge,
		"making policies, or a namespace with other labels": func(a *attack) {
			wide := policyBody(a.name, policyFor(a.namespace(), `"permissions":["*"],"tenants":["*"],"allowImport":true`))
			a.expectForbidden(createPolicy(wide))
			a.expectForbidden(request{method: "PATCH", path: policyPath(a.policyName("only")), contentType: string(mergePatch), body: `{"spec":{"permissions":["*"]}}`})
			a.expectForbidden(request{method: "DELETE", path: policyPath(a.policyName("only"))})
			labels := `{"metadata":{"labels":{"` + ownPolicies + `":null,"` + tenantLabel + `":"globex"}}}`
			a.expectForbidden(request{method: "PATCH", path: "/api/v1/namespaces/" + a.namespace(), contentType: string(mergePatch), body: labels})
			a.expectForbidden(create(systemNamespace, apiKey(a.name, allowed())))
			a.expectForbidden(create(a.victim.name.Namespace, apiKey(a.name, `{"permissions":["*"],"tenant":"globex"}`)))
			asking(v1alpha1.ReasonPermissionNotAllowed, `"permissions":["*"]`)(a)
		},
	}
	runAttacks(t, attacks)
}

// fractionAfter tries what is left of a second: policy looks at whole ones, and so must verifiers.
func fractionAfter(a *attack) {
	bound := time.Now().Add(day).Truncate(time.Second).UTC()
	end := bound.Add(999_999_999 * time.Nanosecond).Format(time.RFC3339Nano)
	value := a.issue(`"expiresAt":"` + end + `"`)
	if got := a.verify(value).Key.NotAfter(); got > bound.UnixNano() {
		a.t.Errorf("the key ends at %s, want at most %s", time.Unix(0, got).UTC(), bound)
	}
}

func forgingMarks(a *attack) {
	marks := `{"apikey-operator.dev/created-by":"system:admin","apikey-operator.dev/changed-by":"system:admin","apikey-operator.dev/revision":"9"}`
	body := strings.Replace(apiKey(a.name, allowed(`"permissions":["write"]`)), `"metadata":{`, `"metadata":{"annotations":`+marks+`,"labels":`+marks+`,`, 1)
	if err := a.try(create(a.namespace(), body)); err != nil && !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
		a.t.Fatal(err)
	}
	a.attempt(create(a.namespace(), apiKey(a.name, allowed(`"permissions":["write"]`))))
	a.attempt(patch(a.namespace(), a.name, mergePatch, `{"metadata":{"annotations":`+marks+`}}`))
	a.settle()
	a.expectStalled(v1alpha1.ReasonPermissionNotAllowed)
	a.own.expectNoSecret()
}

func generatingName(a *attack) {
	body := strings.Replace(apiKey("x", allowed(`"permissions":["*"]`)), `"name":"x"`, `"generateName":"`+a.name+`-"`, 1)
	a.own.name.Name = a.user.send(a.t, create(a.namespace(), body)).GetName()
	a.settle()
	a.expectStalled(v1alpha1.ReasonPermissionNotAllowed)
	a.own.expectNoSecret()
}

func namingOddly(a *attack) {
	for _, name := range []string{
		"../" + a.name, a.name + "/status", a.name + "/../x", a.name + "%2fstatus", a.name + "\r\nX-Apikey-Tenant: globex", a.name + ",other", a.name + " ", "..", "*", "ÄPI",
		strings.Repeat("a", 254),
	} {
		a.user.sendRefused(a.t, create(a.namespace(), apiKey(name, allowed())), "metadata.name")
	}
	a.name += ".status.x--y"
	a.own.name.Name = a.name
	value := a.issue()
	a.expectWithinPolicy(value)
	if got := a.verify(value).Key.Name(); got != a.name {
		a.t.Errorf("the key is known by the name %q", got)
	}
}

func makingItHuge(a *attack) {
	annotations := asJSON(map[string]string{"x": strings.Repeat("a", 200_000)})
	body := strings.Replace(apiKey(a.name, allowed(`"permissions":["*"]`)), `"metadata":{`, `"metadata":{"annotations":`+annotations+`,`, 1)
	a.user.send(a.t, create(a.namespace(), body))
	a.settle()
	a.expectStalled(v1alpha1.ReasonPermissionNotAllowed)
	long := asJSON(numbered(64, 63))
	a.user.sendRefused(a.t, patch(a.namespace(), a.name, mergePatch, `{"spec":{"permissions":`+long+`}}`), "the identity headers of this key could take")
	a.user.sendRefused(a.t, patch(a.namespace(), a.name, mergePatch, `{"metadata":{"annotations":{"y":"`+strings.Repeat("a", 200_000)+`"}}}`), "262144")
	if err := a.try(patch(a.namespace(), a.name, mergePatch, `{"spec":{"description":"`+strings.Repeat("a", 4_000_000)+`"}}`)); err == nil {
		a.t.Error("an object of 4 MB was accepted")
	}
	a.change(`{"spec":{"permissions":["read"]}}`)
	a.own.await("a key", func() bool { return usableKey(a.own.apiKey()) })
	a.expectWithinPolicy(a.own.value())
}
