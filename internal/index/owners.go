package index

import "crypto/sha256"

// owners remembers the prefixes of the digests under which each ApiKey holds claims, so that they can be found when it
// changes or goes. Only the writer uses it. It is one map without pointers, whatever number of credentials an
// ApiKey has.
type owners map[ownerKey]prefix

// ownerKey names the nth prefix of an ApiKey; they are numbered from 0 without a gap.
type ownerKey struct {
	id ownerID
	n  uint32
}

// ownerID stands for namespace and name: 128 bits of a SHA-256, which nobody can make collide.
type ownerID [16]byte

func ownerIDOf(namespace, name string) ownerID {
	sum := sha256.Sum256([]byte(namespace + "\x00" + name))
	return ownerID(sum[:])
}

func (o owners) prefixes(id ownerID) []prefix {
	var all []prefix
	for n := uint32(0); ; n++ {
		p, ok := o[ownerKey{id, n}]
		if !ok {
			return all
		}
		all = append(all, p)
	}
}

// set replaces the prefixes of an ApiKey; none removes it. It returns by how much the number of ApiKeys
// changed.
func (o owners) set(id ownerID, prefixes []prefix) int64 {
	before := len(o.prefixes(id))
	for n, p := range prefixes {
		o[ownerKey{id, uint32(n)}] = p
	}
	for n := len(prefixes); n < before; n++ {
		delete(o, ownerKey{id, uint32(n)})
	}
	return int64(min(len(prefixes), 1) - min(before, 1))
}
