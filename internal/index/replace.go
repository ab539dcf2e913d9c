package index

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Replace makes records all that the index holds, at the cost of building each shard once. Readers see
// every hash that is in both the old and the new content without a gap. Of two records of one ApiKey
// the later counts. Records that cannot be indexed are left out and named in the error; all
// others are in.
func (x *Index) Replace(records []Record) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	b := newBulk(records, &x.seed, newArena())
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

// ReplaceNamespace makes records all that the index holds of one namespace, as Replace does of all of them; what the
// index holds of others it leaves alone. A record of another namespace is left out and named in the error.
func (x *Index) ReplaceNamespace(namespace string, records []Record) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	defer x.tidy()
	b := newBulk(records, &x.seed, x.arena)
	for i := range slices.Backward(records) {
		if r := &records[i]; r.Namespace == namespace {
			b.add(r)
		} else {
			b.refused = append(b.refused, notIndexed(r, fmt.Errorf("it came among those of namespace %.64q", namespace)))
		}
	}
	var tables [shardCount]*table
	for shard := range tables {
		tables[shard] = x.shards[shard].Load()
		if x.makeWay(namespace, shard, b) {
			tables[shard] = b.table(shard)
		}
	}
	x.replaceAll(&tables, x.arena)
	maps.Copy(x.owners, b.owners)
	x.apiKeys.Add(b.apiKeys)
	return errors.Join(b.refused...)
}

// makeWay forgets what a namespace holds in a shard, adds what others hold there to b, and reports whether the shard
// changes.
func (x *Index) makeWay(namespace string, shard int, b *bulk) bool {
	changes := len(b.claims[shard]) > 0
	for c := range x.shards[shard].Load().each() {
		holder, name := c.owner()
		if holder != namespace {
			b.claims[shard] = append(b.claims[shard], c)
			continue
		}
		changes = true
		x.arena.release(grantAt(x.arena, c.grant))
		x.apiKeys.Add(x.owners.set(ownerIDOf(holder, name), nil))
	}
	return changes
}

// bulk collects the content of a whole index, or of a namespace.
type bulk struct {
	claims  [shardCount][]claim // in any order
	seed    *seed
	arena   *arena
	owners  owners
	apiKeys int64

	refused []error
	without map[ownerID]struct{} // ApiKeys that were seen and hold nothing
}

func newBulk(records []Record, s *seed, a *arena) *bulk {
	credentials := 0
	for i := range records {
		credentials += len(records[i].Credentials)
	}
	return &bulk{seed: s, arena: a, owners: make(owners, credentials), without: map[ownerID]struct{}{}}
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
	for shard := range tables {
		tables[shard] = b.table(shard)
	}
	return &tables
}

func (b *bulk) table(shard int) *table {
	claims := b.claims[shard]
	b.claims[shard] = nil
	slices.SortFunc(claims, compareClaims)
	return newTable(claims, b.arena)
}
