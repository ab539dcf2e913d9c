package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/permission"
)

// Evaluate judges a request by the policies of a cluster, in any order. What it refuses, or warns of, for the sake of a
// lifetime it may admit later; else its verdict depends on the time in nothing.
func Evaluate(r Request, namespace Namespace, policies []Policy, byDefault Default, now time.Time) Verdict {
	var v Verdict
	var refusals []refusal
	var warnedUntil, refusedUntil time.Time
	selected := false
	for i := range policies {
		p := &policies[i]
		if p.Unreadable != "" {
			refusals = append(refusals, refusal{unreadable: true, Finding: Finding{p.Name, []Reason{unreadable(p)}}})
			continue
		}
		if !p.Selector.Selects(namespace.Labels) {
			continue
		}
		reasons := p.against(r, namespace, now)
		switch {
		case p.WarnOnly && len(reasons) > 0:
			v.Warnings = append(v.Warnings, Finding{p.Name, reasons})
			warnedUntil = earliest(warnedUntil, p.later(r, now))
		case p.WarnOnly:
		case len(reasons) > 0:
			selected = true
			refusals = append(refusals, refusal{Finding: Finding{p.Name, reasons}})
			refusedUntil = earliest(refusedUntil, p.later(r, now))
		case !v.Admitted || p.Name < v.Policy:
			selected = true
			v.Admitted, v.Policy, v.Format, v.MaxEvery = true, p.Name, p.Format, p.maxEvery()
		}
	}
	slices.SortFunc(v.Warnings, Finding.byPolicy)
	v.Later = warnedUntil
	switch {
	case v.Admitted:
	case selected:
		v.Refusal, v.Later = closest(refusals), earliest(warnedUntil, refusedUntil)
	default:
		v.Refusal = unselected(r, namespace, refusals, byDefault)
		v.Admitted = len(v.Refusal.Reasons) == 0
	}
	return v
}

// Selects says whether a policy has a say in a namespace, be it to warn.
func (p *Policy) Selects(labels map[string]string) bool {
	return p.Unreadable != "" || p.Selector.Selects(labels)
}

// Admits says whether a policy that selects the namespace is satisfied by a request, whether or not it only warns.
func (p *Policy) Admits(r Request, namespace Namespace, now time.Time) bool {
	return p.Unreadable == "" && len(p.against(r, namespace, now)) == 0
}

// maxEvery is how often at least a key must be rotated; zero: any rotation will do.
func (p *Policy) maxEvery() time.Duration {
	if p.RequireRotation == nil || p.RequireRotation.MaxEvery == nil {
		return 0
	}
	return *p.RequireRotation.MaxEvery
}

type refusal struct {
	Finding
	unreadable bool
}

// closest is the refusal with the fewest reasons, the first by name; what can be read goes before what cannot.
func closest(refusals []refusal) Finding {
	return slices.MinFunc(refusals, func(a, b refusal) int {
		return cmp.Or(
			cmp.Compare(boolToInt(a.unreadable), boolToInt(b.unreadable)),
			cmp.Compare(len(a.Reasons), len(b.Reasons)),
			cmp.Compare(a.Policy, b.Policy),
		)
	}).Finding
}

// byPolicy orders findings by the names of their policies.
func (f Finding) byPolicy(other Finding) int { return cmp.Compare(f.Policy, other.Policy) }

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// unselected judges in a namespace of which no policy that can be read speaks.
func unselected(r Request, namespace Namespace, unreadable []refusal, byDefault Default) Finding {
	switch {
	case byDefault == DenyByDefault:
		f := Finding{Reasons: []Reason{noPolicy(namespace)}}
		slices.SortFunc(unreadable, func(a, b refusal) int { return a.byPolicy(b.Finding) })
		for _, u := range unreadable {
			f.Reasons = append(f.Reasons, u.Reasons...)
		}
		return f
	case len(unreadable) > 0:
		return closest(unreadable)
	}
	var reasons []Reason
	if slices.Contains(r.Permissions, permission.Wildcard) {
		reasons = append(reasons, wildcardByDefault())
	}
	if r.Import {
		reasons = append(reasons, importByDefault())
	}
	return Finding{Reasons: reasons}
}

// later is when what a policy has against a request only because of its lifetime is over.
func (p *Policy) later(r Request, now time.Time) time.Time {
	if p.MaxLifetime == 0 || r.ExpiresAt.IsZero() {
		return time.Time{}
	}
	if t := r.ExpiresAt.Add(-p.MaxLifetime); t.After(now) {
		return t
	}
	return time.Time{}
}

// earliest is the earlier of two times, zero standing for never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
