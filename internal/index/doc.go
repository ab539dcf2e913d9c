// Package index maps the hash of a credential to what a decision needs to know of its ApiKey.
//
// Look-ups take no lock and allocate nothing; changes are made by one writer at a time. The content is
// spread over 4096 shards by the first bits of a digest. A shard is an atomic pointer to a table that
// never changes: a writer copies the one table that it touches (about 250 credentials of a million), and
// readers see it either before or after.
//
// A table is an array of slots in the order of their digests, each as near as it can be to where its digest
// belongs (open addressing); a slot is one cache line. What many ApiKeys have in common, their
// permissions, scopes, tenant, rate limit and networks, stands once in an arena; namespace and name in a string of
// the table:
//
//	digest ──12 bits──▶ shard ──▶ slot: digest, end, revision, state ──▶ arena: permissions, scopes, tenant, …
//	                                                                 └─▶ names: namespace, name
//
// So a look-up waits for memory once, at a million credentials nearly all that it takes; and the garbage
// collector has some 10,000 pointers to follow, however many credentials there are.
//
// Two ApiKeys may claim the same hash. Both claims are kept, in the order of their sources, then of the times at which
// they were recorded, then of UIDs; a look-up finds the first, and when it goes, the next stands in its place.
//
// The digest of a generated key's hash is the hash itself, whose bits are spread evenly. An imported hash is
// whatever somebody chose; its digest is blinded, so that the two never meet and the bits of both are spread evenly.
package index
