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
	seed     seed
	imported atomic.Int64 // claims on imported hashes; away from what every change writes
	shards   [shardCount]atomic.Pointer[table]

	writing sync.Mutex // held by whoever changes what is above or below
	arena   *arena
	owners  owners

	apiKeys, credentials, tableBytes, arenaBytes atomic.Int64
}

// Stats describes the content of an Index.
type Stats struct {
	Credentials int   // all that are held, those of ApiKeys that lost a hash to another among them
	APIKeys     int   // that have at least one credential
	Bytes       int64 // of the memory that look-ups read, without the writer's bookkeeping
}

// New returns an empty index.
func New() *Index {
	return &Index{seed: newSeed(), arena: newArena(), owners: owners{}}
}

// Find returns what is known of a hash. It takes no lock and does not allocate.
func (x *Index) Find(h keys.Hash) (Found, bool) {
	d := x.seed.digestOf(&h)
	p := prefixOf(&d)
	t := x.shards[p.shard()].Load()
	if t == nil {
		return Found{}, false
	}
	s := t.find(&d, p)
	if s == nil {
		return Found{}, false
	}
	return Found{t, s}, true
}

// Lookup is Find for who wants all of it decoded.
func (x *Index) Lookup(h keys.Hash) (Entry, bool) {
	found, ok := x.Find(h)
	if !ok {
		return Entry{}, false
	}
	return found.Entry(), true
}

// HoldsImported reports whether any claim is on an imported hash, so that whoever has a key need not hash it in that
// form for nothing.
func (x *Index) HoldsImported() bool { return x.imported.Load() > 0 }

// Stats may be called at any time.
func (x *Index) Stats() Stats {
	return Stats{
		Credentials: int(x.credentials.Load()),
		APIKeys:     int(x.apiKeys.Load()),
		Bytes:       x.tableBytes.Load() + x.arenaBytes.Load(),
	}
}

// Set inserts an ApiKey or replaces all that is held of it; its new credentials work before its old ones
// end. A record that cannot be indexed is an error, and then nothing of that ApiKey is held any more:
// what cannot be told to an upstream must not be let through on older news.
func (x *Index) Set(r Record) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	defer x.tidy()
	encoded, err := encode(&r)
	if err != nil {
		x.retain(r.Namespace, r.Name, nil)
		return err
	}
	prefixes := make([]prefix, 0, len(r.Credentials))
	edits := newEdits(r.Namespace, r.Name)
	for _, c := range r.Credentials {
		d := x.seed.digestOf(&c.Hash)
		p := prefixOf(&d)
		e := edits.of(p)
		e.added = append(e.added, encoded.of(c, d, x.arena.hold(encoded.grant)))
		prefixes = append(prefixes, p)
	}
	x.apply(edits)
	x.retain(r.Namespace, r.Name, prefixes)
	return nil
}

// Delete removes all that is held of an ApiKey. It does nothing where nothing is.
func (x *Index) Delete(namespace, name string) {
	x.writing.Lock()
	defer x.writing.Unlock()
	defer x.tidy()
	x.retain(namespace, name, nil)
}

// retain removes the claims of an ApiKey but for those under digests with the given prefixes, which are all that it
// has now and which the shards hold already.
func (x *Index) retain(namespace, name string, prefixes []prefix) {
	id := ownerIDOf(namespace, name)
	edits := newEdits(namespace, name)
	for _, p := range x.owners.prefixes(id) {
		if !slices.Contains(prefixes, p) {
			edits.of(p)
		}
	}
	x.apply(edits)
	x.apiKeys.Add(x.owners.set(id, prefixes))
}

func (x *Index) apply(edits edits) {
	x.arena.publish()
	for shard, e := range edits.byShard {
		x.store(shard, e.apply(x.shards[shard].Load(), x.arena))
	}
}

// tidy replaces an arena that has become mostly waste. Tables refer to the arena that they were built with,
// so readers see one or the other.
func (x *Index) tidy() {
	if x.arena.isWasteful() {
		fresh := newArena()
		var tables [shardCount]*table
		for shard := range tables {
			if t := x.shards[shard].Load(); t != nil {
				tables[shard] = t.inArena(fresh)
			}
		}
		x.replaceAll(&tables, fresh)
	}
	x.arenaBytes.Store(int64(x.arena.size))
}

// replaceAll shows readers tables that were built with another arena.
func (x *Index) replaceAll(tables *[shardCount]*table, a *arena) {
	a.publish()
	for shard, t := range tables {
		x.store(shard, t)
	}
	x.arena = a
}

// store is the one place where what readers see changes.
func (x *Index) store(shard int, t *table) {
	old := x.shards[shard].Load()
	if old == nil && t == nil {
		return
	}
	x.shards[shard].Store(t)
	before, after := old.census(), t.census()
	x.credentials.Add(int64(after.all - before.all))
	if more := after.imported - before.imported; more != 0 {
		x.imported.Add(int64(more))
	}
	x.tableBytes.Add(t.bytes() - old.bytes())
}
