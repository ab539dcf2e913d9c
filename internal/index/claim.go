package index

import (
	"cmp"
	"strings"
)

// claim is what is known of one credential, encoded so that it can stand in a table's string:
//
//	hash 32 | end 8 | revision 8 | lengths 7 | state 1 | strings | rank 24
//
// The strings are permissions, scopes, tenant, namespace, name: first those that decisions read, so that
// the processor can fetch their memory along with that of the hash. Numbers are big-endian.
type claim string

const (
	hashLen = 32
	rankLen = 24 // creation time and UID, encoded so that they compare as bytes

	endAt         = hashLen
	revisionAt    = endAt + 8
	permissionsAt = revisionAt + 8 // lengths: two bytes for each of these two,
	scopesAt      = permissionsAt + 2
	tenantAt      = scopesAt + 2 // one byte for each of these three
	namespaceAt   = tenantAt + 1
	nameAt        = namespaceAt + 1
	stateAt       = nameAt + 1
	headLen       = stateAt + 1
)

// state is a set of reasons for which a key does not work.
type state uint8

const (
	revoked state = 1 << iota
	suspended
	expired
	notGranted
)

// firstClaim returns the claim that s starts with.
func firstClaim(s string) claim {
	head := claim(s[:headLen])
	length := headLen + head.grantLen() + int(head[namespaceAt]) + int(head[nameAt]) + rankLen
	return claim(s[:length])
}

// grantLen is the length of the strings before namespace and name.
func (c claim) grantLen() int {
	return int(uint16At(c, permissionsAt)) + int(uint16At(c, scopesAt)) + int(c[tenantAt])
}

func (c claim) hash() string { return string(c[:hashLen]) }

func (c claim) rank() string { return string(c[len(c)-rankLen:]) }

// owner returns namespace and name of the ApiKey that makes the claim.
func (c claim) owner() (namespace, name string) {
	namespace, rest := cut(c[headLen+c.grantLen():], int(c[namespaceAt]))
	name, _ = cut(rest, int(c[nameAt]))
	return namespace, name
}

func (c claim) notAfter() int64 { return int64(uint64At(c, endAt)) }

func (c claim) revision() int64 { return int64(uint64At(c, revisionAt)) }

func (c claim) is(s state) bool { return state(c[stateAt])&s != 0 }

func (c claim) permissions() string {
	return string(c[headLen:][:uint16At(c, permissionsAt)])
}

func (c claim) scopes() string {
	return string(c[headLen+int(uint16At(c, permissionsAt)):][:uint16At(c, scopesAt)])
}

func (c claim) tenant() string {
	return string(c[headLen+int(uint16At(c, permissionsAt))+int(uint16At(c, scopesAt)):][:c[tenantAt]])
}

func cut(c claim, n int) (head string, tail claim) {
	return string(c[:n]), c[n:]
}

// compareClaims orders claims by hash, and those on one hash by rank; the first is answered for. ApiKeys
// with equal creation time and UID do not exist on an API server, but the answer must not depend on
// the order of events even then; and of one ApiKey that lists a hash twice, the claim that ends first counts.
func compareClaims(a, b claim) int {
	if c := cmp.Or(strings.Compare(a.hash(), b.hash()), strings.Compare(a.rank(), b.rank())); c != 0 {
		return c
	}
	namespaceA, nameA := a.owner()
	namespaceB, nameB := b.owner()
	return cmp.Or(
		strings.Compare(namespaceA, namespaceB),
		strings.Compare(nameA, nameB),
		cmp.Compare(a.notAfter(), b.notAfter()),
		cmp.Compare(a.revision(), b.revision()),
	)
}

// encoding/binary reads byte slices only. The compiler makes one load of each of these.

func uint16At[T ~string](s T, at int) uint16 {
	s = s[at : at+2]
	return uint16(s[0])<<8 | uint16(s[1])
}

func uint64At[T ~string](s T, at int) uint64 {
	s = s[at : at+8]
	return uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 |
		uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
}
