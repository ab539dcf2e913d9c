// Package index maps the hash of a credential to what a decision needs to know of its ApiKey.
//
// Look-ups take no lock and allocate nothing; changes are made by one writer at a time. The content is
// spread over 4096 shards by the first bits of the hash. A shard is an atomic pointer to a table that
// never changes: a writer copies the one table that it touches (about 250 credentials of a million), and
// readers see it either before or after.
//
// A table is one string, in which the claims on hashes stand one behind the other, and an array of
// cells, an open-addressing hash table of their places:
//
//	hash ──12 bits──▶ shard ──32 bits──▶ cell ──▶ claim: hash, end, …, namespace, name, tenant, …
//
// The strings of an Entry are parts of that one string, so that the garbage collector has some 12,000
// pointers to follow, however many credentials there are. And since at a million credentials nearly all
// of the time of a look-up is spent waiting for memory, once for each place that is touched, all
// that is known of a credential lies in one place.
//
// Two ApiKeys may claim the same hash. Both claims are kept, in the order of creation time and then UID,
// and only the first has a cell; when it goes, the table that is built without it gives the cell to the next.
//
// The bits of a hash are taken to be spread evenly, as those of SHA-256 are.
package index
