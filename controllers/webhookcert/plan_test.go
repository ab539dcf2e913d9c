package webhookcert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func in(d time.Duration) time.Time { return noon.Add(d) }

// ca is a CA that was made so long ago with the default durations.
func ca(age time.Duration, hasKey bool) Authority {
	return Authority{NotBefore: in(-age - time.Hour), NotAfter: in(365*day - age), HasKey: hasKey}
}

// certificate is a serving certificate that was made so long ago with the default durations.
func certificate(age time.Duration) *Serving {
	return &Serving{NotBefore: in(-age - time.Hour), NotAfter: in(90*day - age)}
}

func TestNext(t *testing.T) {
	const withKey, without = true, false
	long := in(-30 * day)
	cases := map[string]struct {
		state State
		want  Step
	}{
		"where there is nothing a CA is made first": {
			State{}, Step{Kind: AddAuthority},
		},
		"where nothing can be served the only CA signs before it is known": {
			State{Authorities: []Authority{ca(0, withKey)}}, Step{Kind: Sign},
		},
		"what was made is waited for to settle": {
			State{Authorities: []Authority{ca(0, withKey)}, InjectedAt: noon, Serving: certificate(0)},
			Step{Kind: Wait, Wake: in(time.Hour)},
		},
		"a certificate is waited for until it is to be renewed": {
			State{Authorities: []Authority{ca(day, withKey)}, InjectedAt: long, Serving: certificate(day)},
			Step{Kind: Wait, Wake: in(59 * day)},
		},
		"a certificate is renewed before its end": {
			State{Authorities: []Authority{ca(60*day, withKey)}, InjectedAt: long, Serving: certificate(60 * day)},
			Step{Kind: Sign},
		},
		"a CA that could not vouch for another whole certificate gets a successor": {
			State{Authorities: []Authority{ca(275*day, withKey)}, InjectedAt: long, Serving: certificate(day)},
			Step{Kind: AddAuthority},
		},
		"nothing is signed by a CA that API servers may not know yet": {
			State{Authorities: []Authority{ca(275*day, withKey), ca(0, withKey)}, Serving: certificate(61 * day)},
			Step{Kind: Wait, Wake: in(29 * day)},
		},
		"nothing is signed by a CA that has not settled": {
			State{Authorities: []Authority{ca(275*day, withKey), ca(0, withKey)}, InjectedAt: in(-59 * time.Minute), Serving: certificate(61 * day)},
			Step{Kind: Wait, Wake: in(time.Minute)},
		},
		"once the successor has settled nothing is signed by the older CA any more": {
			State{Authorities: []Authority{ca(275*day, withKey), ca(time.Hour, withKey)}, InjectedAt: in(-time.Hour), Serving: certificate(61 * day)},
			Step{Kind: ForgetKey, Authority: 0},
		},
		"a CA that has settled signs": {
			State{Authorities: []Authority{ca(275*day, without), ca(time.Hour, withKey)}, InjectedAt: in(-time.Hour), Serving: certificate(61 * day)},
			Step{Kind: Sign, Authority: 1},
		},
		"where nothing can be served the CA signs that has been known for longest": {
			State{Authorities: []Authority{ca(275*day, withKey), ca(0, withKey)}, InjectedAt: noon},
			Step{Kind: Sign, Authority: 0},
		},
		"an ended certificate is replaced at once, whoever knows the CA": {
			State{Authorities: []Authority{ca(100*day, withKey)}, Serving: certificate(91 * day)},
			Step{Kind: Sign},
		},
		"a certificate from the future is replaced": {
			State{Authorities: []Authority{ca(0, withKey)}, InjectedAt: long, Serving: certificate(-2 * day)},
			Step{Kind: Sign},
		},
		"an ended CA is dropped": {
			State{Authorities: []Authority{ca(365*day, without), ca(90*day, withKey)}, InjectedAt: long, Serving: certificate(day)},
			Step{Kind: DropAuthority, Authority: 0},
		},
		"a CA without its key is kept while it lives, and gets a successor": {
			State{Authorities: []Authority{ca(day, without)}, InjectedAt: long, Serving: certificate(day)},
			Step{Kind: AddAuthority},
		},
		"a CA from the future signs nothing": {
			State{Authorities: []Authority{ca(-2*day, withKey)}, InjectedAt: long, Serving: certificate(day)},
			Step{Kind: AddAuthority},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Next(c.state, DefaultDurations(), noon)); diff != "" {
				t.Errorf("another step than wanted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDurationsThatCannotWorkAreRefused(t *testing.T) {
	with := func(change func(*Durations)) Durations {
		d := DefaultDurations()
		change(&d)
		return d
	}
	cases := map[string]struct {
		durations Durations
		wantOK    bool
	}{
		"the defaults":                          {DefaultDurations(), true},
		"no waiting at all":                     {with(func(d *Durations) { d.Settle, d.Backdate = 0, 0 }), true},
		"a negative settle time":                {with(func(d *Durations) { d.Settle = -1 }), false},
		"certificates that begin later":         {with(func(d *Durations) { d.Backdate = -1 }), false},
		"certificates that are never renewed":   {with(func(d *Durations) { d.Renew = 0 }), false},
		"certificates that are renewed at once": {with(func(d *Durations) { d.Renew = d.Serving - time.Second }), false},
		"CAs that live as long as the rest":     {with(func(d *Durations) { d.Authority = d.Serving }), false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := c.durations.Validate(); (err == nil) != c.wantOK {
				t.Errorf("the verdict is %v, want ok: %v", err, c.wantOK)
			}
		})
	}
}
