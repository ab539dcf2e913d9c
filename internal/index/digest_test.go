package index

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// chosen are hashes that somebody imports who wants them all in one place.
func chosen(n int) (all []Credential) {
	for i := range n {
		h := keys.Hash{Imported: true}
		binary.BigEndian.PutUint32(h.Sum[28:], uint32(i))
		all = append(all, Credential{Hash: h})
	}
	return all
}

func TestChosenHashesCrowdNoShard(t *testing.T) {
	x := New()
	for i, c := range chosen(2 * shardCount) {
		if err := x.Set(Record{Namespace: "ns", Name: fmt.Sprint(i), Credentials: []Credential{c}}); err != nil {
			t.Fatal(err)
		}
	}
	fullest := 0
	for i := range x.shards {
		fullest = max(fullest, int(x.shards[i].Load().census().all))
	}
	// Two in each on average; that one holds 25 happens by chance once in 10^14 times.
	if fullest >= 25 {
		t.Errorf("%d of %d imported hashes that begin alike stand in one shard", fullest, 2*shardCount)
	}
}

func TestEachIndexBlindsImportedHashesInItsOwnWay(t *testing.T) {
	a, b := New(), New()
	for _, c := range chosen(3) {
		if a.seed.digestOf(&c.Hash) == b.seed.digestOf(&c.Hash) {
			t.Errorf("the place of %x can be worked out outside", c.Hash.Sum)
		}
		if digest(c.Hash.Sum) == a.seed.digestOf(&c.Hash) {
			t.Errorf("%x is not blinded", c.Hash.Sum)
		}
		c.Hash.Imported = false
		if digest(c.Hash.Sum) != a.seed.digestOf(&c.Hash) {
			t.Errorf("%x of a generated key costs a second hash", c.Hash.Sum)
		}
	}
}
