package admission

import (
	"fmt"
	"slices"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/permission"
)

// longGrace is the grace period above which a replaced key works for longer than consumers need to take up the new one.
const longGrace = 7 * 24 * time.Hour

// everywhere are the networks that hold all addresses of their kind.
var everywhere = []v1alpha1.CIDR{"0.0.0.0/0", "::/0"}

// advice is what is allowed and yet unwise about what an ApiKey asks for, with what to do instead.
func advice(spec *v1alpha1.ApiKeySpec) (warnings []string) {
	if spec.ExpiresAt == nil {
		warnings = append(warnings, "spec.expiresAt is absent, so the key never expires: give the time until which it is needed")
	}
	if slices.Contains(spec.Permissions, permission.Wildcard) {
		warnings = append(warnings, `spec.permissions holds "*", which allows everything, also what comes to be later: list what the key needs`)
	}
	warnings = append(warnings, rotationAdvice(spec)...)
	warnings = append(warnings, networkAdvice(spec)...)
	return warnings
}

func networkAdvice(spec *v1alpha1.ApiKeySpec) (warnings []string) {
	for _, network := range spec.AllowedCIDRs {
		if slices.Contains(everywhere, network) {
			warnings = append(warnings, fmt.Sprintf("spec.allowedCIDRs holds %s, which is every address of its kind: list the networks that the key is used from", network))
		}
	}
	return warnings
}

func rotationAdvice(spec *v1alpha1.ApiKeySpec) (warnings []string) {
	rotation := spec.Rotation
	if rotation == nil {
		rotation = &v1alpha1.Rotation{}
	}
	if spec.Source == nil && rotation.Every == nil && rotation.Schedule == "" {
		warnings = append(warnings, "spec.rotation names no time, so the key is never replaced by itself: give spec.rotation.every, such as 2160h")
	}
	if grace := rotation.GracePeriod; grace != nil && grace.Duration > longGrace {
		warnings = append(warnings, fmt.Sprintf(
			"spec.rotation.gracePeriod is %s, and so long a replaced key goes on working, also one that has leaked: at most 168h is enough for consumers that reload", grace.Duration))
	}
	return warnings
}
