// Package ratelimit counts the requests of ApiKeys against their limits. Its arithmetic is pure (Counter), what counts
// stands behind one contract (Store): in memory of this process, or shared by all replicas (package redisstore), and
// Fallback answers while what is shared cannot be reached.
package ratelimit
