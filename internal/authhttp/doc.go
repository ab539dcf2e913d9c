// Package authhttp answers proxies that ask over HTTP whether a request may pass. Each kind of proxy has a
// dialect, a path and a file of its own, since each overwrites other headers and lets the rest through
// from the client: a dialect reads only what its proxy is known to overwrite. Everything else is the same
// for all: where the key is looked for, what a route demands, and the headers that go back.
//
// Nothing that comes in makes it panic, answer with a 5xx, or log what it was sent; what is not
// understood is refused.
package authhttp
