package sim

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/test/sim/apimodel"
)

// ledger knows what an outsider can know: every key that ever stood in the Secret, what became of it, and every
// reason for another one. It holds the seven invariants against the world.
type ledger struct {
	world *world

	published []string        // keys that a manager put into the Secret, oldest first
	dead      map[string]bool // those that have ended for good
	stopped   map[string]bool // those of them that the spec ended, with the ApiKey or their revision
	tampering bool            // somebody else wrote the Secret last
	wroteAt   time.Time       // when a manager last did: what it held before is replaced since
	reasons   []string        // for a new credential, since the last reckoning
	became    []string        // hashes that became current since then
	due       time.Time       // a rotation that is recorded and has not come yet
	counted   time.Time       // the last that has come
	version   int64           // of the ApiKey's last event that was looked at
	last      *v1alpha1.ApiKey
	until     time.Time // when the ApiKey expires, by what was granted last
	shut      bool      // policy refuses it, and nothing works
}

func newLedger(w *world) *ledger {
	return &ledger{world: w, dead: map[string]bool{}, stopped: map[string]bool{}, reasons: []string{"the ApiKey was made"}}
}

// forget begins anew for another ApiKey of the name. The old keys are dead.
func (l *ledger) forget() {
	l.buryAll()
	l.reasons, l.became, l.due = []string{"the ApiKey was made"}, nil, time.Time{}
}

func (l *ledger) buryAll() {
	for _, key := range l.published {
		l.dead[key], l.stopped[key] = true, true
	}
}

// reason notes what may bring about one new credential.
func (l *ledger) reason(why string) { l.reasons = append(l.reasons, why) }

func (l *ledger) tampered() { l.tampering = true }

// oldest is a key that was published, for somebody who puts it back.
func (l *ledger) oldest() string {
	if len(l.published) == 0 {
		return "nothing was published yet, and this is no key"
	}
	return l.published[l.world.draw("which key", min(len(l.published), 63))]
}

// wrote notes a write of a manager that has landed, and whether policy admitted the ApiKey as far as that had heard.
func (l *ledger) wrote(o client.Object, admitted bool) {
	l.checkJudged(o, admitted)
	secret, ok := o.(*corev1.Secret)
	if !ok {
		return
	}
	if stored := l.world.secret(); stored == nil || stored.ResourceVersion != secret.ResourceVersion {
		return // a deletion
	}
	l.tampering, l.wroteAt = false, l.world.now()
	key := l.world.apiKey()
	if key == nil || !metav1.IsControlledBy(secret, key) {
		return
	}
	for _, value := range secret.Data {
		if keys.ChecksumOK(value) && !slices.Contains(l.published, string(value)) {
			l.published = append(l.published, string(value))
		}
	}
}

// broken ends the history: an invariant does not hold.
func (l *ledger) broken(invariant, format string, args ...any) {
	l.world.Fatalf("BROKEN: %s: at %s %s", invariant, l.world.now().Format(time.DateTime), fmt.Sprintf(format, args...))
}

// check holds all that must always be true.
func (l *ledger) check() {
	l.followStatus()
	key := l.world.apiKey()
	if key == nil {
		l.checkDead()
		return
	}
	l.noteDeaths(key)
	l.checkSecret(key)
	l.checkDead()
}

// noteDeaths buries what has ended for good: with the key, or with its revision.
func (l *ledger) noteDeaths(key *v1alpha1.ApiKey) {
	// An expiry that came and was taken back while no manager looked leaves no trace that anybody could go by.
	if key.Spec.Revoked || !l.until.IsZero() && !l.until.After(l.world.now()) {
		l.buryAll()
	}
	for _, c := range key.Status.Credentials {
		if c.Revision < key.Spec.MinRevision && c.State != v1alpha1.CredentialPending {
			l.buryHash(c.Hash, true)
		}
	}
	if !l.due.IsZero() && !l.due.After(l.latestClock()) {
		l.reason("a rotation fell due")
		l.due, l.counted = time.Time{}, l.due
	}
}

// latestClock is the time by the clock that is furthest ahead.
func (l *ledger) latestClock() time.Time {
	now := l.world.now()
	for _, m := range l.world.managers {
		if m != nil && m.clock.Now().After(now) {
			now = m.clock.Now()
		}
	}
	return now
}

// buryHash notes that a credential has ended, and whether the spec stopped it or its grace period was over.
func (l *ledger) buryHash(hash string, stopped bool) {
	for _, key := range l.published {
		if hashOf(key) == hash {
			l.dead[key] = true
			l.stopped[key] = l.stopped[key] || stopped
		}
	}
}

func hashOf(key string) string { return keys.HashV1(key).Encode() }

// isStopped says whether an ApiKey need not work.
func (l *ledger) isStopped(key *v1alpha1.ApiKey) bool {
	now := l.world.now()
	over := func(t *metav1.Time) bool { return t != nil && !t.After(now) }
	return key.Spec.Revoked || key.Spec.Suspended || key.DeletionTimestamp != nil ||
		key.Status.State == v1alpha1.StateExpired || key.Status.State == v1alpha1.StateDenied ||
		over(key.Spec.ExpiresAt) || key.Status.Grant != nil && over(key.Status.Grant.ExpiresAt)
}

// checkSecret holds that the key in the Secret works, and that its hash is on record.
func (l *ledger) checkSecret(key *v1alpha1.ApiKey) {
	secret := l.world.secret()
	if secret == nil || l.tampering || !metav1.IsControlledBy(secret, key) {
		return
	}
	value, ok := secret.Data[key.SecretKey()]
	if !ok || l.stopped[string(value)] || l.mayBeRefused(key, hashOf(string(value))) {
		return
	}
	if findHash(key, hashOf(string(value))) == nil {
		l.broken("6, no orphan", "the Secret holds a key whose hash is in no status")
	}
	if !l.world.verifiers.allAccept(string(value)) {
		l.broken("1, no dead key in a Secret", "a verifier refuses the Secret's value; the status is %s", describe(key))
	}
}

// mayBeRefused says whether the ApiKey, as it is or as a verifier may still know it, need not work, or no longer with
// this credential.
func (l *ledger) mayBeRefused(key *v1alpha1.ApiKey, hash string) bool {
	known := []*v1alpha1.ApiKey{key}
	if stalest := l.world.verifiers.stalestKey; stalest != nil {
		known = append(known, stalest)
	}
	for _, h := range l.world.verifiers.log {
		old, err := h.event.ApiKey()
		l.world.must(err)
		known = append(known, old)
	}
	return slices.ContainsFunc(known, func(k *v1alpha1.ApiKey) bool {
		c := findHash(k, hash)
		return l.isStopped(k) || c != nil && c.Revision < k.Spec.MinRevision
	})
}

// checkDead holds that nothing comes back, and that no more than two published keys work.
func (l *ledger) checkDead() {
	accepted := 0
	for _, value := range l.published {
		if !l.world.verifiers.fresh.accepts(value) {
			continue
		}
		accepted++
		if l.dead[value] {
			l.broken("5, nothing comes back", "the key published as number %d of %d works again", slices.Index(l.published, value)+1, len(l.published))
		}
	}
	if accepted > 0 && l.shut {
		l.broken("policy", "a key of a refused ApiKey is accepted")
	}
	if accepted > 2 {
		l.broken("3, at most two", "%d published keys are accepted", accepted)
	}
}

// followStatus holds every change of the status against the one before.
func (l *ledger) followStatus() {
	for _, e := range l.world.store.Events(apimodel.ApiKeys, l.version) {
		l.version = e.Version
		after, err := e.ApiKey()
		l.world.must(err)
		if l.last != nil && l.last.UID == after.UID {
			l.followCredentials(l.last, after)
		}
		l.noteDue(after)
		l.noteExpiry(after)
		l.last = after
	}
}

// noteDue remembers the rotation that is recorded to come next; each time is due once.
func (l *ledger) noteDue(key *v1alpha1.ApiKey) {
	switch next := key.Status.NextRotationTime; {
	case next == nil:
		l.due = time.Time{}
	case !next.Time.Equal(l.counted):
		l.due = next.Time
	}
}

// followCredentials holds that a credential which was published keeps what it was promised.
func (l *ledger) followCredentials(before, after *v1alpha1.ApiKey) {
	current := find(after, v1alpha1.CredentialCurrent)
	if was := find(before, v1alpha1.CredentialCurrent); current != nil && (was == nil || was.Hash != current.Hash) {
		l.became = append(l.became, current.Hash)
	}
	for _, was := range before.Status.Credentials {
		if was.State == v1alpha1.CredentialPending {
			continue
		}
		is := findHash(after, was.Hash)
		switch {
		case is == nil:
			l.checkDropped(before, after, was)
			l.buryHash(was.Hash, l.diedWithItsKey(before))
		case was.State == v1alpha1.CredentialCurrent && is.State == v1alpha1.CredentialPrevious:
			l.checkGrace(after, *is)
		case was.State == v1alpha1.CredentialPrevious && is.State == v1alpha1.CredentialPrevious:
			l.checkKept(after, was, *is)
		case was.State == v1alpha1.CredentialPrevious:
			l.broken("5, nothing comes back", "a previous credential became %s", is.State)
		}
	}
}

// wrongBy is how much the clocks of managers are off without anybody noticing.
const wrongBy = lifecycle.ClockTolerance

// checkGrace holds that a credential which was replaced has its grace period.
func (l *ledger) checkGrace(key *v1alpha1.ApiKey, c v1alpha1.Credential) {
	if end := l.wroteAt.Add(l.shortestGrace(key) - wrongBy); c.NotAfter == nil || c.NotAfter.Time.Before(end) {
		l.broken("2, grace is kept", "a replaced credential ends at %s, want %s at least", c.NotAfter, end)
	}
}

// shortestGrace is what the spec promises; a clock that is further off may have made it wrong, which is mended
// when that is noticed.
func (l *ledger) shortestGrace(key *v1alpha1.ApiKey) time.Duration {
	for _, m := range l.world.managers {
		if m != nil && m.skew.Abs() > wrongBy {
			return -1000 * time.Hour
		}
	}
	return graceOf(key)
}

func graceOf(key *v1alpha1.ApiKey) time.Duration {
	grace, r := 24*time.Hour, key.Spec.Rotation
	switch {
	case r == nil:
	case r.GracePeriod != nil:
		grace = r.GracePeriod.Duration
	case r.Every != nil:
		grace = min(grace, r.Every.Duration)
	}
	return grace
}

// checkKept holds that a grace period is not lengthened, and shortened only by the spec.
func (l *ledger) checkKept(key *v1alpha1.ApiKey, was, is v1alpha1.Credential) {
	switch {
	case is.NotAfter == nil || is.NotAfter.After(was.NotAfter.Time):
		l.broken("2, grace is kept", "a previous credential ends at %s, after %s as it was promised", is.NotAfter, was.NotAfter)
	case is.NotAfter.Before(was.NotAfter):
		l.checkShortened(key, is)
	}
}

func (l *ledger) checkShortened(key *v1alpha1.ApiKey, is v1alpha1.Credential) {
	current := find(key, v1alpha1.CredentialCurrent)
	if current == nil || current.PublishedAt == nil {
		l.broken("2, grace is kept", "it was shortened though nothing replaced it")
		return
	}
	began := current.PublishedAt.Time
	if now := l.world.now(); began.After(now) { // the work of a clock that was wrong, which is mended
		began = now
	}
	if end := began.Add(graceOf(key) - wrongBy); is.NotAfter.Time.Before(end) && l.shortestGrace(key) >= 0 {
		l.broken("2, grace is kept", "it was shortened to %s, want %s at least", is.NotAfter, end)
	}
}

// checkDropped holds that a published credential leaves the status only when it has ended, or ends for one of the
// reasons there are.
func (l *ledger) checkDropped(before, after *v1alpha1.ApiKey, c v1alpha1.Credential) {
	isOver := c.NotAfter != nil && !c.NotAfter.After(l.world.now())
	died := l.diedWithItsKey(before)
	replaced := find(after, v1alpha1.CredentialCurrent)
	anotherIsCurrent := replaced != nil && replaced.Hash != c.Hash
	switch {
	case isOver, died:
	case c.State == v1alpha1.CredentialCurrent && anotherIsCurrent && graceOf(after) == 0:
	case c.State == v1alpha1.CredentialPrevious && (publishUnderWay(before) || l.becameCurrent(before, after)):
	case c.State == v1alpha1.CredentialPrevious && l.graceIsOver(after):
	default:
		l.broken("2, grace is kept", "the %s credential of revision %d left the status before its end at %s; before %s, after %s",
			c.State, c.Revision, c.NotAfter, describe(before), describe(after))
	}
}

// graceIsOver says whether the spec as it is now ended the grace period.
func (l *ledger) graceIsOver(key *v1alpha1.ApiKey) bool {
	current := find(key, v1alpha1.CredentialCurrent)
	return current != nil && current.PublishedAt != nil && !current.PublishedAt.Add(graceOf(key)-wrongBy).After(l.world.now())
}

// diedWithItsKey says whether a key was past its expiry, and was so by the clocks of the managers that act.
func (l *ledger) diedWithItsKey(key *v1alpha1.ApiKey) bool {
	grant := key.Status.Grant
	return key.Status.State == v1alpha1.StateExpired || grant != nil && grant.ExpiresAt != nil && !grant.ExpiresAt.After(l.world.now())
}

// publishUnderWay says whether a newer credential is about to be published: it has been on record for the delay.
func publishUnderWay(key *v1alpha1.ApiKey) bool {
	return slices.ContainsFunc(key.Status.Credentials, func(c v1alpha1.Credential) bool {
		return c.State == v1alpha1.CredentialPending && c.NotAfter == nil
	})
}

func (l *ledger) becameCurrent(before, after *v1alpha1.ApiKey) bool {
	was, is := find(before, v1alpha1.CredentialCurrent), find(after, v1alpha1.CredentialCurrent)
	return is != nil && (was == nil || was.Hash != is.Hash)
}

func find(key *v1alpha1.ApiKey, state v1alpha1.CredentialState) *v1alpha1.Credential {
	i := slices.IndexFunc(key.Status.Credentials, func(c v1alpha1.Credential) bool { return c.State == state })
	if i < 0 {
		return nil
	}
	return &key.Status.Credentials[i]
}

func findHash(key *v1alpha1.ApiKey, hash string) *v1alpha1.Credential {
	i := slices.IndexFunc(key.Status.Credentials, func(c v1alpha1.Credential) bool { return c.Hash == hash })
	if i < 0 {
		return nil
	}
	return &key.Status.Credentials[i]
}

// describe is an ApiKey in a line, without a key.
func describe(key *v1alpha1.ApiKey) string {
	text := fmt.Sprintf("%s, revision %d, least %d:", key.Status.State, key.Spec.Revision, key.Spec.MinRevision)
	for _, c := range key.Status.Credentials {
		text += fmt.Sprintf(" [%s %d %s until %s, retired %s]", c.State, c.Revision, c.Hash[3:11], c.NotAfter, c.RetiredAt)
	}
	for _, c := range key.Status.Conditions {
		text += fmt.Sprintf(" %s=%s/%s", c.Type, c.Status, c.Reason)
	}
	return text
}

// reckon holds that in the end the current credential is the one that the spec asks for, that it works and is where
// it shall be, and that there was a reason for each new one.
func (l *ledger) reckon() {
	if len(l.became) > len(l.reasons) {
		l.broken("7, one rotation for one reason", "%d credentials became current for the reasons %q", len(l.became), l.reasons)
	}
	key := l.world.apiKey()
	if key == nil || l.isStopped(key) || l.world.stalled() {
		return
	}
	current := find(key, v1alpha1.CredentialCurrent)
	if current == nil || current.Revision < max(key.Spec.Revision, key.Spec.MinRevision) {
		l.broken("7, one rotation for one reason", "in the end what the spec asks for was not issued: %s", describe(key))
		return
	}
	if next := key.Status.NextRotationTime; next != nil && !next.After(l.world.now()) {
		l.broken("7, one rotation for one reason", "a rotation that was due at %s was not made", next)
	}
	for _, c := range key.Status.Credentials {
		if c.State == v1alpha1.CredentialPending {
			l.broken("6, no orphan", "in the end a credential is still pending: %s", describe(key))
		}
	}
	l.checkWhereabouts(key, current)
}

// checkWhereabouts holds that the Secret holds the current key, unless its time is over.
func (l *ledger) checkWhereabouts(key *v1alpha1.ApiKey, current *v1alpha1.Credential) {
	secret := l.world.secret()
	if after := key.Spec.Secret.DeleteAfter; after != nil && !current.PublishedAt.Add(after.Duration).After(l.world.now()) {
		if secret != nil && metav1.IsControlledBy(secret, key) {
			l.broken("reveal once", "the Secret is still there")
		}
		return
	}
	if secret == nil || hashOf(string(secret.Data[key.SecretKey()])) != current.Hash {
		l.broken("1, no dead key in a Secret", "in the end the Secret does not hold the current key: %s", describe(key))
	}
}
