package apikey

import (
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// How long to wait after a failed write of a Secret: twice as long each time. The longest is short enough
// that somebody who has just raised a quota sees the key appear.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 2 * time.Minute
)

// maxRaces is how many writes in a row may be lost to somebody who came first before it is told as a
// failure: an admission webhook may answer with the same codes.
const maxRaces = 5

// attempts remembers failed writes of Secrets. The work queue's own back-off is not enough: the write's
// own event, or one of another writer, would bring the next attempt at once.
type attempts struct {
	mu    sync.Mutex
	owner map[types.NamespacedName]attempt
}

// attempt is the last of a series that failed.
type attempt struct {
	uid      types.UID
	hash     string // of what was to be written
	failures int
	next     time.Time
	failure  error // nil for a race
}

func newAttempts() *attempts {
	return &attempts{owner: map[types.NamespacedName]attempt{}}
}

// failed notes a failure and says when to try again, which is not before a least delay.
func (a *attempts) failed(key *v1alpha1.ApiKey, hash string, cause error, least time.Duration, now time.Time) attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := a.owner[nameOf(key)]
	if last.uid != key.UID || last.hash != hash {
		last = attempt{uid: key.UID, hash: hash}
	}
	delay := max(least, min(lastRetry, firstRetry<<min(last.failures, 16)))
	last.failures++
	last.next, last.failure = now.Add(delay), cause
	if isRace(cause) && last.failures <= maxRaces {
		last.failure = nil
	}
	a.owner[nameOf(key)] = last
	return last
}

// waiting is the last attempt to write this, if it is too early for another.
func (a *attempts) waiting(key *v1alpha1.ApiKey, hash string, now time.Time) (attempt, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := a.owner[nameOf(key)]
	return last, last.uid == key.UID && last.hash == hash && last.next.After(now)
}

func (a *attempts) forget(name types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.owner, name)
}

// isRace says whether a write failed since another came first, or may have.
func isRace(err error) bool {
	return errors.Is(err, errChanged) || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}
