package lifecycle

import "time"

// Settings are the durations that a plan is made with.
type Settings struct {
	// PublishDelay is how long a recorded hash is given to reach the verifiers before its plaintext
	// is put where a consumer can read it, such as 2s.
	PublishDelay time.Duration

	// Fence is how long a write of a manager that lost its lease may still land: two lease
	// durations. A recorded credential that was not published outlives a later publish by that much at least.
	Fence time.Duration

	// ExpiringWindow is how long before its expiry a key counts as expiring, such as 720h.
	ExpiringWindow time.Duration
}

// ClockTolerance is how far two clocks of a cluster may differ without anybody noticing. A grace period that
// is over stays on record for so long, since verifiers end it by their own clocks and a manager whose
// clock is fast must not end it earlier.
const ClockTolerance = 30 * time.Second

// MaxPending is how many recorded and unpublished credentials may stand before minting waits.
const MaxPending = 3

// Desired is what the spec and the metadata ask for.
type Desired struct {
	ID          string // the ApiKey's UID: what jitter is drawn from
	Deleting    bool
	Revoked     bool
	ExpiresAt   time.Time // zero: never
	Revision    int64     // rotate, with grace, what is below it
	MinRevision int64     // replace at once what is below it
	Rotation    Rotation
	// MaxAge is how old a credential may get by policy before it must have been replaced; zero: as old as it likes.
	MaxAge time.Duration

	RevealFor time.Duration // how long a Secret stays that was written; zero: for good
	Source    Source
}

// SourceKind says where a key comes from.
type SourceKind int

const (
	// Generated: the manager makes it.
	Generated SourceKind = iota
	// FromHash: it is known by its hash alone.
	FromHash
	// FromSecret: it stands in a Secret that somebody else manages.
	FromSecret
)

// Source is where a key comes from; Hash and Hint are those of FromHash.
type Source struct {
	Kind       SourceKind
	Hash, Hint string
}

// SecretState says what stands under the name of the ApiKey's Secret, its own or the one that it refers to.
type SecretState int

const (
	// SecretUnread: the Secret is not what the status recorded, so a cache cannot tell; read it.
	SecretUnread SecretState = iota
	// SecretAsRecorded: the resource version is the recorded one, so it holds the current credential.
	SecretAsRecorded
	// SecretGoneAsRecorded: the status records none, and a cache knows of none.
	SecretGoneAsRecorded
	// SecretAbsent: a live read found none, or in a referenced one not the data key.
	SecretAbsent
	// SecretOurs: a live read found one that belongs to this ApiKey.
	SecretOurs
	// SecretForeign: it belongs to somebody else.
	SecretForeign
	// SecretOfPredecessor: it belongs to an earlier ApiKey of the same name.
	SecretOfPredecessor
	// SecretNotOffered: a referenced one does not carry the label that offers it.
	SecretNotOffered
	// SecretOffered: a referenced one was read.
	SecretOffered
)

// Secret is what was seen of the Secret. The fields after State are those of SecretOurs and SecretOffered.
type Secret struct {
	State     SecretState
	Hash      string // of the value under the wanted data key; empty where there is none
	Hint      string // of a referenced value
	Unfit     Denial // why a referenced value is no key
	Short     bool   // a referenced value that was taken over is shorter than policy allows by now
	Misplaced string // hash of one of our credentials that stands under another data key
	Immutable bool
	Tidy      bool // owner, labels, annotations and data are as wanted
}

// Adoptable is a key of ours in a Secret whose ApiKey lost its status, found in restore mode.
type Adoptable struct {
	Hash, Hint string // empty: there is none
	Revision   int64
	IssuedAt   time.Time
}

// Observed is what was found.
type Observed struct {
	Credentials []Credential

	// RecordedExpired says that the status recorded the key as expired; GrantExpiresAt is the expiry
	// that was granted then (zero: none). An expiry that was reached once is not undone by a clock
	// that falls back, only by a spec that asks for another time.
	RecordedExpired bool
	GrantExpiresAt  time.Time

	Secret    Secret
	Adoptable Adoptable

	// Refused says that policy does not allow what the spec asks for.
	Refused bool

	// Duplicate says that another ApiKey's claim on the same key comes before this one's.
	Duplicate bool

	// Held are the hashes whose plaintext this process holds, with the time of the API server's
	// answer to their recording.
	Held map[string]time.Time

	// ClockOffset is by how much the API server's clock is ahead of ours, where that is more than
	// ClockTolerance, else zero. Which of the two is right cannot be told, so nothing is done that only one
	// of them says is due.
	ClockOffset time.Duration
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
	// Conceal: remove the Secret, whose time is over; the credential goes on.
	Conceal
)

// Block says what keeps a credential from being published or taken over.
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
	// BlockedSourceAbsent: the Secret that is referred to, or its data key, is not there.
	BlockedSourceAbsent
	// BlockedSourceNotOffered: it does not carry the label that offers it.
	BlockedSourceNotOffered
	// BlockedSourceDead: the key that is imported is the one that expired, and nothing comes back.
	BlockedSourceDead
)

// Denial says why what is asked for is not granted.
type Denial int

const (
	// NotDenied: it is granted.
	NotDenied Denial = iota
	// DeniedByPolicy: policy refuses what the spec asks for. Nothing of it works, and nothing is issued.
	DeniedByPolicy
	// DeniedOverdue: the current credential is older than policy allows, and something keeps it from being replaced.
	// Nothing works until it is; replacing it goes on.
	DeniedOverdue
	// DeniedDuplicate: another ApiKey has the same key. Nothing of this one works.
	DeniedDuplicate
	// DeniedShort: the referenced value that was taken over is shorter than policy allows by now. Nothing of it works.
	DeniedShort
	// DeniedWeak: the referenced value could be guessed. What was accepted before keeps its grace.
	DeniedWeak
	// DeniedMalformed: the referenced value can be carried by no request. The same holds.
	DeniedMalformed
)

// Plan is what to do next.
type Plan struct {
	Action      Action
	Blocked     Block
	Denied      Denial
	Expired     bool         // the key is past its expiry
	Lapsed      bool         // it was, has been given more time, and cannot be issued anew yet
	Expiring    bool         // its expiry is near
	ClockHeld   bool         // something is due by one clock, not by the other
	Undecided   bool         // whether the key has expired cannot be told yet
	Concealed   bool         // the Secret's time is over
	Credentials []Credential // what the status shall list
	Credential  Credential   // Mint: revision and cause; Publish: what to publish; Promoted: what became current
	Promoted    bool         // a credential became the current one
	Ended       []Credential // grace periods that a newer credential cut short
	// NextRotation is when the current credential is due to be replaced; zero: at no time.
	NextRotation time.Time
	Wake         time.Time // look again then; zero: only when something changes
}
