package integration

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Each scenario is run once without a fault, to count its calls to the API server, and then once more
// for every call and every kind of fault.

var faultKinds = []faultKind{
	refused, unanswered, landsLate, landsLateKilled, killedBefore, killedAfter,
	pausedShort, pausedLong, pausedSecretLost, pausedLongSecretLost, revokedMeanwhile,
}

func TestIssueSurvivesAFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	forEveryFault(t, publishes(1, func(*lab) {}))
}

func TestALostSecretIsReplacedDespiteAFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	forEveryFault(t, publishes(2, func(l *lab) {
		l.start(fault{}).settle()
		l.deleteSecret()
	}))
}

func TestATamperedSecretIsReplacedDespiteAFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	forEveryFault(t, publishes(2, func(l *lab) {
		l.start(fault{}).settle()
		l.tamperWith("somebody else's")
	}))
}

func TestWithoutTheWriteWindowAStaleUpdateStillLosesAtEveryCall(t *testing.T) {
	t.Parallel()
	scenario := publishes(2, func(l *lab) {
		l.window = time.Hour
		l.start(fault{}).settle()
		l.tamperWith("somebody else's")
	})
	forEveryFault(t, func(t *testing.T, f fault) *process {
		if f.kind == pausedSecretLost || f.kind == pausedLongSecretLost {
			f = fault{} // only the window keeps a stale create out
		}
		return scenario(t, f)
	})
}

func TestAThirdCredentialInAGracePeriodSurvivesAFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	forEveryFault(t, publishes(3, func(l *lab) {
		l.start(fault{}).settle()
		l.deleteSecret()
		l.start(fault{}).settle()
		l.deleteSecret()
	}))
}

func TestAPreviousKeyThatWasPutBackIsReplacedDespiteAFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	forEveryFault(t, publishes(3, func(l *lab) {
		l.start(fault{}).settle()
		first := l.published[0]
		l.deleteSecret()
		l.start(fault{}).settle()
		l.tamperWith(first)
	}))
}

// publishes is a scenario at whose end, whatever fault happens in the process that comes after the
// preparation, so many credentials were published.
func publishes(want int, prepare func(*lab)) func(*testing.T, fault) *process {
	return func(t *testing.T, f fault) *process {
		t.Helper()
		l := newLab(t)
		prepare(l)
		p := l.start(f)
		p.settleWithSuccessors()
		l.finish(f, want)
		return p
	}
}

func TestARevokedKeyStaysRevokedDespiteAFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	forEveryFault(t, func(t *testing.T, f fault) *process {
		l := newLab(t)
		l.start(fault{}).settle()
		l.edit(`{"spec":{"revoked":true}}`)
		l.deleteSecret()
		p := l.start(f)
		p.settleWithSuccessors()
		l.finishRevoked(f)
		l.expectPublished(1)
		return p
	})
}

// forEveryFault runs a scenario without a fault, and then with each kind of fault at each of its calls.
func forEveryFault(t *testing.T, scenario func(*testing.T, fault) *process) {
	t.Helper()
	var calls []string
	t.Run("no fault", func(t *testing.T) { calls = scenario(t, fault{}).calls })
	if len(calls) == 0 {
		t.Fatal("the scenario makes no call, so nothing would be tried")
	}
	for i, what := range calls {
		for _, kind := range faultKinds {
			t.Run(fmt.Sprintf("call %d, %s: %s", i+1, what, kind), func(t *testing.T) {
				scenario(t, fault{call: i + 1, kind: kind})
			})
		}
	}
}

// finish lets everything end that is under way and holds that the ApiKey is served, with as many
// credentials published as there was reason for: what the scenario says, and what the fault lost.
func (l *lab) finish(f fault, published int) {
	l.t.Helper()
	if f.kind == revokedMeanwhile {
		l.finishRevoked(f)
		return
	}
	l.landLate()
	l.start(fault{}).settle()
	l.advance(2 * labLanded)
	l.start(fault{}).settle()

	key := l.apiKey()
	if !meta.IsStatusConditionTrue(key.Status.Conditions, v1alpha1.ConditionReady) || key.Status.State != v1alpha1.StateActive {
		l.t.Errorf("in the end the state is %s and the conditions are %+v", key.Status.State, key.Status.Conditions)
	}
	for _, c := range key.Status.Credentials {
		if c.State == v1alpha1.CredentialPending {
			l.t.Errorf("in the end the credential of revision %d is still pending", c.Revision)
		}
	}
	l.expectPublished(published + l.lost)
	l.expectQuiet()
}

// finishRevoked holds that a revoked key is dead and stays so; check looks at each credential.
func (l *lab) finishRevoked(f fault) {
	l.t.Helper()
	l.landLate()
	l.start(fault{}).settle()
	l.deleteSecret()
	l.start(fault{}).settle()

	key := l.apiKey()
	if key.Status.State != v1alpha1.StateRevoked {
		l.t.Errorf("after %q the state is %s", f.kind, key.Status.State)
	}
	if secret := l.secret(); secret != nil {
		l.t.Errorf("a revoked key was put into a new Secret")
	}
	l.expectQuiet()
}
