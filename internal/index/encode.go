package index

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Never is the NotAfter of an Entry that does not end.
const Never = math.MaxInt64

// encoded is what all claims of one ApiKey have in common.
type encoded struct {
	claim  claim // but for what differs by credential, the rank behind its names included
	record *Record
	grant  []byte
}

// encode fails on a record that cannot be told to an upstream unambiguously, which the feed should have
// refused.
func encode(r *Record) (encoded, error) {
	names, err := namesOf(r)
	if err != nil {
		return encoded{}, notIndexed(r, err)
	}
	grant, err := grantTextOf(r)
	if err != nil {
		return encoded{}, notIndexed(r, err)
	}
	c := claim{names: names}
	c.namespace, c.name, c.state = uint8(len(r.Namespace)), uint8(len(r.Name)), held|stateOf(r)
	return encoded{claim: c, record: r, grant: grant}, nil
}

func notIndexed(r *Record, err error) error {
	return fmt.Errorf("apikey %.64q in namespace %.64q is not indexed: %w", r.Name, r.Namespace, err)
}

// of returns the claim of one credential, under its digest and with the place of its grant.
func (e *encoded) of(credential Credential, d digest, grant place) claim {
	c := e.claim
	c.digest = d
	if credential.Hash.Imported {
		c.state |= imported
	}
	if credential.Expired {
		c.state |= expired
	}
	rank := rankOf(e.record, credential.IssuedAt)
	c.names += string(rank[:])
	c.notAfter = endOf(credential.NotAfter, e.record.NotAfter)
	if c.notAfter < endOf(e.record.NotAfter) {
		c.state |= endsEarly
	}
	c.revision = credential.Revision
	c.grant = grant
	return c
}

func namesOf(r *Record) (string, error) {
	if r.Namespace == "" || r.Name == "" {
		return "", errors.New("it has no name")
	}
	if max(len(r.Namespace), len(r.Name)) > 255 {
		return "", errors.New("its namespace or name is longer than 255 bytes")
	}
	if strings.ContainsFunc(r.Namespace+r.Name, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return "", errors.New("its name holds what no header may carry")
	}
	if int(r.Source) >= sourceCount {
		return "", errors.New("its source has no rank")
	}
	return r.Namespace + r.Name, nil
}

func stateOf(r *Record) (s state) {
	if r.Revoked {
		s |= revoked
	}
	if r.Suspended {
		s |= suspended
	}
	if r.Expired {
		s |= expired
	}
	if r.NotGranted {
		s |= notGranted
	}
	return s
}

// timeBits is how many bits of the first 8 bytes of a rank the time takes.
const timeBits = 62

// sourceOf is the source in a rank.
func sourceOf(rank string) Source { return Source(rank[0] >> (timeBits - 7*8)) }

// rankOf encodes what a claim ranks by: the source in 2 bits, the time in 62, the UID.
func rankOf(r *Record, issuedAt time.Time) (rank [rankLen]byte) {
	const epoch = 1 << (timeBits - 1) // so that times before 1970 come first
	seconds := min(max(issuedAt.Unix(), -epoch), epoch-1)
	binary.BigEndian.PutUint64(rank[:], uint64(r.Source)<<timeBits|uint64(seconds+epoch))
	uid := rankUID(r.UID)
	copy(rank[8:], uid[:])
	return rank
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
	return [16]byte(sum[:])
}

// endOf is the earliest of times, zero standing for never.
func endOf(times ...time.Time) int64 {
	end := int64(Never)
	for _, t := range times {
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
