package index

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// digest is what the claims on a hash stand under: the Sum of a generated key's hash, and that of an imported
// one blinded.
type digest [sha256.Size]byte

// prefix is the first 8 bytes of a digest, which tell its shard and its place there.
type prefix uint64

func prefixOf(d *digest) prefix { return prefix(binary.BigEndian.Uint64(d[:])) }

func (p prefix) shard() int { return int(p >> (64 - shardBits)) }

// seed blinds imported hashes. Whoever imports a hash chooses all of it, and could otherwise choose the hash of
// another ApiKey's generated key and so its place, or thousands of hashes for one shard. Nobody knows what a
// digest will be who does not know the seed, and that never leaves the Index.
type seed [16]byte // with a Sum it fits into one block of SHA-256

func newSeed() (s seed) {
	_, _ = rand.Read(s[:]) // never fails: it ends the program instead
	return s
}

func (s *seed) digestOf(h *keys.Hash) digest {
	if !h.Imported {
		return h.Sum
	}
	return s.blind(&h.Sum)
}

func (s *seed) blind(sum *[sha256.Size]byte) digest {
	var seeded [len(s) + sha256.Size]byte
	copy(seeded[:], s[:])
	copy(seeded[len(s):], sum[:])
	return sha256.Sum256(seeded[:])
}
