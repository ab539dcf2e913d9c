package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	policyengine "github.com/apikey-operator/apikey-operator/internal/policy"
)

const mayRead = `"permissions":["read"]`

// grantedLab is a lab whose ApiKey has a credential by the policy named first, of those members.
func grantedLab(t *testing.T, spec, members string) *lab {
	t.Helper()
	l := newPolicyLab(t, spec)
	l.policy("first", members)
	l.work().expectWrites("put status, create Secret, put status")
	l.takeEvents()
	return l
}

// expectReason holds that a verifier with the latest news answers a request with a key for that reason.
func (l *lab) expectReason(value string, want authn.Reason) {
	l.t.Helper()
	l.hear()
	if got := l.decide(l.latest(), value, "").Reason; got != want {
		l.t.Errorf("a verifier answers %s, want %s", got, want)
	}
}

// expectDenied holds that nothing is granted, for a reason, and that a verifier refuses what was issued before.
func (l *lab) expectDenied(reason string) {
	l.t.Helper()
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionAccepted, metav1.ConditionFalse, reason)
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionUsable, metav1.ConditionFalse, reason)
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionReady, metav1.ConditionFalse, reason)
	l.expectState(v1alpha1.StateDenied, v1alpha1.ConditionStalled, metav1.ConditionTrue, reason)
	l.expectNoCondition(v1alpha1.ConditionReconciling)
	if grant := l.apiKey().Status.Grant; grant != nil && !cmp.Equal(*grant, v1alpha1.Grant{ExpiresAt: grant.ExpiresAt}) {
		l.t.Errorf("the grant is %+v, want at most its expiry", grant)
	}
	for _, value := range l.published {
		l.expectReason(value, authn.NotGranted)
	}
}

func (l *lab) expectGrantedBy(policy string) {
	l.t.Helper()
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	l.expectNoCondition(v1alpha1.ConditionStalled)
	if policy != "" {
		policy = l.policyName(policy)
	}
	if got := l.apiKey().Status.Grant; got == nil || got.Policy != policy {
		l.t.Errorf("the grant is %+v, want one by the policy %q", got, policy)
	}
}

func TestNothingIsMintedForWhatNoPolicyAllows(t *testing.T) {
	t.Parallel()
	l := newPolicyLab(t, `{"permissions":["read"]}`)
	l.work().expectWrites("put status")
	l.expectDenied(v1alpha1.ReasonNoPolicy)
	l.expectMessage(v1alpha1.ConditionAccepted, "no ApiKeyPolicy selects namespace "+l.name.Namespace)
	l.expectEvents("Warning NoPolicy no ApiKeyPolicy selects namespace " + l.name.Namespace)
	l.expectCredentials("")
	l.expectNoSecret()
	if grant := l.apiKey().Status.Grant; grant != nil {
		t.Errorf("the grant is %+v, want none", grant)
	}
	l.expectQuiet()

	l.policy("first", mayRead)
	l.work().expectWrites("put status, create Secret, put status")
	l.expectGrantedBy("first")
	l.expectPublished(1)
	l.expectAccepted(l.value(), "a key that a policy allows by now")
	l.expectEvents("Normal Accepted all that the spec asks for is granted now", "Normal Issued published the credential of revision 1")
	l.expectQuiet()
}

func TestTheStatusSaysWhatPolicyHasAgainstAnApiKey(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ members, spec, wantReason, wantMessage string }{
		"a permission": {mayRead, `{"permissions":["read","write"]}`, v1alpha1.ReasonPermissionNotAllowed, `spec.permissions: "write" is not allowed, only read`},
		"a tenant":     {`"tenants":["acme"]`, `{"tenant":"globex"}`, v1alpha1.ReasonTenantNotAllowed, `spec.tenant: "globex" is not allowed, only acme`},
		"no tenant":    {`"tenants":["acme"]`, `{}`, v1alpha1.ReasonTenantRequired, `spec.tenant: is required: give one of acme`},
		"another namespace's tenant": {`"tenantFromNamespaceLabel":"` + tenantLabel + `"`, `{"tenant":"globex"}`, v1alpha1.ReasonTenantNotAllowed,
			`spec.tenant: "globex" is not allowed, only acme`},
		"a namespace without a tenant": {`"tenantFromNamespaceLabel":"example.com/other"`, `{"tenant":"acme"}`, v1alpha1.ReasonTenantNotAllowed,
			`has no label example.com/other`},
		"a scope":    {`"scopes":{"category":["general"]}`, `{"scopes":{"category":["secret"]}}`, v1alpha1.ReasonScopeNotAllowed, `spec.scopes.category: "secret" is not allowed, only general`},
		"no scope":   {`"scopes":{"category":["general"]}`, `{}`, v1alpha1.ReasonScopeRequired, `spec.scopes.category: is required: give some of general`},
		"no expiry":  {`"maxLifetime":"24h"`, `{}`, v1alpha1.ReasonExpiryRequired, `spec.expiresAt: is required: give a time at most 24h ahead`},
		"too long":   {`"maxLifetime":"24h"`, `{"expiresAt":"2027-06-01T00:00:00Z"}`, v1alpha1.ReasonLifetimeTooLong, `spec.expiresAt: 2027-06-01T00:00:00Z is not allowed, only a time at most 24h ahead`},
		"no cadence": {`"requireRotation":{}`, `{"rotation":{"gracePeriod":"1h"}}`, v1alpha1.ReasonRotationRequired, `spec.rotation: is required: give every or schedule`},
		"too rare":   {`"requireRotation":{"maxEvery":"24h"}`, `{"rotation":{"every":"25h"}}`, v1alpha1.ReasonRotationTooRare, `spec.rotation: 25h between two rotations is not allowed, only at most 24h`},
		"too long a grace": {`"requireRotation":{"maxGracePeriod":"1h"}`, `{"rotation":{"every":"25h"}}`, v1alpha1.ReasonGracePeriodTooLong,
			`spec.rotation.gracePeriod: 24h is not allowed, only at most 1h`},
		"no rate limit": {`"maxRateLimit":{"requests":10,"period":"1s"}`, `{}`, v1alpha1.ReasonRateLimitRequired, `spec.rateLimit: is required: give at most 10 requests in 1s, 10 at once`},
		"a high rate": {`"maxRateLimit":{"requests":10,"period":"1s"}`, `{"rateLimit":{"requests":11,"period":"1s"}}`, v1alpha1.ReasonRateLimitTooHigh,
			`spec.rateLimit: 11 requests in 1s, 11 at once is not allowed, only at most 10 requests in 1s, 10 at once`},
		"an import":       {mayRead, hashSpec(importedKey), v1alpha1.ReasonImportNotAllowed, `spec.source: keys that come from elsewhere are not allowed`},
		"a prefix":        {`"format":{"prefix":"sk_"}`, `{"format":{"prefix":"ak_"}}`, v1alpha1.ReasonFormatNotAllowed, `spec.format.prefix: "ak_" is not allowed, only sk_`},
		"several at once": {mayRead, `{"tenant":"acme","permissions":["write"]}`, v1alpha1.ReasonPermissionNotAllowed, `"write" is not allowed, only read; spec.tenant: "acme" is not allowed, nor is any other`},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := newPolicyLab(t, c.spec)
			l.policy("first", c.members)
			l.work().expectWrites("put status")
			l.expectDenied(c.wantReason)
			l.expectMessage(v1alpha1.ConditionAccepted, "policy "+l.policyName("first")+" does not allow this: ")
			l.expectMessage(v1alpha1.ConditionAccepted, c.wantMessage)
			l.expectEvents("Warning " + c.wantReason + " policy " + l.policyName("first") + " does not allow this: ")
			l.expectCredentials("")
			l.expectNoSecret()
			l.expectQuiet()
		})
	}
}

func TestTheGrantNamesThePolicyAndHoldsAllThatWasAskedFor(t *testing.T) {
	t.Parallel()
	l := newPolicyLab(t, `{"permissions":["read"],"tenant":"acme","scopes":{"category":["general"]},"expiresAt":"2027-06-01T00:00:00Z",
		"allowedCIDRs":["10.0.0.0/8"],"rateLimit":{"requests":10,"period":"1s","burst":20}}`)
	const all = `"permissions":["*"],"tenants":["*"],"scopes":{"*":["*"]}`
	l.policy("c", all)
	l.policy("b", all+`,"maxRateLimit":{"requests":100,"period":"1s"}`)
	l.policy("a", mayRead)
	l.work()
	requests := v1alpha1.RateLimit{Requests: 10, Period: metav1.Duration{Duration: time.Second}, Burst: 20}
	want := &v1alpha1.Grant{
		Tenant: "acme", Permissions: []v1alpha1.Permission{"read"}, Scopes: map[string]v1alpha1.ScopeValues{"category": {"general"}},
		ExpiresAt: l.apiKey().Spec.ExpiresAt, AllowedCIDRs: []v1alpha1.CIDR{"10.0.0.0/8"}, RateLimit: &requests, Policy: l.policyName("b"),
	}
	if diff := cmp.Diff(want, l.apiKey().Status.Grant); diff != "" {
		t.Errorf("the grant (-want +got):\n%s", diff)
	}
	l.removePolicy("b")
	l.work().expectWrites("put status")
	l.expectGrantedBy("c")
	l.expectPublished(1)
}

func TestAPolicyThatOnlyWarnsIsToldInACondition(t *testing.T) {
	t.Parallel()
	l := grantedLab(t, `{"permissions":["read"]}`, mayRead)
	l.policy("trial", `"permissions":["write"],"tenants":["acme"],"enforcement":"Warn"`)
	l.work().expectWrites("put status")
	l.expectGrantedBy("first")
	l.expectState(v1alpha1.StateActive, v1alpha1.ConditionPolicyWarning, metav1.ConditionTrue, v1alpha1.ReasonPermissionNotAllowed)
	l.expectMessage(v1alpha1.ConditionPolicyWarning, "policy "+l.policyName("trial")+` does not allow this: spec.permissions: "read" is not allowed, only write; spec.tenant: is required`)
	l.expectAccepted(l.value(), "a key that a policy only warns of")
	l.expectQuiet()
	l.policy("trial", `"permissions":["*"],"enforcement":"Warn"`)
	l.work().expectWrites("put status")
	l.expectNoCondition(v1alpha1.ConditionPolicyWarning)

	l.removePolicy("first")
	l.work()
	l.expectDenied(v1alpha1.ReasonNoPolicy)
}

func TestByDefaultAllIsAllowedButImportsAndEverything(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ spec, wantReason string }{
		"some permission":      {`{"permissions":["payments:*"],"tenant":"acme"}`, ""},
		"nothing":              {`{}`, ""},
		"the bare wildcard":    {`{"permissions":["*"]}`, v1alpha1.ReasonPermissionNotAllowed},
		"a hash":               {hashSpec(importedKey), v1alpha1.ReasonImportNotAllowed},
		"a referenced Secret":  {referenceSpec, v1alpha1.ReasonImportNotAllowed},
		"both, first by order": {strings.Replace(referenceSpec, `["read"]`, `["*"]`, 1), v1alpha1.ReasonPermissionNotAllowed},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := newPolicyLab(t, c.spec)
			l.byDefault = policyengine.AllowByDefault
			l.work()
			if c.wantReason == "" {
				l.expectGrantedBy("")
				return
			}
			l.expectDenied(c.wantReason)
			l.expectMessage(v1alpha1.ConditionAccepted, "where no ApiKeyPolicy selects the namespace")
			l.expectNoSecret()
		})
	}
}

func TestAPolicyTakesAwayWhatTheDefaultAllowed(t *testing.T) {
	t.Parallel()
	l := newPolicyLab(t, `{"permissions":["read"]}`)
	l.byDefault = policyengine.AllowByDefault
	l.work()
	value := l.value()
	l.policy("first", `"permissions":["write"]`)
	l.work()
	l.expectDenied(v1alpha1.ReasonPermissionNotAllowed)
	l.removePolicy("first")
	l.work()
	l.expectGrantedBy("")
	l.expectAccepted(value, "the key that the default allows again")
	l.expectPublished(1)
}

func TestARunningManagerFollowsPoliciesAndLabels(t *testing.T) {
	t.Parallel()
	l := newPolicyLab(t, `{"permissions":["read"],"tenant":"acme"}`)
	l.runManager()
	l.awaitCondition(v1alpha1.ConditionAccepted, v1alpha1.ReasonNoPolicy)
	l.policy("first", mayRead+`,"tenantFromNamespaceLabel":"`+tenantLabel+`"`)
	l.awaitState(v1alpha1.StateActive)
	value := l.value()
	l.labelNamespace(tenantLabel, "globex")
	l.awaitCondition(v1alpha1.ConditionAccepted, v1alpha1.ReasonTenantNotAllowed)
	l.expectReason(value, authn.NotGranted)
	l.policy("first", mayRead+`,"tenants":["*"]`)
	l.awaitState(v1alpha1.StateActive)
	l.expectReason(value, authn.Allowed)
	l.removePolicy("first")
	l.awaitCondition(v1alpha1.ConditionAccepted, v1alpha1.ReasonNoPolicy)
	l.expectReason(value, authn.NotGranted)
	if l.value() != value {
		t.Error("another key was issued")
	}
}
