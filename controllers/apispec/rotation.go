package apispec

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/internal/schedule"
)

// defaultGrace is the grace period where the spec names none, and rotations are not closer than that.
const defaultGrace = 24 * time.Hour

var _ lifecycle.Schedule = (*schedule.Schedule)(nil)

// Rotations reads how keys are rotated, and keeps the schedules that it has understood. The zero value is ready
// to use, by any number of goroutines.
type Rotations struct {
	schedules schedule.Cache
}

// Rotation is how a key is rotated.
type Rotation struct {
	lifecycle.Rotation

	// Interval is the longest time between two rotations; zero where the clock brings none.
	Interval time.Duration
}

// Of reads a rotation; nil for none. Its errors are what is wrong in a way that the schema cannot tell, with what to
// write instead; then there is no rotation by time, and all else holds.
func (r *Rotations) Of(spec *v1alpha1.Rotation, now time.Time) (Rotation, error) {
	if spec == nil {
		return Rotation{Rotation: lifecycle.Rotation{GracePeriod: defaultGrace}}, nil
	}
	every := DurationOf(spec.Every)
	rotation := Rotation{Rotation: lifecycle.Rotation{Every: every, GracePeriod: graceOf(spec, every)}, Interval: every}
	if spec.Schedule == "" {
		return rotation, nil
	}
	times, err := r.schedules.Parse(spec.Schedule, spec.TimeZone, now)
	if err != nil {
		return rotation, err
	}
	rotation.GracePeriod = graceOf(spec, times.ShortestGap())
	if rotation.GracePeriod > times.ShortestGap() {
		return rotation, fmt.Errorf("spec.rotation.gracePeriod is %s, longer than the %s between two times of spec.rotation.schedule: write at most that",
			rotation.GracePeriod, times.ShortestGap())
	}
	rotation.Schedule, rotation.Interval = times, times.LongestGap()
	return rotation, nil
}

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

// DurationOf is zero for none.
func DurationOf(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}
