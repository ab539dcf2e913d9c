package lifecycle

import "time"

// Settings are the durations that a plan is made with.
type Settings struct {
	// GracePeriod is how long a replaced credential still works, such as 24h.
	GracePeriod time.Duration

	// PublishDelay is how long a recorded hash is given to reach the verifiers before its plaintext
	// is put where a consumer can read it, such as 2s.
	PublishDelay time.Duration

	// Fence is how long a write of a manager that lost its lease may still land: two lease
	// durations. A recorded credential that was not published outlives a later publish by that much.
	Fence time.Duration
}

// MaxPending is how many recorded and unpublished credentials may stand before minting waits.
const MaxPending = 3

// Desired is what the spec and the metadata ask for.
type Desired struct {
	Deleting  bool
	Revoked   bool
	ExpiresAt time.Time // zero: never
}

// SecretState says what stands under the name of the ApiKey's Secret.
type SecretState int

const (
	// SecretUnread: the Secret is not what the status recorded, so a cache cannot tell; read it.
	SecretUnread SecretState = iota
	// SecretAsRecorded: the resource version is the recorded one, so it holds the current credential.
	SecretAsRecorded
	// SecretAbsent: a live read found none.
	SecretAbsent
	// SecretOurs: a live read found one that belongs to this ApiKey.
	SecretOurs
	// SecretForeign: it belongs to somebody else.
	SecretForeign
	// SecretOfPredecessor: it belongs to an earlier ApiKey of the same name.
	SecretOfPredecessor
)

// Secret is what was seen of the Secret. The fields after State are those of SecretOurs.
type Secret struct {
	State     SecretState
	Hash      string // of the value under the wanted data key; empty where there is none
	Misplaced string // hash of one of our credentials that stands under another data key
	Immutable bool
	Tidy      bool // owner, labels and data keys are as wanted
}

// Observed is what was found.
type Observed struct {
	Credentials []Credential

	// RecordedExpired says that the status recorded the key as expired; GrantExpiresAt is the expiry
	// that was granted then (zero: none). An expiry that was reached once is not undone by a clock
	// that falls back, only by a spec that asks for another time.
	RecordedExpired bool
	GrantExpiresAt  time.Time

	Secret Secret

	// Held are the hashes whose plaintext this process holds, with the time of the API server's
	// answer to their recording.
	Held map[string]time.Time
}

// Action is what to do next.
type Action int

const (
	// Settle: write the planned credentials to the status if they differ, and nothing else.
	Settle Action = iota
	// Look: read ApiKey and Secret live and plan again.
	Look
	// Mint: make a key, and record its hash as Pending beside the planned credentials.
	Mint
	// Wait: as Settle; something is under way that continues at Wake.
	Wait
	// Publish: write the plaintext of Plan.Credential into the Secret.
	Publish
	// Tidy: rewrite the Secret around the value that it already holds.
	Tidy
)

// Block says what keeps a credential from being published.
type Block int

const (
	// NotBlocked: nothing does.
	NotBlocked Block = iota
	// BlockedForeign: the Secret's name is taken by somebody else.
	BlockedForeign
	// BlockedPredecessor: the Secret of an earlier ApiKey of this name is still there.
	BlockedPredecessor
	// BlockedImmutable: the Secret was made immutable.
	BlockedImmutable
)

// Plan is what to do next.
type Plan struct {
	Action      Action
	Blocked     Block
	Expired     bool         // the key is past its expiry
	Lapsed      bool         // it was, has been given more time, and cannot be issued anew yet
	Credentials []Credential // what the status shall list
	Credential  Credential   // Mint: revision and cause; Publish: what to publish
	Promoted    bool         // a Pending became Current: Credential
	Ended       []Credential // grace periods that a newer credential cut short
	Wake        time.Time    // look again then; zero: only when something changes
}

// Next plans the next action. The chain is read from the top: the first step that has something to
// say ends it.
func Next(d Desired, o Observed, s Settings, now time.Time) Plan {
	if d.Deleting {
		return Plan{Credentials: o.Credentials, Expired: expired(d, o, now)}
	}
	standing := keep(o.Credentials, func(c Credential) bool { return !c.ended(now) })
	if expired(d, o, now) {
		return rest(Plan{Credentials: standing, Expired: true})
	}
	if d.Revoked {
		return rest(Plan{Credentials: standing})
	}
	plan := planSecret(o, s, standing, now)
	if lapsed(o, now) {
		plan = renew(o, s, now)
	}
	plan.Wake = earliest(plan.Wake, d.ExpiresAt)
	return plan
}

// renew issues anew for a key that had died. Its credentials died with it and never work again: they
// leave the status in the same write that records the new one. While that is blocked all stays as
// recorded, or a later look could not tell that they are dead.
func renew(o Observed, s Settings, now time.Time) Plan {
	plan := planSecret(o, s, nil, now)
	if plan.Action == Mint {
		plan.Credential.Cause = Renewed
	}
	if plan.Blocked != NotBlocked {
		plan.Lapsed, plan.Credentials = true, o.Credentials
	}
	return plan
}

// expired says whether the key is past its expiry, by the clock or by the record.
func expired(d Desired, o Observed, now time.Time) bool {
	if d.ExpiresAt.IsZero() {
		return false
	}
	return !d.ExpiresAt.After(now) || o.RecordedExpired && d.ExpiresAt.Equal(o.GrantExpiresAt)
}

// lapsed says whether the key was dead under the expiry that was granted last. It is asked only of a
// key that the spec gives more time.
func lapsed(o Observed, now time.Time) bool {
	return o.RecordedExpired || !o.GrantExpiresAt.IsZero() && !o.GrantExpiresAt.After(now)
}

// planSecret compares the Secret with the credentials.
func planSecret(o Observed, s Settings, standing []Credential, now time.Time) Plan {
	switch o.Secret.State {
	case SecretUnread:
		return Plan{Action: Look, Credentials: standing}
	case SecretForeign:
		return rest(Plan{Blocked: BlockedForeign, Credentials: standing})
	case SecretOfPredecessor:
		return rest(Plan{Blocked: BlockedPredecessor, Credentials: standing})
	case SecretAsRecorded:
		return planRecorded(standing)
	case SecretAbsent, SecretOurs:
		return planSeen(o, s, standing, now)
	}
	return rest(Plan{Credentials: standing})
}

// planRecorded trusts the record only where it leaves nothing to decide.
func planRecorded(standing []Credential) Plan {
	_, issued := FindCurrent(standing)
	_, undecided := find(standing, func(c Credential) bool { return c.State == Pending && c.NotAfter.IsZero() })
	if !issued || undecided {
		return Plan{Action: Look, Credentials: standing}
	}
	return rest(Plan{Credentials: standing})
}

// planSeen decides on a live view of the Secret: what stands in it tells what was published.
func planSeen(o Observed, s Settings, standing []Credential, now time.Time) Plan {
	found, known := findHash(standing, o.Secret.Hash)
	switch {
	case known && found.State == Pending:
		return promote(standing, found, s, now)
	case known && found.State == Current:
		if !o.Secret.Tidy && !o.Secret.Immutable {
			return Plan{Action: Tidy, Credential: found, Credentials: standing}
		}
		return rest(Plan{Credentials: retirePending(standing, s, now)})
	}
	if moved, ok := findHash(standing, o.Secret.Misplaced); ok && moved.State != Previous && !known && !o.Secret.Immutable {
		return Plan{Action: Tidy, Credential: moved, Credentials: standing}
	}
	if o.Secret.Immutable {
		return rest(Plan{Blocked: BlockedImmutable, Credentials: standing})
	}
	return replace(o, s, standing, now)
}

// replace brings a new credential on its way: mint, wait until its hash is known everywhere, publish.
func replace(o Observed, s Settings, standing []Credential, now time.Time) Plan {
	if c, at, ok := heldPending(standing, o.Held); ok {
		due := at.Add(s.PublishDelay)
		if due.After(now) {
			return Plan{Action: Wait, Credentials: standing, Wake: earliest(due, nextEnd(standing))}
		}
		return endPrevious(c, standing, now)
	}
	standing, free := roomForPending(standing, s, now)
	if !free.IsZero() {
		return Plan{Action: Wait, Credentials: standing, Wake: earliest(free, nextEnd(standing))}
	}
	return Plan{Action: Mint, Credentials: standing, Credential: Credential{
		Revision: lastPublished(o.Credentials) + 1,
		State:    Pending,
		Cause:    cause(o, standing),
	}}
}

// endPrevious publishes, but at most two published credentials may ever be accepted. So where one stands
// in its grace period it ends first, as late as it can: in a status write right before that of the Secret.
func endPrevious(c Credential, standing []Credential, now time.Time) Plan {
	ended := withState(standing, Previous)
	if len(ended) == 0 {
		return Plan{Action: Publish, Credential: c, Credentials: standing}
	}
	left := keep(standing, func(c Credential) bool { return c.State != Previous })
	return Plan{Action: Wait, Credentials: left, Ended: ended, Wake: now}
}

// lastPublished is the highest revision that consumers may have seen, ended ones included, so that a
// renewed key goes on counting.
func lastPublished(credentials []Credential) int64 {
	var last int64
	for _, c := range credentials {
		if c.State != Pending {
			last = max(last, c.Revision)
		}
	}
	return last
}

func cause(o Observed, standing []Credential) Cause {
	_, issued := FindCurrent(standing)
	switch {
	case !issued:
		return Issued
	case o.Secret.State == SecretAbsent:
		return SecretLost
	default:
		return SecretChanged
	}
}

// heldPending is the credential that this process can still publish: the newest that it holds.
func heldPending(standing []Credential, held map[string]time.Time) (Credential, time.Time, bool) {
	for i := len(standing) - 1; i >= 0; i-- {
		c := standing[i]
		if at, ok := held[c.Hash]; ok && c.State == Pending && c.NotAfter.IsZero() {
			return c, at, true
		}
	}
	return Credential{}, time.Time{}, false
}

// roomForPending says when another may be recorded: at once, or where as many stand as may, when the
// oldest has ended. It ends the oldest once no write of it can land any more, counted from the record that
// it is not needed, since its holder may be trying until then.
func roomForPending(standing []Credential, s Settings, now time.Time) ([]Credential, time.Time) {
	pending := withState(standing, Pending)
	if len(pending) < MaxPending {
		return standing, time.Time{}
	}
	oldest := pending[0]
	for _, c := range pending {
		if !c.NotAfter.IsZero() {
			return standing, nextEnd(pending)
		}
		if c.IssuedAt.Before(oldest.IssuedAt) {
			oldest = c
		}
	}
	free := seconds(now.Add(s.Fence))
	retired := keep(standing, func(c Credential) bool { return c.Hash != oldest.Hash })
	return append(retired, oldest.endingBy(free)), free
}

// promote records that the Secret holds a credential that was Pending.
func promote(standing []Credential, found Credential, s Settings, now time.Time) Plan {
	next := found
	next.State, next.NotAfter = Current, time.Time{}
	old, replaced := FindCurrent(standing)
	next.Revision = max(next.Revision, old.Revision+1) // two may have been recorded for one revision
	planned := []Credential{next}
	if replaced {
		old.State = Previous
		if old = old.endingBy(seconds(now.Add(s.GracePeriod))); !old.ended(now) {
			planned = append(planned, old)
		}
	}
	for _, c := range withState(standing, Pending) {
		if c.Hash != found.Hash {
			planned = append(planned, c.endingBy(seconds(now.Add(s.Fence))))
		}
	}
	plan := rest(Plan{Credentials: planned, Credential: next, Promoted: true})
	plan.Ended = withState(standing, Previous)
	return plan
}

// retirePending gives what nobody needs any more the time in which a late write of it may still land.
func retirePending(standing []Credential, s Settings, now time.Time) []Credential {
	planned := make([]Credential, 0, len(standing))
	for _, c := range standing {
		if c.State == Pending {
			c = c.endingBy(seconds(now.Add(s.Fence)))
		}
		planned = append(planned, c)
	}
	return planned
}

// rest makes the plan wake when the next credential ends.
func rest(p Plan) Plan {
	p.Wake = nextEnd(p.Credentials)
	return p
}

func nextEnd(credentials []Credential) time.Time {
	var next time.Time
	for _, c := range credentials {
		next = earliest(next, c.NotAfter)
	}
	return next
}

// earliest is the earlier of two times, zero standing for never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// seconds rounds up to what the API stores, so that no credential gets less than its time.
func seconds(t time.Time) time.Time {
	if r := t.Truncate(time.Second); !r.Equal(t) {
		return r.Add(time.Second)
	}
	return t
}
