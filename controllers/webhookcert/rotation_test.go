package webhookcert

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world is a model of what the certificates of one cluster come to. Each CA has a number, by which bundles and
// certificates refer to it.
type world struct {
	now       time.Time
	durations Durations
	state     State // of the Secret
	numbers   []int // of state.Authorities
	made      int
	signed    int

	served []servedInWorld // whatever a replica may serve, since all began
	known  []knownInWorld  // the bundles of the configurations, one after the other, since all began
}

type servedInWorld struct {
	Serving
	signedBy int
}

type knownInWorld struct {
	at  time.Time
	cas []int
}

// pass is what the reconciler does. It may break off after the Secret was written, and after the injection.
func (w *world) pass(t rapid.TB, beforeInjection, beforeNote bool) (wake time.Time) {
	t.Helper()
	wake = w.plan(t)
	if beforeInjection {
		return wake
	}
	if len(w.known) == 0 || !slices.Equal(w.known[len(w.known)-1].cas, w.numbers) {
		w.known = append(w.known, knownInWorld{at: w.now, cas: slices.Clone(w.numbers)})
	}
	if !beforeNote && w.state.InjectedAt.IsZero() {
		w.state.InjectedAt = w.now
		wake = Next(w.state, w.durations, w.now).Wake
	}
	return wake
}

func (w *world) plan(t rapid.TB) (wake time.Time) {
	t.Helper()
	for range 20 {
		step := Next(w.state, w.durations, w.now)
		if step.Kind == Wait {
			if !step.Wake.After(w.now) {
				t.Fatalf("it waits until %s, and it is %s", step.Wake, w.now)
			}
			return step.Wake
		}
		w.take(step)
	}
	t.Fatalf("it finds no end of steps in %+v", w.state)
	return time.Time{}
}

func (w *world) take(step Step) {
	s, d := &w.state, w.durations
	switch step.Kind {
	case AddAuthority:
		s.Authorities = append(s.Authorities, Authority{NotBefore: w.now.Add(-d.Backdate), NotAfter: w.now.Add(d.Authority), HasKey: true})
		s.InjectedAt = time.Time{}
		w.made++
		w.numbers = append(w.numbers, w.made)
	case DropAuthority:
		s.Authorities = slices.Delete(s.Authorities, step.Authority, step.Authority+1)
		w.numbers = slices.Delete(w.numbers, step.Authority, step.Authority+1)
	case ForgetKey:
		s.Authorities[step.Authority].HasKey = false
	case Sign:
		if !w.anyTrusted() { // there is nothing to lose: all begins anew
			w.served, w.known = nil, nil
		}
		end := w.now.Add(d.Serving)
		if limit := s.Authorities[step.Authority].NotAfter; end.After(limit) {
			end = limit
		}
		s.Serving = &Serving{NotBefore: w.now.Add(-d.Backdate), NotAfter: end}
		w.signed++
		w.served = append(w.served, servedInWorld{*s.Serving, w.numbers[step.Authority]})
	case Wait:
	}
}

// anyTrusted says whether a CA lives that every API server knows.
func (w *world) anyTrusted() bool {
	bundles := w.goneBy()
	for i, number := range w.numbers {
		known := len(bundles) > 0 && !slices.ContainsFunc(bundles, func(b knownInWorld) bool { return !slices.Contains(b.cas, number) })
		if known && w.state.Authorities[i].livesAt(w.now) {
			return true
		}
	}
	return false
}

// goneBy are the bundles that an API server may go by which learns of changes within the settle time.
func (w *world) goneBy() []knownInWorld {
	first := 0
	for i, bundle := range w.known {
		if !w.now.Before(bundle.at.Add(w.durations.Settle)) {
			first = i
		}
	}
	return w.known[min(first, len(w.known)):]
}

// checkTrust looks at every certificate that a replica may still serve, however late it is, and at every bundle that
// an API server may go by.
func (w *world) checkTrust(t rapid.TB) {
	t.Helper()
	for _, bundle := range w.goneBy() {
		for _, certificate := range w.served {
			if certificate.livesAt(w.now) && !slices.Contains(bundle.cas, certificate.signedBy) {
				t.Fatalf("at %s an API server knows the CAs %v, and CA %d has signed what a replica serves", w.now, bundle.cas, certificate.signedBy)
			}
		}
	}
}

// However often passes come, are missed or break off: as long as a CA outlives that which is trusted, no request is lost.
func TestWhateverIsServedIsTrustedByWhateverAPIServersKnow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{now: noon, durations: DefaultDurations()}
		for range rapid.IntRange(1, 150).Draw(t, "passes") {
			w.pass(t, rapid.IntRange(0, 5).Draw(t, "before the injection") == 0, rapid.IntRange(0, 5).Draw(t, "before the note") == 0)
			w.checkTrust(t)
			pauses := []time.Duration{time.Second, 10 * time.Minute, time.Hour, 5 * day, 31 * day, 100 * day}
			w.now = w.now.Add(rapid.SampledFrom(pauses).Draw(t, "pause") + time.Duration(rapid.IntRange(0, 3600).Draw(t, "seconds"))*time.Second)
			w.checkTrust(t)
		}
	})
}

func TestTenYearsOfRotation(t *testing.T) {
	w := &world{now: noon, durations: DefaultDurations()}
	for w.now.Before(noon.AddDate(10, 0, 0)) {
		wake := w.pass(t, false, false)
		w.checkTrust(t)
		if left := w.state.Serving.NotAfter.Sub(w.now); left < w.durations.Renew-w.durations.Settle {
			t.Fatalf("at %s what is served has %s left", w.now, left)
		}
		keys := len(w.state.signers(w.now))
		if len(w.state.Authorities) > 2 || keys > 2 || w.settledOnTwoKeys(keys) {
			t.Fatalf("at %s there are %d CAs, %d of them with a key", w.now, len(w.state.Authorities), keys)
		}
		w.now = wake
	}
	// A CA has a successor after 275 days, and a certificate after 60.
	if w.made < 13 || w.made > 14 || w.signed < 60 || w.signed > 62 {
		t.Errorf("%d CAs and %d certificates were made", w.made, w.signed)
	}
}

func (w *world) settledOnTwoKeys(keys int) bool {
	return w.state.settled(w.durations, w.now) && keys > 1
}
