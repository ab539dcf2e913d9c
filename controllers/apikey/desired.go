package apikey

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/internal/schedule"
)

// defaultGrace is the grace period where the spec names none, and rotations are not closer than that.
const defaultGrace = 24 * time.Hour

// desired is what an ApiKey asks for, with what is wrong about it in a way that its schema cannot tell. Then there
// is no rotation by time, and all else goes on.
func (r *Reconciler) desired(key *v1alpha1.ApiKey) (lifecycle.Desired, error) {
	rotation, err := r.rotation(key.Spec.Rotation)
	return lifecycle.Desired{
		ID:          string(key.UID),
		Deleting:    !key.DeletionTimestamp.IsZero(),
		Revoked:     key.Spec.Revoked,
		ExpiresAt:   timeOf(key.Spec.ExpiresAt),
		Revision:    key.Spec.Revision,
		MinRevision: key.Spec.MinRevision,
		Rotation:    rotation,
		RevealFor:   durationOf(key.Spec.Secret.DeleteAfter),
		Source:      sourceOf(key),
	}, err
}

func (r *Reconciler) rotation(spec *v1alpha1.Rotation) (lifecycle.Rotation, error) {
	if spec == nil {
		return lifecycle.Rotation{GracePeriod: defaultGrace}, nil
	}
	every := durationOf(spec.Every)
	rotation := lifecycle.Rotation{Every: every, GracePeriod: graceOf(spec, every)}
	if spec.Schedule == "" {
		return rotation, nil
	}
	times, err := r.schedules.Parse(spec.Schedule, spec.TimeZone, r.Clock.Now())
	if err != nil {
		return rotation, err
	}
	rotation.GracePeriod = graceOf(spec, times.ShortestGap())
	if rotation.GracePeriod > times.ShortestGap() {
		return rotation, fmt.Errorf("spec.rotation.gracePeriod is %s, longer than the %s between two times of spec.rotation.schedule: write at most that",
			rotation.GracePeriod, times.ShortestGap())
	}
	rotation.Schedule = times
	return rotation, nil
}

var _ lifecycle.Schedule = (*schedule.Schedule)(nil)

// graceOf is the grace period that is asked for; without one it is a day, or the time between two rotations
// where that is known and shorter.
func graceOf(spec *v1alpha1.Rotation, interval time.Duration) time.Duration {
	switch {
	case spec.GracePeriod != nil:
		return spec.GracePeriod.Duration
	case interval > 0:
		return min(defaultGrace, interval)
	default:
		return defaultGrace
	}
}

func durationOf(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}

func sourceOf(key *v1alpha1.ApiKey) lifecycle.Source {
	source := key.Spec.Source
	switch {
	case source != nil && source.Hash != nil:
		hint := source.Hash.Hint
		if hint == "" {
			hint = "…"
		}
		return lifecycle.Source{Kind: lifecycle.FromHash, Hash: keys.ImportedPrefix + source.Hash.SHA256, Hint: hint}
	case source != nil && source.SecretRef != nil:
		return lifecycle.Source{Kind: lifecycle.FromSecret}
	default:
		return lifecycle.Source{Kind: lifecycle.Generated}
	}
}

// secretOf is the name of the Secret that an ApiKey has to do with: its own, the one that it refers to, or none.
func secretOf(key *v1alpha1.ApiKey) string {
	switch sourceOf(key).Kind {
	case lifecycle.FromHash:
		return ""
	case lifecycle.FromSecret:
		return key.Spec.Source.SecretRef.Name
	case lifecycle.Generated:
	}
	return key.SecretName()
}
