package index

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Index maps hashes to entries. Any number of goroutines may look up while another changes it; changes
// wait for one another.
type Index struct {
	shards [shardCount]atomic.Pointer[table]

	writing sync.Mutex // held by whoever changes shards or owners
	owners  owners

	apiKeys, credentials, bytes atomic.Int64
}

// Stats describes the content of an Index.
type Stats struct {
	Credentials int   // all that are held, those of ApiKeys that lost a hash to another among them
	APIKeys     int   // that have at least one credential
	Bytes       int64 // of the memory that look-ups read, without the writer's bookkeeping
}

// New returns an empty index.
func New() *Index {
	return &Index{owners: owners{}}
}

// Find returns what is known of a hash. It takes no lock and does not allocate.
func (x *Index) Find(h keys.Hash) (Found, bool) {
	t := x.shards[shardOf(&h)].Load()
	if t == nil {
		return Found{}, false
	}
	c := t.find(&h)
	return Found{c}, c != ""
}

// Lookup is Find for who wants all of it decoded.
func (x *Index) Lookup(h keys.Hash) (Entry, bool) {
	found, ok := x.Find(h)
	if !ok {
		return Entry{}, false
	}
	return found.Entry(), true
}

// Stats may be called at any time.
func (x *Index) Stats() Stats {
	return Stats{
		Credentials: int(x.credentials.Load()),
		APIKeys:     int(x.apiKeys.Load()),
		Bytes:       x.bytes.Load(),
	}
}

// Set inserts an ApiKey or replaces all that is held of it; its new credentials work before its old ones
// end. A record that cannot be indexed is an error, and then nothing of that ApiKey is held any more:
// what cannot be told to an upstream must not be let through on older news.
func (x *Index) Set(r Record) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	var encoder encoder
	if err := encoder.load(&r); err != nil {
		x.retain(r.Namespace, r.Name, nil)
		return err
	}
	hashes := make([]keys.Hash, 0, len(r.Credentials))
	edits := newEdits(r.Namespace, r.Name)
	for _, c := range r.Credentials {
		e := edits.of(c.Hash)
		e.added = encoder.append(e.added, c)
		hashes = append(hashes, c.Hash)
	}
	x.apply(edits)
	x.retain(r.Namespace, r.Name, hashes)
	return nil
}

// Delete removes all that is held of an ApiKey. It does nothing where nothing is.
func (x *Index) Delete(namespace, name string) {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.retain(namespace, name, nil)
}

// retain removes the claims of an ApiKey on all but the given hashes, which the shards hold already.
func (x *Index) retain(namespace, name string, hashes []keys.Hash) {
	id := ownerIDOf(namespace, name)
	edits := newEdits(namespace, name)
	for _, h := range x.owners.hashes(id) {
		if !slices.Contains(hashes, h) {
			edits.of(h)
		}
	}
	x.apply(edits)
	x.apiKeys.Add(x.owners.set(id, hashes))
}

func (x *Index) apply(edits edits) {
	for shard, e := range edits.byShard {
		x.store(shard, e.apply(x.shards[shard].Load()))
	}
}

// store is the one place where what readers see changes.
func (x *Index) store(shard int, t *table) {
	old := x.shards[shard].Load()
	if old == nil && t == nil {
		return
	}
	x.shards[shard].Store(t)
	x.credentials.Add(t.len() - old.len())
	x.bytes.Add(t.bytes() - old.bytes())
}
