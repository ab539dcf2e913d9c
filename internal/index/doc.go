// Package index maps the hash of a credential to what a decision needs to know of its ApiKey.
//
// Look-ups take no lock and allocate nothing; changes are made by one writer at a time. The content is
// spread over 4096 shards by bits of the hash. A shard is an atomic pointer to a table that never
// changes: a writer copies the one table that it touches (about 250 credentials of a million), and
// readers see it either before or after.
//
// A table holds three flat pieces of memory without a pointer in them: the slots, one for each claim
// on a hash; the cells, an open-addressing hash table of slot numbers; and the text that the strings of
// all entries are parts of. So the garbage collector has some 12,000 pointers to follow, however
// many credentials there are.
//
//	hash ──12 bits──▶ shard ──▶ cells ──▶ slot ──▶ text
//
// Two ApiKeys may claim the same hash. Both claims are kept and only the first, by creation time and
// then UID, has a cell; when it goes, the table that is built without it gives the cell to the next.
//
// The bits of a hash are taken to be spread evenly, as those of SHA-256 are.
package index
