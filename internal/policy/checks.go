package policy

import (
	"maps"
	"slices"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/permission"
)

// against is all that a policy has against a request; nothing where it admits it.
func (p *Policy) against(r Request, namespace Namespace, now time.Time) []Reason {
	return slices.Concat(
		p.permissions(r),
		p.tenant(r, namespace),
		p.missingScopes(r),
		p.scopes(r),
		p.lifetime(r, now),
		p.rotation(r),
		p.rateLimit(r),
		p.imports(r),
		p.format(r),
	)
}

func (p *Policy) permissions(r Request) (reasons []Reason) {
	for _, asked := range r.Permissions {
		covered := slices.ContainsFunc(p.Permissions, func(held string) bool { return permission.Covers(held, asked) })
		if !covered {
			reasons = append(reasons, notAmong(PermissionNotAllowed, "spec.permissions", asked, p.Permissions))
		}
	}
	return reasons
}

func (p *Policy) tenant(r Request, namespace Namespace) []Reason {
	allowed := p.Tenants
	if p.TenantLabel != "" {
		tenant := namespace.Labels[p.TenantLabel]
		if tenant == "" {
			return []Reason{unlabelled(namespace, p.TenantLabel)}
		}
		allowed = []string{tenant}
	}
	switch {
	case r.Tenant == "" && len(allowed) == 0:
	case r.Tenant == "":
		return []Reason{required(TenantRequired, "spec.tenant", oneOf("one of ", allowed))}
	case slices.Contains(allowed, r.Tenant), p.TenantLabel == "" && slices.Contains(allowed, Any):
	default:
		return []Reason{notAmong(TenantNotAllowed, "spec.tenant", r.Tenant, allowed)}
	}
	return nil
}

// missingScopes are the scopes that a policy names and a request does not: an upstream may take an absent one for "all".
func (p *Policy) missingScopes(r Request) (reasons []Reason) {
	for _, name := range slices.Sorted(maps.Keys(p.Scopes)) {
		if name != Any && len(r.Scopes[name]) == 0 {
			reasons = append(reasons, required(ScopeRequired, "spec.scopes."+name, oneOf("some of ", p.Scopes[name])))
		}
	}
	return reasons
}

func (p *Policy) scopes(r Request) (reasons []Reason) {
	for _, name := range slices.Sorted(maps.Keys(r.Scopes)) {
		allowed, named := p.Scopes[name]
		if !named {
			allowed, named = p.Scopes[Any]
		}
		if !named {
			reasons = append(reasons, notAmong(ScopeNotAllowed, "spec.scopes", name, slices.Sorted(maps.Keys(p.Scopes))))
			continue
		}
		for _, value := range r.Scopes[name] {
			if !slices.Contains(allowed, value) && !slices.Contains(allowed, Any) {
				reasons = append(reasons, notAmong(ScopeNotAllowed, "spec.scopes."+name, value, allowed))
			}
		}
	}
	return reasons
}

func (p *Policy) lifetime(r Request, now time.Time) []Reason {
	switch {
	case p.MaxLifetime == 0:
	case r.ExpiresAt.IsZero():
		return []Reason{required(ExpiryRequired, "spec.expiresAt", "a time at most "+duration(p.MaxLifetime)+" ahead")}
	case r.ExpiresAt.After(now.Add(p.MaxLifetime)):
		return []Reason{tooMuch(LifetimeTooLong, "spec.expiresAt", r.ExpiresAt.UTC().Format(time.RFC3339), "a time at most "+duration(p.MaxLifetime)+" ahead")}
	}
	return nil
}

func (p *Policy) rotation(r Request) (reasons []Reason) {
	wanted := p.RequireRotation
	switch {
	case wanted == nil:
		return nil
	case r.Import:
		return []Reason{importDoesNotRotate()}
	case r.Rotation.Interval == 0:
		return []Reason{required(RotationRequired, "spec.rotation", "every or schedule"+atMost(wanted.MaxEvery))}
	}
	if wanted.MaxEvery != nil && r.Rotation.Interval > *wanted.MaxEvery {
		reasons = append(reasons, tooMuch(RotationTooRare, "spec.rotation", duration(r.Rotation.Interval)+" between two rotations", "at most "+duration(*wanted.MaxEvery)))
	}
	if wanted.MaxGrace != nil && r.Rotation.Grace > *wanted.MaxGrace {
		reasons = append(reasons, tooMuch(GracePeriodTooLong, "spec.rotation.gracePeriod", duration(r.Rotation.Grace), "at most "+duration(*wanted.MaxGrace)))
	}
	return reasons
}

func (p *Policy) rateLimit(r Request) []Reason {
	switch {
	case p.MaxRateLimit == RateLimit{}:
	case r.RateLimit == RateLimit{}:
		return []Reason{required(RateLimitRequired, "spec.rateLimit", "at most "+p.MaxRateLimit.String())}
	case !r.RateLimit.within(p.MaxRateLimit):
		return []Reason{tooMuch(RateLimitTooHigh, "spec.rateLimit", r.RateLimit.String(), "at most "+p.MaxRateLimit.String())}
	}
	return nil
}

// within says whether a limit lets through no more requests than another in any time, however long: what comes at once
// after a pause, and what follows it.
func (l RateLimit) within(most RateLimit) bool {
	return l.Burst <= most.Burst && l.Requests*seconds(most.Period) <= most.Requests*seconds(l.Period)
}

// seconds keeps the product with a number of requests, a million at most, within an int64.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func (p *Policy) imports(r Request) []Reason {
	if r.Import && !p.AllowImport {
		return []Reason{importNotAllowed()}
	}
	return nil
}

func (p *Policy) format(r Request) (reasons []Reason) {
	if r.Format.Prefix != "" && p.Format.Prefix != "" && r.Format.Prefix != p.Format.Prefix {
		reasons = append(reasons, notAmong(FormatNotAllowed, "spec.format.prefix", r.Format.Prefix, []string{p.Format.Prefix}))
	}
	if r.Format.Bytes != 0 && r.Format.Bytes < p.Format.Bytes {
		reasons = append(reasons, tooFewBytes(r.Format.Bytes, p.Format.Bytes))
	}
	return reasons
}
