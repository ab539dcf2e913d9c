// Package sim searches for histories in which an invariant of docs/lifecycle.md breaks. It drives the real
// reconciler, feed, index and decision against the model of the API server in apimodel, with a clock of its own,
// and lets anything happen between any two calls: edits, lost and tampered Secrets, restarts, faults of every
// call, pauses of a leader, caches that lag, clocks that disagree. After every write and every step of time all
// invariants are checked. What it finds is shrunk by rapid.
//
// "make sim HISTORIES=N" runs it; the mutations in mutations_test.go show that it can fail.
package sim
