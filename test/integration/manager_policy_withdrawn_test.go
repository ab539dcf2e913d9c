package integration

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

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
			l.expectEvents("Normal Accepted all that the spec asks for is granted now")
			if l.secret().ResourceVersion != secret {
				t.Error("the Secret was written")
			}
			l.expectQuiet()
		})
	}
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
