package index

import (
	"bytes"
	"cmp"
	"strings"
)

// slot holds one claim on a hash, or nothing. It has no pointers and takes 64 bytes, a cache line.
type slot struct {
	digest   digest
	notAfter int64 // nanoseconds since the Unix epoch, or Never
	revision int64
	grant    place  // in the arena: a grant's text
	names    uint32 // in the table's names: namespace, name and rank; they do not reach 4 GiB in one shard
	// The lengths of namespace and name.
	namespace, name uint8
	state           state
}

// state is a set of flags.
type state uint8

const (
	held state = 1 << iota // the slot is not empty
	revoked
	suspended
	expired
	notGranted
	imported  // the hash is an imported one
	endsEarly // the credential ends before its ApiKey does
)

func (s *slot) is(flag state) bool { return s.state&flag != 0 }

// rankLen is the length of source, time of issue and UID, encoded so that they compare as bytes.
const rankLen = 24

// namesLen is the length of what stands in a table's names for s.
func (s *slot) namesLen() int {
	return int(s.namespace) + int(s.name) + rankLen
}

// claim is a slot on its way into a table, or out of one.
type claim struct {
	slot
	names string // namespace, name, rank
}

func (c *claim) owner() (namespace, name string) {
	namespace, rest := c.names[:c.namespace], c.names[c.namespace:]
	return namespace, rest[:c.name]
}

func (c *claim) rank() string {
	return c.names[len(c.names)-rankLen:]
}

// compareClaims orders claims by digest, and those on one hash by rank; the first is answered for. ApiKeys
// with one UID do not exist on an API server, but the answer must not depend on the order of events even then; and
// of one ApiKey that lists a hash twice with one time of issue, the claim that ends first counts.
func compareClaims(a, b claim) int {
	if c := cmp.Or(bytes.Compare(a.digest[:], b.digest[:]), strings.Compare(a.rank(), b.rank())); c != 0 {
		return c
	}
	namespaceA, nameA := a.owner()
	namespaceB, nameB := b.owner()
	return cmp.Or(
		strings.Compare(namespaceA, namespaceB),
		strings.Compare(nameA, nameB),
		-cmp.Compare(a.state&expired, b.state&expired),
		cmp.Compare(a.notAfter, b.notAfter),
		cmp.Compare(a.revision, b.revision),
	)
}
