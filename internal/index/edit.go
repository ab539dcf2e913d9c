package index

import "slices"

// edits is a change to the claims of one ApiKey.
type edits struct {
	namespace, name string
	byShard         map[int]*edit
}

// edit is the part of a change that concerns one shard.
type edit struct {
	namespace, name string
	gone            []prefix // the ApiKey's claims under digests with these go first
	added           []claim  // then these come, in any order
}

func newEdits(namespace, name string) edits {
	return edits{namespace: namespace, name: name, byShard: map[int]*edit{}}
}

// of returns the edit for a shard, in which the ApiKey's claims under digests with that prefix are gone.
func (e edits) of(p prefix) *edit {
	shard := p.shard()
	if e.byShard[shard] == nil {
		e.byShard[shard] = &edit{namespace: e.namespace, name: e.name}
	}
	e.byShard[shard].gone = append(e.byShard[shard].gone, p)
	return e.byShard[shard]
}

// apply returns a copy of old with the change made, and takes the claims that went out of the arena.
func (e *edit) apply(old *table, a *arena) *table {
	added := slices.SortedFunc(slices.Values(e.added), compareClaims)
	merged := make([]claim, 0, int(old.census().all)+len(added))
	for c := range old.each() {
		if e.removes(&c) {
			a.release(grantAt(a, c.grant))
			continue
		}
		for len(added) > 0 && compareClaims(added[0], c) < 0 {
			merged, added = append(merged, added[0]), added[1:]
		}
		merged = append(merged, c)
	}
	return newTable(append(merged, added...), a)
}

func (e *edit) removes(c *claim) bool {
	if !slices.Contains(e.gone, prefixOf(&c.digest)) {
		return false
	}
	namespace, name := c.owner()
	return namespace == e.namespace && name == e.name
}
