package indexfeed

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/permission"
)

// recordOf turns an ApiKey into what verifiers decide on: the effective grant, which is what spec and
// grant both allow, field by field. So a widened spec does nothing until the manager has granted it,
// and a narrowed one takes effect at once, with the manager down.
func recordOf(key *v1alpha1.ApiKey) (index.Record, error) {
	if err := checkBounds(key); err != nil {
		return index.Record{}, err
	}
	credentials, err := credentialsOf(key)
	if err != nil {
		return index.Record{}, err
	}
	grant := key.Status.Grant
	record := index.Record{
		Namespace:   key.Namespace,
		Name:        key.Name,
		UID:         string(key.UID),
		CreatedAt:   key.CreationTimestamp.Time,
		Revoked:     key.Spec.Revoked || key.Status.State == v1alpha1.StateRevoked,
		Suspended:   key.Spec.Suspended,
		Expired:     key.Status.State == v1alpha1.StateExpired,
		NotAfter:    timeOf(key.Spec.ExpiresAt),
		NotGranted:  grant == nil || grant.Tenant != key.Spec.Tenant,
		Credentials: credentials,
	}
	if record.NotGranted {
		return record, nil
	}
	record.Tenant = grant.Tenant
	record.NotAfter = earliest(record.NotAfter, timeOf(grant.ExpiresAt))
	record.Permissions = common(key.Spec.Permissions, grant.Permissions)
	record.Scopes, record.NotGranted = commonScopes(key.Spec.Scopes, grant.Scopes)
	return record, nil
}

func credentialsOf(key *v1alpha1.ApiKey) ([]index.Credential, error) {
	credentials := make([]index.Credential, 0, len(key.Status.Credentials))
	for i, c := range key.Status.Credentials {
		hash, err := keys.ParseHash(c.Hash)
		if err != nil {
			return nil, fmt.Errorf("status.credentials[%d].hash: %w", i, err)
		}
		credentials = append(credentials, index.Credential{Hash: hash, Revision: c.Revision, NotAfter: timeOf(c.NotAfter)})
	}
	return credentials, nil
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

// commonScopes is what two sets of scopes both hold. A dimension in which they have nothing in common
// cannot be left out, since an upstream may take an absent dimension for an unrestricted one: then
// nothing is granted until the manager has looked at the new spec.
func commonScopes(spec, grant map[string]v1alpha1.ScopeValues) (both map[string][]string, disjoint bool) {
	both = map[string][]string{}
	for dimension, asked := range spec {
		granted, ok := grant[dimension]
		if !ok {
			continue
		}
		for _, value := range asked {
			if slices.Contains(granted, value) {
				both[dimension] = append(both[dimension], string(value))
			}
		}
		if len(both[dimension]) == 0 {
			return nil, true
		}
	}
	return both, false
}

// The bounds of the API, checked again: what is stored may be older than the schema.
var (
	tenantSyntax    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	dimensionSyntax = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,31}$`)
	valueSyntax     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,62}$`)
)

// maxIdentity is how many bytes all identity headers of a key may take together.
const maxIdentity = 2560

func checkBounds(key *v1alpha1.ApiKey) error {
	grant := key.Status.Grant
	if grant == nil {
		grant = &v1alpha1.Grant{}
	}
	const revisionDigits = 19
	size := len(key.Namespace) + len(key.Name) + revisionDigits + max(len(key.Spec.Tenant), len(grant.Tenant))
	for _, side := range []v1alpha1.Grant{
		{Tenant: key.Spec.Tenant, Permissions: key.Spec.Permissions, Scopes: key.Spec.Scopes}, *grant,
	} {
		n, err := checkSide(side)
		if err != nil {
			return err
		}
		if size+n > maxIdentity {
			return fmt.Errorf("the identity headers would take %d bytes, at most %d are served", size+n, maxIdentity)
		}
	}
	return nil
}

// checkSide checks what spec and grant have in common and gives the bytes of its permissions and scopes.
func checkSide(g v1alpha1.Grant) (size int, err error) {
	if g.Tenant != "" && !tenantSyntax.MatchString(g.Tenant) {
		return 0, fmt.Errorf("the tenant %q is malformed", g.Tenant)
	}
	for _, p := range g.Permissions {
		if !permission.Valid(string(p)) {
			return 0, fmt.Errorf("the permission %q is malformed", p)
		}
		size += len(p) + 1
	}
	for dimension, values := range g.Scopes {
		if !dimensionSyntax.MatchString(dimension) {
			return 0, fmt.Errorf("the scope name %q is malformed", dimension)
		}
		size += len(dimension) + 1
		for _, v := range values {
			if !valueSyntax.MatchString(string(v)) {
				return 0, fmt.Errorf("the value %q of scope %s is malformed", v, dimension)
			}
			size += len(v) + 1
		}
	}
	return size, nil
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
