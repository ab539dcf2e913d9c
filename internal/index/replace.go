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
	// From the last to the first, so that a record of an ApiKey that was seen is an earlier one.
	for i := range slices.Backward(records) {
		b.add(&records[i])
	}
	for shard, t := range b.tables() {
		x.store(shard, t)
	}
	x.owners = b.owners
	x.apiKeys.Store(b.apiKeys)
	return errors.Join(b.refused...)
}

// bulk collects the content of a whole index.
type bulk struct {
	encoder encoder
	claims  [shardCount][]byte // in any order
	owners  owners
	apiKeys int64

	refused []error
	without map[ownerID]struct{} // ApiKeys that were seen and hold nothing
}

func newBulk(records []Record) *bulk {
	credentials := 0
	for i := range records {
		credentials += len(records[i].Credentials)
	}
	return &bulk{owners: make(owners, credentials), without: map[ownerID]struct{}{}}
}

func (b *bulk) add(r *Record) {
	id := ownerIDOf(r.Namespace, r.Name)
	if b.seen(id) {
		return
	}
	err := b.encoder.load(r)
	if err != nil {
		b.refused = append(b.refused, err)
	}
	if err != nil || len(r.Credentials) == 0 {
		b.without[id] = struct{}{}
		return
	}
	hashes := make([]keys.Hash, 0, len(r.Credentials))
	for _, c := range r.Credentials {
		shard := shardOf(&c.Hash)
		b.claims[shard] = b.encoder.append(b.claims[shard], c)
		hashes = append(hashes, c.Hash)
	}
	b.apiKeys += b.owners.set(id, hashes)
}

func (b *bulk) seen(id ownerID) bool {
	_, holds := b.owners[ownerKey{id, 0}]
	_, without := b.without[id]
	return holds || without
}

// tables builds all before the first is put in use, so that readers see the change within microseconds.
func (b *bulk) tables() *[shardCount]*table {
	var tables [shardCount]*table
	for shard := range b.claims {
		tables[shard] = newTable(sortedClaims(b.claims[shard]))
		b.claims[shard] = nil
	}
	return &tables
}
