package sim

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Policy admits the ApiKey or refuses it, and each process hears of that in its own time, as of all that its caches
// hold.

// refusal is what policy has against the ApiKey, when it refuses it.
var refusal = policy.Finding{Policy: "strict", Reasons: []policy.Reason{
	{Code: policy.PermissionNotAllowed, Field: "spec.permissions", Text: `"read" is not allowed`},
}}

// admits says whether policy admits the ApiKey now.
func (w *world) admits() bool { return w.rulings[len(w.rulings)-1] }

// rule lets policy admit the ApiKey from now on, or refuse it.
func (w *world) rule(admits bool) {
	if admits == w.admits() {
		return
	}
	w.rulings = append(w.rulings, admits)
	w.ledger.shut = false
}

func (w *world) refuse() { w.rule(false) }
func (w *world) admit()  { w.rule(true) }

// overrule changes policy in the middle of something.
func (w *world) overrule() {
	w.rule(!w.admits())
	if w.draw("heard at once", 2) == 0 {
		for _, m := range w.managers {
			m.process.hear()
		}
	}
}

// hear lets a process know what policy says now.
func (p *process) hear() { p.heard = len(p.manager.world.rulings) - 1 }

// hearSome lets a process know of some of what it has not heard of.
func (p *process) hearSome() {
	if pending := p.unheard(); pending > 0 {
		p.heard += 1 + p.manager.world.draw("rulings heard", min(pending, 63))
	}
}

func (p *process) unheard() int { return len(p.manager.world.rulings) - 1 - p.heard }

// hearsay judges by what a process has heard.
type hearsay struct{ process *process }

// Judge implements apikey.Judge.
func (h hearsay) Judge(context.Context, *v1alpha1.ApiKey, time.Time) (policy.Verdict, error) {
	p := h.process
	p.admitted = p.manager.world.rulings[p.heard]
	if !p.admitted {
		return policy.Verdict{Refusal: refusal}, nil
	}
	return policy.Verdict{Admitted: true, Policy: "lenient"}, nil
}

// checkJudged holds a write that has landed against what its process made of the ApiKey right before it: where it was
// admitted it is not denied, and where it was refused nothing is granted, minted or published.
func (l *ledger) checkJudged(o client.Object, admitted bool) {
	switch object := o.(type) {
	case *corev1.Secret:
		if !admitted {
			l.broken("policy", "the Secret of a refused ApiKey was written")
		}
	case *v1alpha1.ApiKey:
		if admitted {
			l.shut = false // of a process that has not heard yet
			l.checkAdmitted(object)
			return
		}
		l.checkRefused(object)
		for _, c := range object.Status.Credentials {
			if l.last == nil || findHash(l.last, c.Hash) == nil {
				l.broken("policy", "a credential was minted for a refused ApiKey: %s", describe(object))
			}
		}
	}
}

func (l *ledger) checkAdmitted(key *v1alpha1.ApiKey) {
	if key.Status.State == v1alpha1.StateDenied {
		l.broken("policy", "an ApiKey that is admitted is denied: %s", describe(key))
	}
}

// checkRefused holds that nothing is granted, but for until when it was.
func (l *ledger) checkRefused(key *v1alpha1.ApiKey) {
	switch key.Status.State {
	case v1alpha1.StateDenied, v1alpha1.StateExpired, v1alpha1.StateRevoked:
	default:
		l.broken("policy", "a refused ApiKey is not denied: %s", describe(key))
	}
	if grant := key.Status.Grant; grant != nil && len(grant.Permissions) > 0 {
		l.broken("policy", "a refused ApiKey is granted %v", grant.Permissions)
	}
}

// settled holds that a manager which came to rest did as policy says. Where it refuses and everybody has heard of that,
// verifiers accept no key from then on, until it admits the ApiKey again or what was under way before lands.
func (l *ledger) settled() {
	key := l.world.apiKey()
	switch {
	case key == nil:
	case l.world.admits():
		l.checkAdmitted(key)
	default:
		l.checkRefused(key)
		l.shut = true
		for _, m := range l.world.managers {
			l.shut = l.shut && m.process.unheard() == 0
		}
		l.checkDead()
	}
}

// noteExpiry remembers until when the ApiKey is granted, or until when it would be, had policy not refused it: verifiers
// refuse it then as expired.
func (l *ledger) noteExpiry(key *v1alpha1.ApiKey) {
	granted := time.Time{}
	if grant := key.Status.Grant; grant != nil && grant.ExpiresAt != nil {
		granted = grant.ExpiresAt.Time
	}
	asked := key.Spec.ExpiresAt
	switch {
	case key.Status.State != v1alpha1.StateDenied:
		l.until = granted
	case asked != nil && key.Status.ObservedGeneration == key.Generation && (l.until.IsZero() || asked.Time.Before(l.until)):
		l.until = asked.Time
	}
}
