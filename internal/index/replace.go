package index

import (
	"errors"
	"slices"
)

// Replace makes records all that the index holds, at the cost of building each shard once. Readers see
// every hash that is in both the old and the new content without a gap. Of two records of one ApiKey
// the later counts. Records that cannot be indexed are left out and named in the error; all
// others are in.
func (x *Index) Replace(records []Record) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	b := newBulk(records, &x.seed)
	// From the last to the first, so that a record of an ApiKey that was seen is an earlier one.
	for i := range slices.Backward(records) {
		b.add(&records[i])
	}
	x.replaceAll(b.tables(), b.arena) // all at once, so that readers see the change within microseconds
	x.owners = b.owners
	x.apiKeys.Store(b.apiKeys)
	x.tidy()
	return errors.Join(b.refused...)
}

// bulk collects the content of a whole index.
type bulk struct {
	claims  [shardCount][]claim // in any order
	seed    *seed
	arena   *arena
	owners  owners
	apiKeys int64

	refused []error
	without map[ownerID]struct{} // ApiKeys that were seen and hold nothing
}

func newBulk(records []Record, s *seed) *bulk {
	credentials := 0
	for i := range records {
		credentials += len(records[i].Credentials)
	}
	return &bulk{seed: s, arena: newArena(), owners: make(owners, credentials), without: map[ownerID]struct{}{}}
}

func (b *bulk) add(r *Record) {
	id := ownerIDOf(r.Namespace, r.Name)
	if b.seen(id) {
		return
	}
	encoded, err := encode(r)
	if err != nil {
		b.refused = append(b.refused, err)
	}
	if err != nil || len(r.Credentials) == 0 {
		b.without[id] = struct{}{}
		return
	}
	prefixes := make([]prefix, 0, len(r.Credentials))
	for _, c := range r.Credentials {
		d := b.seed.digestOf(&c.Hash)
		p := prefixOf(&d)
		b.claims[p.shard()] = append(b.claims[p.shard()], encoded.of(c, d, b.arena.hold(encoded.grant)))
		prefixes = append(prefixes, p)
	}
	b.apiKeys += b.owners.set(id, prefixes)
}

func (b *bulk) seen(id ownerID) bool {
	_, holds := b.owners[ownerKey{id, 0}]
	_, without := b.without[id]
	return holds || without
}

func (b *bulk) tables() *[shardCount]*table {
	var tables [shardCount]*table
	for shard, claims := range b.claims {
		slices.SortFunc(claims, compareClaims)
		tables[shard] = newTable(claims, b.arena)
		b.claims[shard] = nil
	}
	return &tables
}
