package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// TestWhatExpiresWhileItIsRefusedStaysDead is about expiries that come while policy refuses the ApiKey and no manager runs,
// and are taken back before it is admitted again.
func TestWhatExpiresWhileItIsRefusedStaysDead(t *testing.T) {
	expiring := func(in time.Duration) func(*world) {
		return func(w *world) { w.change(expiringAt(w.now().Add(in))) }
	}
	unset := func(w *world) { w.change(func(s *v1alpha1.ApiKeySpec) { s.ExpiresAt = nil }) }
	nothing := func(*world) {}
	cases := map[string]struct{ whileAdmitted, whileRefused, atLast func(*world) }{
		"granted before":                       {expiring(time.Minute), nothing, unset},
		"granted before, and given more time":  {expiring(time.Minute), expiring(time.Hour), unset},
		"asked for since, for the first time":  {nothing, expiring(time.Minute), unset},
		"asked for since, earlier than before": {expiring(time.Hour), expiring(time.Minute), unset},
		"asked for since, and put off at last": {expiring(time.Hour), expiring(time.Minute), expiring(3 * time.Hour)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			playScript(t, func(w *world) {
				m := w.managers[0]
				c.whileAdmitted(w)
				m.settle(publishDelay)
				w.refuse()
				m.settle(publishDelay)
				c.whileRefused(w)
				m.settle(publishDelay)
				w.advance(2 * time.Minute)
				c.atLast(w)
				w.admit()
				m.settle(publishDelay)
			})
		})
	}
}

// TestARefusedKeyGoesOnWithWhatItHadWhenItIsAdmitted is about refusals at all times of a first issue, with a create that
// lands before, during and after them.
func TestARefusedKeyGoesOnWithWhatItHadWhenItIsAdmitted(t *testing.T) {
	for late := time.Second; late < fence; late += 3 * time.Second {
		for refused := time.Second; refused < 2*fence; refused += 7 * time.Second {
			t.Run(fmt.Sprintf("refused for %s, landing after %s", refused, late), func(t *testing.T) {
				playScript(t, func(w *world) {
					m := w.managers[0]
					w.giveUpFirstCreate(m, late)
					m.settle(publishDelay)
					w.refuse()
					m.settle(publishDelay)
					w.advance(refused)
					w.admit()
					m.settle(fence)
				})
			})
		}
	}
}

// TestAnAdmittedKeyWorksWhileItCannotBeToldWhetherItExpired is a history that broke once: the manager that heard that
// policy admits the ApiKey again had a clock by which it had expired, and called it Active without granting anything.
func TestAnAdmittedKeyWorksWhileItCannotBeToldWhetherItExpired(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		for _, granted := range []time.Duration{0, time.Minute, 30 * time.Minute} {
			t.Run(fmt.Sprintf("a clock that is off by %s, granted for %s", skew, granted), func(t *testing.T) {
				playScript(t, func(w *world) {
					if granted > 0 {
						w.change(expiringAt(w.now().Add(granted)))
					}
					w.managers[0].settle(publishDelay)
					w.refuse()
					w.managers[0].settle(publishDelay)
					w.admit()
					w.change(expiringAt(w.now().Add(2 * time.Minute)))
					w.managers[1].skew = skew
					w.managers[1].restart()
					w.managers[1].settle(publishDelay)
					w.advance(publishDelay)
				})
			})
		}
	}
}
