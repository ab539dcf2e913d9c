// Package keys makes, checks and hashes API keys.
//
// A generated key is
//
//	prefix + base62(random bytes) + base62(CRC32-IEEE of all that stands before, 6 characters)
//
// so that a secret scanner recognises it by its prefix, and a mistyped key is told from a wrong one
// without a look-up. What is stored of a key is its Hash and its hint, never the key itself.
//
// The package imports the standard library only and reads no clock and no random source of its own.
package keys
