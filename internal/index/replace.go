package index

import (
	"errors"
	"slices"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Replace makes records all that the index holds, at the cost of building each shard once. Readers see
// every hash that is in both the old and the new content without a gap. Of two records of one ApiKey
// the later counts. Records that cannot be indexed are left out and named in the error; all
// others are in.
func (x *Index) Replace(records []Record) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	b := newBulk(records)
	// From the last to the first, so that an ApiKey that was seen is one whose later record counts.
	for i := range slices.Backward(records) {
		b.add(&records[i])
	}
	tables := b.build()
	for shard, t := range tables {
		x.store(shard, x.shards[shard].Load(), t)
	}
	x.owners = b.owners
	x.apiKeys.Store(b.apiKeys)
	return errors.Join(b.refused...)
}

// bulk collects the content of a whole index.
type bulk struct {
	encoder encoder
	shards  [shardCount]tableBuilder
	owners  owners
	apiKeys int64

	refused []error
	dropped map[ownerID]struct{} // ApiKeys whose later record was refused or has no credentials
}

func newBulk(records []Record) *bulk {
	credentials := 0
	for i := range records {
		credentials += len(records[i].Credentials)
	}
	return &bulk{owners: make(owners, credentials), dropped: map[ownerID]struct{}{}}
}

func (b *bulk) add(r *Record) {
	id := ownerIDOf(r.Namespace, r.Name)
	if b.seen(id) {
		return
	}
	claim, err := b.encoder.encode(r)
	if err != nil {
		b.refused = append(b.refused, err)
	}
	if err != nil || len(r.Credentials) == 0 {
		b.dropped[id] = struct{}{}
		return
	}
	hashes := make([]keys.Hash, 0, len(r.Credentials))
	for _, c := range r.Credentials {
		b.shards[shardOf(&c.Hash)].add(claim.of(c), claim.text)
		hashes = append(hashes, c.Hash)
	}
	b.apiKeys += b.owners.set(id, hashes)
}

func (b *bulk) seen(id ownerID) bool {
	_, held := b.owners[ownerKey{id, 0}]
	_, dropped := b.dropped[id]
	return held || dropped
}

func (b *bulk) build() *[shardCount]*table {
	var tables [shardCount]*table
	for i := range b.shards {
		b.shards[i].slots = slices.Clone(b.shards[i].slots) // gives back what appending reserved
		tables[i] = b.shards[i].build()
		b.shards[i] = tableBuilder{}
	}
	return &tables
}
