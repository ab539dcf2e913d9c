package index

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Never is the NotAfter of an Entry that does not end.
const Never = math.MaxInt64

// slot is one claim on a hash. It holds no pointer; its strings stand one behind the other in the
// text of its table, from offset on.
type slot struct {
	hash      keys.Hash
	uid       [16]byte
	createdAt int64 // nanoseconds since the Unix epoch
	notAfter  int64 // likewise, or Never
	revision  int64

	offset      int64
	namespace   uint8 // the lengths of the strings, in the order in which they stand
	name        uint8
	tenant      uint8
	state       state
	permissions uint16
	scopes      uint16
}

// state is a set of reasons for which a key does not work.
type state uint8

const (
	revoked state = 1 << iota
	suspended
	expired
	notGranted
)

func (r *Record) state() state {
	var s state
	for _, flag := range []struct {
		set bool
		bit state
	}{{r.Revoked, revoked}, {r.Suspended, suspended}, {r.Expired, expired}, {r.NotGranted, notGranted}} {
		if flag.set {
			s |= flag.bit
		}
	}
	return s
}

// textIn returns the strings of s in one.
func (s *slot) textIn(text string) string {
	length := int(s.namespace) + int(s.name) + int(s.tenant) + int(s.permissions) + int(s.scopes)
	return text[s.offset:][:length]
}

// ownerIn returns namespace and name of the ApiKey that makes the claim.
func (s *slot) ownerIn(text string) (namespace, name string) {
	namespace, rest := cut(text[s.offset:], int(s.namespace))
	return namespace, rest[:s.name]
}

// entry makes an Entry whose strings are parts of text.
func (s *slot) entry(text string) Entry {
	e := Entry{
		Revision:   s.revision,
		NotAfter:   s.notAfter,
		Revoked:    s.state&revoked != 0,
		Suspended:  s.state&suspended != 0,
		Expired:    s.state&expired != 0,
		NotGranted: s.state&notGranted != 0,
	}
	rest := text[s.offset:]
	e.Namespace, rest = cut(rest, int(s.namespace))
	e.Name, rest = cut(rest, int(s.name))
	e.Tenant, rest = cut(rest, int(s.tenant))
	e.Permissions, rest = cut(rest, int(s.permissions))
	e.Scopes, _ = cut(rest, int(s.scopes))
	return e
}

func cut(s string, n int) (head, tail string) {
	return s[:n], s[n:]
}

// compareClaims orders claims on the same hash; the first is answered for. ApiKeys with equal creation
// time and UID do not exist on an API server, but the answer must not depend on the order of events
// even then; and of one ApiKey that lists a hash twice, the claim that ends first counts.
func compareClaims(a, b *slot, text string) int {
	namespaceA, nameA := a.ownerIn(text)
	namespaceB, nameB := b.ownerIn(text)
	return cmp.Or(
		cmp.Compare(a.createdAt, b.createdAt),
		bytes.Compare(a.uid[:], b.uid[:]),
		strings.Compare(namespaceA, namespaceB),
		strings.Compare(nameA, nameB),
		cmp.Compare(a.notAfter, b.notAfter),
		cmp.Compare(a.revision, b.revision),
	)
}

// rankUID gives the 16 bytes by which a UID ranks: those it spells where it is a UUID in its usual form,
// whose order is that of the text, else the start of its SHA-256.
func rankUID(uid string) (rank [16]byte) {
	digits := strings.ReplaceAll(uid, "-", "")
	if len(uid) == 36 && len(digits) == 32 && digits == strings.ToLower(digits) {
		if _, err := hex.Decode(rank[:], []byte(digits)); err == nil {
			return rank
		}
	}
	sum := sha256.Sum256([]byte(uid))
	return [16]byte(sum[:16])
}

// endOf is when a credential of an ApiKey ends: the earlier of the two, zero standing for never.
func endOf(credential, apiKey time.Time) int64 {
	end := int64(Never)
	for _, t := range []time.Time{credential, apiKey} {
		if !t.IsZero() {
			end = min(end, unixNano(t))
		}
	}
	return end
}

// unixNano is t.UnixNano, with years that an int64 cannot hold (before 1678, after 2261) taken as the
// nearest that it can, where t.UnixNano is undefined.
func unixNano(t time.Time) int64 {
	const limit = math.MaxInt64 / int64(time.Second)
	switch seconds := t.Unix(); {
	case seconds >= limit:
		return math.MaxInt64
	case seconds <= -limit:
		return math.MinInt64
	}
	return t.UnixNano()
}
