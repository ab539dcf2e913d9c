package index

import (
	"time"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Record is everything of one ApiKey that a decision needs. Tenant, permissions, scopes, networks and rate limit are
// the effective ones, that is what both spec and grant allow.
type Record struct {
	Namespace, Name string
	Tenant          string
	Permissions     []string            // in the order in which they are told to the upstream
	Scopes          map[string][]string // dimension to values; order does not matter
	Networks        Networks
	RateLimit       RateLimit

	// NotAfter is when the whole ApiKey ends. Zero: never.
	NotAfter time.Time

	Revoked, Suspended, Expired, NotGranted bool

	// Source, then when the credential was issued, then UID rank the claims on one hash: only the first is
	// answered for.
	Source Source
	UID    string

	Credentials []Credential
}

// Source is where an ApiKey's key comes from, in the order in which claims on one hash rank.
type Source uint8

// The sources of a key.
const (
	Generated   Source = iota // made by the manager
	FromSecret                // referenced: the value of a Secret that somebody else manages
	FromHash                  // imported by its hash alone, which shows nothing of who knows the key
	sourceCount = int(FromHash) + 1
)

// Credential is one issued secret value of an ApiKey.
type Credential struct {
	Hash     keys.Hash
	Revision int64
	// IssuedAt is when the claim on the hash was recorded, to the second. That an ApiKey is old does not help it: it could
	// be changed to claim what another one holds.
	IssuedAt time.Time
	// Expired says that this credential has ended, though the ApiKey may not have.
	Expired bool
	// NotAfter is when this credential ends, if that is before the ApiKey's own NotAfter. Zero: never.
	NotAfter time.Time
}

// Entry is what the index knows of one credential. Its strings are parts of the index's own memory:
// reading them costs no allocation, and keeping them keeps that memory.
type Entry struct {
	Namespace, Name string
	Tenant          string
	Permissions     string // comma-separated, as in the X-Apikey-Permissions header
	Scopes          string // dim=v1|v2;dim2=v3 in sorted order, as in the X-Apikey-Scopes header
	Revision        int64

	// NotAfter is when the credential or its ApiKey ends, whichever is first, in nanoseconds since the
	// Unix epoch; Never for one that does not end.
	NotAfter int64

	Revoked, Suspended, Expired, NotGranted bool

	RestrictsAddress bool // to some networks, or to none at all: see Found.AllowsAddress
	RateLimit        RateLimit
}
