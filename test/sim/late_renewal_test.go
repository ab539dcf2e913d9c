package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// TestALateCreateOfAnExpiredKeyIsNoOrphan is a history that broke once. The create of a Secret was given up, the ApiKey
// expired and was given more time, and then the create landed: with a key that had left the record with the others.
func TestALateCreateOfAnExpiredKeyIsNoOrphan(t *testing.T) {
	const life = 5 * time.Second
	cases := map[string]func(*world){
		"unset":    func(w *world) { w.change(func(s *v1alpha1.ApiKeySpec) { s.ExpiresAt = nil }) },
		"extended": func(w *world) { w.change(expiringAt(w.now().Add(time.Hour))) },
	}
	for name, giveMoreTime := range cases {
		for late := time.Second; late < fence; late += time.Second {
			t.Run(fmt.Sprintf("%s, landing after %s", name, late), func(t *testing.T) {
				playScript(t, func(w *world) {
					w.change(expiringAt(w.now().Add(life)))
					w.giveUpFirstCreate(w.managers[0], late)
					w.managers[0].settle(publishDelay)
					w.advance(life)
					w.managers[0].settle(publishDelay)
					giveMoreTime(w)
					w.managers[0].settle(fence + lifecycleSlack)
				})
			})
		}
	}
}
