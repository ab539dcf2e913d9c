package indexfeed

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/permission"
)

// recordOf turns an ApiKey into what verifiers decide on: the effective grant, which is what spec and
// grant both allow, field by field. So a widened spec does nothing until the manager has granted it,
// and a narrowed one takes effect at once, with the manager down.
func recordOf(key *v1alpha1.ApiKey) (index.Record, error) {
	if err := checkBounds(key); err != nil {
		return index.Record{}, err
	}
	source, err := sourceOf(&key.Spec)
	if err != nil {
		return index.Record{}, err
	}
	credentials, err := credentialsOf(key, source)
	if err != nil {
		return index.Record{}, err
	}
	networks, limit, err := usageOf(key)
	if err != nil {
		return index.Record{}, err
	}
	record := index.Record{
		Namespace:   key.Namespace,
		Name:        key.Name,
		UID:         string(key.UID),
		Source:      source,
		Networks:    networks,
		RateLimit:   limit,
		Revoked:     key.Spec.Revoked || key.Status.State == v1alpha1.StateRevoked,
		Suspended:   key.Spec.Suspended,
		Expired:     key.Status.State == v1alpha1.StateExpired,
		NotAfter:    timeOf(key.Spec.ExpiresAt),
		Credentials: credentials,
	}
	grant := key.Status.Grant
	record.NotGranted = grant == nil || key.Status.State == v1alpha1.StateDenied || !addCommon(&record, &key.Spec, grant)
	return record, checkIdentity(record)
}

// addCommon adds what spec and grant both allow, and returns false where that cannot be told.
func addCommon(record *index.Record, spec *v1alpha1.ApiKeySpec, grant *v1alpha1.Grant) (ok bool) {
	if grant.Tenant != spec.Tenant {
		return false
	}
	record.Tenant = grant.Tenant
	record.NotAfter = earliest(record.NotAfter, timeOf(grant.ExpiresAt))
	if record.Scopes, ok = commonScopes(spec.Scopes, grant.Scopes); !ok {
		return false
	}
	record.Permissions = common(spec.Permissions, grant.Permissions)
	return true
}

// usageOf is from where and how often a key may be used. Where nothing was granted it is what the spec says.
func usageOf(key *v1alpha1.ApiKey) (index.Networks, index.RateLimit, error) {
	grant := key.Status.Grant
	if grant == nil {
		grant = &v1alpha1.Grant{}
	}
	networks, err := commonNetworks(key.Spec.AllowedCIDRs, grant.AllowedCIDRs)
	if err != nil {
		return index.Networks{}, index.RateLimit{}, err
	}
	limit, err := lowestRateLimit(key.Spec.RateLimit, grant.RateLimit)
	return networks, limit, err
}

// checkIdentity bounds what the headers of an allowed request take: of two wide lists, what both cover can
// be longer than either.
func checkIdentity(r index.Record) error {
	size := len(r.Namespace) + len(r.Name) + len(r.Tenant) + revisionDigits
	for _, p := range r.Permissions {
		size += len(p) + 1
	}
	for dimension, values := range r.Scopes {
		size += len(dimension) + 1
		for _, v := range values {
			size += len(v) + 1
		}
	}
	if size > maxIdentity {
		return fmt.Errorf("the identity headers would take %d bytes, at most %d are served", size, maxIdentity)
	}
	return nil
}

// common is what two lists of permissions both cover, in the order of the first.
func common(spec, grant []v1alpha1.Permission) []string {
	var both []string
	add := func(from, by []v1alpha1.Permission) {
		for _, p := range from {
			covered := slices.ContainsFunc(by, func(held v1alpha1.Permission) bool {
				return permission.Covers(string(held), string(p))
			})
			if covered && !slices.Contains(both, string(p)) {
				both = append(both, string(p))
			}
		}
	}
	add(spec, grant)
	add(grant, spec)
	return both
}

// commonScopes is what two sets of scopes both hold. An upstream may take an absent dimension for an
// unrestricted one, so a dimension cannot be left out: where the two do not name the same dimensions, or
// have nothing in common in one, nothing is granted until the manager has looked at the new spec.
func commonScopes(spec, grant map[string]v1alpha1.ScopeValues) (both map[string][]string, ok bool) {
	if len(spec) != len(grant) {
		return nil, false
	}
	both = map[string][]string{}
	for dimension, asked := range spec {
		for _, value := range asked {
			if slices.Contains(grant[dimension], value) {
				both[dimension] = append(both[dimension], string(value))
			}
		}
		if len(both[dimension]) == 0 {
			return nil, false
		}
	}
	return both, true
}

// The bounds of the API, checked again: what is stored may be older than the schema.
var (
	tenantSyntax    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	dimensionSyntax = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,31}$`)
	valueSyntax     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,62}$`)
)

const (
	// maxIdentity is how many bytes all identity headers of a key may take together.
	maxIdentity = 2560
	// revisionDigits is how long a revision may be.
	revisionDigits = 19
)

func checkBounds(key *v1alpha1.ApiKey) error {
	asked := v1alpha1.Grant{Tenant: key.Spec.Tenant, Permissions: key.Spec.Permissions, Scopes: key.Spec.Scopes}
	if err := checkSyntax(asked); err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	if key.Status.Grant == nil {
		return nil
	}
	if err := checkSyntax(*key.Status.Grant); err != nil {
		return fmt.Errorf("status.grant: %w", err)
	}
	return nil
}

// checkSyntax checks what would otherwise break a header, or be taken for something else in one.
func checkSyntax(g v1alpha1.Grant) error {
	if g.Tenant != "" && !tenantSyntax.MatchString(g.Tenant) {
		return fmt.Errorf("the tenant %q is malformed", g.Tenant)
	}
	for _, p := range g.Permissions {
		if !permission.Valid(string(p)) {
			return fmt.Errorf("the permission %q is malformed", p)
		}
	}
	for dimension, values := range g.Scopes {
		if !dimensionSyntax.MatchString(dimension) {
			return fmt.Errorf("the scope name %q is malformed", dimension)
		}
		for _, v := range values {
			if !valueSyntax.MatchString(string(v)) {
				return fmt.Errorf("the value %q of scope %s is malformed", v, dimension)
			}
		}
	}
	return nil
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// earliest is the earlier of two times, zero standing for never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
