package authn

import (
	"time"

	"github.com/apikey-operator/apikey-operator/internal/clientaddr"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Request is all that a decision depends on besides the index.
type Request struct {
	// Ready says that the index has held all ApiKeys once.
	Ready bool
	// Requirement is what the route demands; nil where it could not be parsed.
	Requirement *Requirement
	Credential  Credential
	// Method is the original request's, as sent; empty where it is not known.
	Method []byte
	// Client is where the request came from; nil where that is not known. Only keys with networks ask for its address.
	Client *clientaddr.Client
	Now    time.Time
}

// Decision is the answer to a Request. The zero value refuses.
type Decision struct {
	Reason Reason
	// Key is what is known of the ApiKey, with Allowed and where it is why the request was refused. Else
	// it is the zero value, which must not be asked.
	Key index.Found
	// CacheSeconds is for how long the answer may be kept. Zero: not at all.
	CacheSeconds int
	// Demanded is, with PermissionDenied, which permissions would have been enough, separated by spaces.
	// It is empty where no rule matches the method.
	Demanded string
}

// Decider decides by the content of an index.
type Decider struct {
	index *index.Index
}

// NewDecider returns a Decider that looks keys up in x.
func NewDecider(x *index.Index) *Decider {
	return &Decider{index: x}
}

// Decide checks in the order of the reasons and gives the first that applies. It may be called from any
// number of goroutines. It does not allocate.
func (d *Decider) Decide(r *Request) (decision Decision) {
	if decision.Reason = r.precheck(); decision.Reason != Allowed {
		return decision
	}
	key, known := d.lookup(r.Credential.key)
	if !known {
		decision.Reason = UnknownKey
		return decision
	}
	decision.Key = key
	now := r.Now.UnixNano()
	if decision.Reason = works(key, r.Client, now); decision.Reason != Allowed {
		return decision
	}
	decision.Reason, decision.Demanded = r.Requirement.check(key, r.Method)
	if decision.Reason == Allowed && isCacheable(key) {
		decision.CacheSeconds = cacheSeconds(r.Requirement.cacheSeconds, key.NotAfter(), now)
	}
	return decision
}

// lookup takes the key for a generated one if its checksum holds, and else, since those may look like anything,
// for an imported one. It spares keys that were mistyped or made up each hash and look-up that can tell nothing.
func (d *Decider) lookup(key []byte) (index.Found, bool) {
	if keys.ChecksumOK(key) {
		if found, known := d.index.Find(keys.HashV1(key)); known {
			return found, true
		}
	}
	if !d.index.HoldsImported() {
		return index.Found{}, false
	}
	return d.index.Find(keys.SHA256(key))
}

// precheck checks what can be told without a look-up.
func (r *Request) precheck() Reason {
	switch {
	case !r.Ready:
		return NotReady
	case r.Requirement == nil:
		return InvalidRequirement
	case r.Credential.malformed:
		return MalformedCredential
	case len(r.Credential.key) == 0:
		return MissingCredential
	}
	return Allowed
}

// works checks what does not depend on the route.
func works(key index.Found, client *clientaddr.Client, now int64) Reason {
	switch notAfter := key.NotAfter(); {
	case key.Expired(), notAfter != index.Never && now >= notAfter:
		return Expired
	case key.Revoked():
		return Revoked
	case key.Suspended():
		return Suspended
	case key.NotGranted():
		return NotGranted
	case key.RestrictsAddress() && !key.AllowsAddress(client.Address()):
		return AddressNotAllowed
	}
	return Allowed
}

// isCacheable is false where a proxy that gives an answer again, to another client or unseen, would let through what
// the key's networks or its rate limit keep out.
func isCacheable(key index.Found) bool {
	return !key.RestrictsAddress() && key.RateLimit() == index.RateLimit{}
}

// cacheSeconds is what the route allows, but no more than the whole seconds that the key has left.
func cacheSeconds(allowed int, notAfter, now int64) int {
	if notAfter == index.Never {
		return allowed
	}
	left := max(0, notAfter-now) / int64(time.Second) // 0 as well where a clock is centuries off
	return int(min(int64(allowed), left))
}
