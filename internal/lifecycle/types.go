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
