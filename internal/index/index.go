package index

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

const shardCount = 4096

// Index maps hashes to entries. Any number of goroutines may look up while another changes it; changes
// wait for one another.
type Index struct {
	shards [shardCount]atomic.Pointer[table]

	writing sync.Mutex // held by whoever changes shards or owners
	owners  owners
	apiKeys atomic.Int64

	credentials, bytes atomic.Int64
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

// Lookup returns the entry of a hash. It takes no lock and does not allocate.
func (x *Index) Lookup(h keys.Hash) (Entry, bool) {
	t := x.shards[shardOf(&h)].Load()
	if t == nil {
		return Entry{}, false
	}
	s := t.find(&h)
	if s == nil {
		return Entry{}, false
	}
	return s.entry(t.text), true
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
	claim, err := new(encoder).encode(&r)
	if err != nil {
		x.replaceHashes(r.Namespace, r.Name, nil)
		return err
	}
	hashes := make([]keys.Hash, 0, len(r.Credentials))
	added := map[int][]slot{}
	for _, c := range r.Credentials {
		hashes = append(hashes, c.Hash)
		added[shardOf(&c.Hash)] = append(added[shardOf(&c.Hash)], claim.of(c))
	}
	for shard, slots := range added {
		x.edit(shard, edit{namespace: r.Namespace, name: r.Name, gone: hashes, added: slots, text: claim.text})
	}
	x.replaceHashes(r.Namespace, r.Name, hashes)
	return nil
}

// Delete removes all that is held of an ApiKey. It does nothing where nothing is.
func (x *Index) Delete(namespace, name string) {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.replaceHashes(namespace, name, nil)
}

// replaceHashes makes hashes, which the shards hold already, all that an ApiKey has.
func (x *Index) replaceHashes(namespace, name string, hashes []keys.Hash) {
	id := ownerIDOf(namespace, name)
	gone := map[int][]keys.Hash{}
	for _, h := range x.owners.hashes(id) {
		if !slices.Contains(hashes, h) {
			gone[shardOf(&h)] = append(gone[shardOf(&h)], h)
		}
	}
	for shard, group := range gone {
		x.edit(shard, edit{namespace: namespace, name: name, gone: group})
	}
	x.apiKeys.Add(x.owners.set(id, hashes))
}

// edit is a change to one shard: the claims of one ApiKey on the hashes that are gone go, and
// others of it come.
type edit struct {
	namespace, name string
	gone            []keys.Hash
	added           []slot
	text            string // of each of added
}

func (x *Index) edit(shard int, e edit) {
	old := x.shards[shard].Load()
	x.store(shard, old, e.apply(old))
}

func (e *edit) apply(old *table) *table {
	if old == nil {
		old = &table{}
	}
	b := newTableBuilder(len(old.slots)+len(e.added), len(old.text)+len(e.added)*len(e.text))
	for i := range old.slots {
		if s := &old.slots[i]; !e.removes(s, old.text) {
			b.add(*s, s.textIn(old.text))
		}
	}
	for i := range e.added {
		b.add(e.added[i], e.text)
	}
	return b.build()
}

func (e *edit) removes(s *slot, text string) bool {
	if !slices.Contains(e.gone, s.hash) {
		return false
	}
	namespace, name := s.ownerIn(text)
	return namespace == e.namespace && name == e.name
}

// store is the one place where readers' view of a shard changes.
func (x *Index) store(shard int, old, t *table) {
	x.shards[shard].Store(t)
	x.credentials.Add(int64(t.len() - old.len()))
	x.bytes.Add(t.bytes() - old.bytes())
}
