package index

import (
	"slices"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// edits is a change to the claims of one ApiKey.
type edits struct {
	namespace, name string
	byShard         map[int]*edit
}

// edit is the part of a change that concerns one shard.
type edit struct {
	namespace, name string
	gone            []keys.Hash // the ApiKey's claims on these go first
	added           []byte      // then these come, in any order
}

func newEdits(namespace, name string) edits {
	return edits{namespace: namespace, name: name, byShard: map[int]*edit{}}
}

// of returns the edit for the shard of h, in which the ApiKey's claim on h, if it has one, is gone.
func (e edits) of(h keys.Hash) *edit {
	shard := shardOf(&h)
	if e.byShard[shard] == nil {
		e.byShard[shard] = &edit{namespace: e.namespace, name: e.name}
	}
	e.byShard[shard].gone = append(e.byShard[shard].gone, h)
	return e.byShard[shard]
}

// apply returns a copy of old with the change made.
func (e *edit) apply(old *table) *table {
	added := sortedClaims(e.added)
	merged := make([]claim, 0, int(old.len())+len(added))
	for c := range old.each() {
		if e.removes(c) {
			continue
		}
		for len(added) > 0 && compareClaims(added[0], c) < 0 {
			merged, added = append(merged, added[0]), added[1:]
		}
		merged = append(merged, c)
	}
	return newTable(append(merged, added...))
}

func (e *edit) removes(c claim) bool {
	isGone := func(h keys.Hash) bool { return string(h[:]) == c.hash() }
	if !slices.ContainsFunc(e.gone, isGone) {
		return false
	}
	namespace, name := c.owner()
	return namespace == e.namespace && name == e.name
}
