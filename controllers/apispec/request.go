package apispec

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// RequestOf is what an ApiKey asks policy for, rotated in the given way.
func RequestOf(spec *v1alpha1.ApiKeySpec, rotation Rotation) policy.Request {
	request := policy.Request{
		Permissions: Strings(spec.Permissions),
		Tenant:      spec.Tenant,
		Scopes:      map[string][]string{},
		Rotation:    policy.Rotation{Interval: rotation.Interval, Grace: rotation.GracePeriod},
		RateLimit:   RateLimitOf(spec.RateLimit),
		Format:      policy.Format{Prefix: spec.Format.Prefix, Bytes: int(spec.Format.Bytes)},
		Import:      spec.Source != nil,
	}
	for name, values := range spec.Scopes {
		request.Scopes[name] = Strings(values)
	}
	if spec.ExpiresAt != nil {
		request.ExpiresAt = spec.ExpiresAt.Truncate(time.Second)
	}
	return request
}

// RateLimitOf is zero for none.
func RateLimitOf(limit *v1alpha1.RateLimit) policy.RateLimit {
	if limit == nil {
		return policy.RateLimit{}
	}
	burst := limit.Burst
	if burst == 0 {
		burst = limit.Requests
	}
	return policy.RateLimit{Requests: limit.Requests, Period: limit.Period.Duration, Burst: burst}
}

// Strings are the same words without their type.
func Strings[S ~string](values []S) []string {
	plain := make([]string, 0, len(values))
	for _, v := range values {
		plain = append(plain, string(v))
	}
	return plain
}
