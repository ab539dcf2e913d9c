package index

import (
	"crypto/sha256"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// owners remembers which hashes each ApiKey holds, so that they can be found when it changes or goes.
// Only the writer uses it. It is one map without pointers, whatever number of credentials an ApiKey has.
type owners map[ownerKey]keys.Hash

// ownerKey names the nth hash of an ApiKey; they are numbered from 0 without a gap.
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

func (o owners) hashes(id ownerID) []keys.Hash {
	var all []keys.Hash
	for n := uint32(0); ; n++ {
		h, ok := o[ownerKey{id, n}]
		if !ok {
			return all
		}
		all = append(all, h)
	}
}

// set replaces the hashes of an ApiKey; none removes it. It returns by how much the number of ApiKeys
// changed.
func (o owners) set(id ownerID, hashes []keys.Hash) int64 {
	before := len(o.hashes(id))
	for n, h := range hashes {
		o[ownerKey{id, uint32(n)}] = h
	}
	for n := len(hashes); n < before; n++ {
		delete(o, ownerKey{id, uint32(n)})
	}
	return int64(min(len(hashes), 1) - min(before, 1))
}
