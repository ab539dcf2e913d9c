package integration

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/keys"
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
	l.expectEvents("Normal Accepted all that the spec asks for is granted again", "Normal Issued published the credential of revision 1")
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

func TestATightenedPolicyWithdrawsTheGrantAndAWiderOneRestoresIt(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct{ spec, wantGrant string }{
		"of a key that expires":   {`{"permissions":["read"],"tenant":"acme","expiresAt":"2027-06-01T00:00:00Z"}`, `{"expiresAt":"2027-06-01T00:00:00Z"}`},
		"of a key without an end": {`{"permissions":["read"],"tenant":"acme"}`, `null`},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			const wide = mayRead + `,"tenants":["acme"]`
			l := grantedLab(t, c.spec, wide)
			value, secret := l.value(), l.secret().ResourceVersion
			l.policy("first", `"permissions":["write"],"tenants":["acme"]`)
			l.work().expectWrites("put status")
			l.expectDenied(v1alpha1.ReasonPermissionNotAllowed)
			l.expectCredentials("1 Current")
			l.expectEvents("Warning PermissionNotAllowed policy " + l.policyName("first"))
			if got := asJSON(l.apiKey().Status.Grant); got != c.wantGrant {
				t.Errorf("what is left of the grant is %s, want %s", got, c.wantGrant)
			}
			l.expectQuiet()
			l.advance(time.Hour)

			l.policy("first", wide)
			l.work().expectWrites("put status")
			l.expectGrantedBy("first")
			l.expectAccepted(value, "the same key under a grant that was restored")
			l.expectPublished(1)
			l.expectEvents("Normal Accepted all that the spec asks for is granted again")
			if l.secret().ResourceVersion != secret {
				t.Error("the Secret was written")
			}
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

func TestTheTenantFollowsTheLabelOfTheNamespace(t *testing.T) {
	t.Parallel()
	l := grantedLab(t, `{"permissions":["read"],"tenant":"acme"}`, mayRead+`,"tenantFromNamespaceLabel":"`+tenantLabel+`"`)
	value := l.value()
	l.labelNamespace(tenantLabel, "globex")
	l.work().expectWrites("put status")
	l.expectDenied(v1alpha1.ReasonTenantNotAllowed)
	l.expectMessage(v1alpha1.ConditionAccepted, `spec.tenant: "acme" is not allowed, only globex`)
	l.labelNamespace(tenantLabel, "")
	l.work().expectWrites("put status")
	l.expectDenied(v1alpha1.ReasonTenantNotAllowed)
	l.expectMessage(v1alpha1.ConditionAccepted, "has no label "+tenantLabel)
	l.edit(`{"spec":{"tenant":null}}`)
	l.work()
	l.expectDenied(v1alpha1.ReasonTenantNotAllowed)
	l.edit(`{"spec":{"tenant":"acme"}}`)
	l.labelNamespace(tenantLabel, "acme")
	l.work().expectWrites("put status")
	l.expectGrantedBy("first")
	l.expectAccepted(value, "the same key in a namespace that has its tenant back")
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

func TestALifetimeThatIsTooLongIsGrantedWhenTimeHasShortenedIt(t *testing.T) {
	t.Parallel()
	l := newPolicyLab(t, `{"permissions":["read"],"expiresAt":"2027-01-11T18:00:00Z"}`) // in 30 hours
	l.policy("first", mayRead+`,"maxLifetime":"24h"`)
	p := l.work()
	l.expectDenied(v1alpha1.ReasonLifetimeTooLong)
	result, err := p.reconcile()
	l.must(err)
	if result.RequeueAfter != 6*time.Hour {
		t.Fatalf("the manager comes back after %s, want 6h", result.RequeueAfter)
	}
	l.advance(6*time.Hour - time.Second)
	_, err = p.reconcile()
	l.must(err)
	l.expectCredentials("")
	l.advance(time.Second)
	l.work().expectWrites("put status, create Secret, put status")
	l.expectState(v1alpha1.StateExpiring, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	l.expectPublished(1)
}

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

// mintedLab is a lab with a Pending on its way, and the process that holds its plaintext.
func mintedLab(t *testing.T) (*lab, *process) {
	t.Helper()
	l := newPolicyLab(t, `{"permissions":["read"]}`)
	l.policy("first", mayRead)
	p := l.start(fault{})
	p.passes(1)
	l.expectCredentials("1 Pending")
	return l, p
}

func TestACredentialOnItsWayIsNotPublishedWithoutItsGrant(t *testing.T) {
	t.Parallel()
	l, p := mintedLab(t)
	l.policy("first", "")
	p.settle()
	l.expectDenied(v1alpha1.ReasonPermissionNotAllowed)
	l.expectNoSecret()
	l.expectPublished(0)
	p.expectWrites("put status, put status")

	l.policy("first", mayRead)
	l.work()
	l.expectGrantedBy("first")
	l.expectPublished(1)
	l.expectAccepted(l.value(), "the key that was issued with the grant")
	for range 3 { // until what nobody holds has left the record
		l.advance(labLanded)
		l.work()
	}
	if got := l.apiKey().Status.Credentials; len(got) != 1 {
		t.Errorf("the status lists %d credentials, want the current one alone", len(got))
	}
}

func TestACredentialOnItsWayThatIsGrantedAgainInTimeIsPublishedOnce(t *testing.T) {
	t.Parallel()
	l, p := mintedLab(t)
	l.policy("first", "")
	l.policy("first", mayRead)
	p.settle()
	l.expectGrantedBy("first")
	l.expectPublished(1)
	l.expectCredentials("1 Current")
}

func TestWhatEndedWhileTheGrantWasWithdrawnNeverComesBack(t *testing.T) {
	t.Parallel()
	const expiring = `{"permissions":["read"],"expiresAt":"2027-01-10T13:00:00Z"}` // in an hour
	later := `{"spec":{"expiresAt":"2027-01-20T00:00:00Z"}}`
	cases := map[string]struct {
		spec    string
		happens func(*lab)
		revived bool // with another credential
	}{
		"expired, and given more time": {expiring, func(l *lab) {
			l.advance(2 * time.Hour)
			l.work()
			l.edit(later)
			l.work()
		}, true},
		"expired while no manager ran, and given more time": {expiring, func(l *lab) {
			l.advance(2 * time.Hour)
			l.edit(later)
		}, true},
		"given more time first, and past what was granted": {expiring, func(l *lab) {
			l.edit(later)
			l.work()
			l.advance(2 * time.Hour)
			l.work()
		}, true},
		"given no end, and past what was granted": {expiring, func(l *lab) {
			l.edit(`{"spec":{"expiresAt":null}}`)
			l.work()
			l.advance(2 * time.Hour)
		}, true},
		"expired": {expiring, func(l *lab) {
			l.advance(2 * time.Hour)
			l.work()
		}, false},
		"revoked": {`{"permissions":["read"]}`, func(l *lab) {
			l.edit(`{"spec":{"revoked":true}}`)
			l.work()
		}, false},
		"below the least revision": {`{"permissions":["read"]}`, func(l *lab) {
			l.edit(`{"spec":{"minRevision":2}}`)
			l.work()
		}, true},
		"replaced, and past its grace period": {`{"permissions":["read"],"revision":2,"rotation":{"gracePeriod":"1h"}}`, func(l *lab) {
			l.policy("first", mayRead)
			l.edit(`{"spec":{"revision":3}}`)
			l.work()
			l.policy("first", "")
			l.work()
			l.advance(2 * time.Hour)
			l.work()
		}, true},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := grantedLab(t, c.spec, mayRead)
			old := l.value()
			l.policy("first", "")
			l.work()
			l.expectRefused(old, "a key whose grant was withdrawn")
			c.happens(l)
			l.published = slices.DeleteFunc(l.published, func(v string) bool { return v == old })
			l.dead = append(l.dead, old)
			l.policy("first", mayRead)
			l.work()
			l.expectRefused(old, "a key that ended meanwhile")
			l.hear()
			l.expectRefused(old, "a key that ended meanwhile, by the latest news")
			if !c.revived {
				l.expectPublished(0)
				return
			}
			l.expectPublished(1)
			l.expectAccepted(l.value(), "the key that was issued instead")
		})
	}
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
