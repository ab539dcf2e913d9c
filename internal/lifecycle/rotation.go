package lifecycle

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"time"
)

// Schedule tells the times at which credentials are replaced. Next is the first one after a given time,
// zero for none.
type Schedule interface {
	Next(after time.Time) time.Time
}

// Rotation says when a credential is replaced and for how long the replaced one still works.
type Rotation struct {
	Every    time.Duration // zero: not by age
	Schedule Schedule      // nil: not by the clock

	GracePeriod time.Duration // zero: not at all
}

// Jitter spreads what was made together: up to a tenth of the time between two rotations, and at most
// maxJitter.
const (
	jitterFraction = 10
	maxJitter      = 5 * time.Minute
)

// nextRotation is when a credential is due to be replaced; zero for never. All that depends on is when it was
// issued, so a due time that was missed is due once.
func nextRotation(d Desired, c Credential) time.Time {
	r, since := d.Rotation, countsFrom(c)
	switch {
	case r.Every > 0:
		return since.Add(r.Every + jitter(d.ID, c.Revision, r.Every))
	case r.Schedule != nil:
		due := r.Schedule.Next(since)
		if due.IsZero() {
			return due
		}
		due = due.UTC()
		following := r.Schedule.Next(due)
		if following.IsZero() {
			return due
		}
		return due.Add(jitter(d.ID, c.Revision, following.Sub(due)))
	}
	return time.Time{}
}

// countsFrom is when the time of a credential began. A publish satisfies all that was due when it was done: where
// that took long, another one right after it would cut short the grace of what consumers had until then. One that
// was restored had been published before.
func countsFrom(c Credential) time.Time {
	if c.Cause != Restored && c.PublishedAt.After(c.IssuedAt) {
		return c.PublishedAt
	}
	return c.IssuedAt
}

// jitter is a delay in whole seconds that is always the same for one credential.
func jitter(id string, revision int64, interval time.Duration) time.Duration {
	most := min(interval/jitterFraction, maxJitter) / time.Second
	hash := sha256.Sum256([]byte(id + "/" + strconv.FormatInt(revision, 10))) // spreads what differs in little evenly, too
	drawn := binary.BigEndian.Uint64(hash[:])
	return time.Duration(drawn%uint64(most+1)) * time.Second
}

// dueCause says why the current credential is to be replaced, if it is. No time makes it due while the clocks
// do not agree.
func dueCause(d Desired, current Credential, at instant) (Cause, bool) {
	if current.Revision < max(d.Revision, d.MinRevision) {
		return RevisionRaised, true
	}
	if !at.doubtful() && at.reached(nextRotation(d, current)) {
		return Rotated, true
	}
	return "", false
}

// bound shortens grace periods to what the spec allows now, counted from the moment at which the current credential
// took over. One that ends later than a whole period from now is the work of a clock that was wrong, and so is a
// Pending that was retired in the future.
func bound(d Desired, credentials []Credential, at instant) []Credential {
	began := at.late // where nobody knows
	if current, _ := FindCurrent(credentials); !current.PublishedAt.IsZero() && current.PublishedAt.Before(began) {
		began = current.PublishedAt
	}
	bounded := make([]Credential, 0, len(credentials))
	for _, c := range credentials {
		if c.State == Previous {
			c = c.endingBy(seconds(began.Add(d.Rotation.GracePeriod)))
		}
		if latest := at.after(0); c.RetiredAt.After(latest) {
			c.RetiredAt = latest
		}
		bounded = append(bounded, c)
	}
	return bounded
}
