// Package apimodel is an in-memory model of the API server: ApiKeys and Secrets, with the rules for
// resource versions, generations, deletion and conflicts that a manager's correctness rests on. It is
// fast and deterministic, so that simulations can play millions of histories on it. A test in
// test/integration replays random calls on the model and on a real API server and compares the answers.
//
// What it has no model of it refuses with [ErrNotModelled]; it never quietly does something else. Left
// out on purpose: the schema of ApiKeys and its CEL rules, beyond defaults (see [Options.Validate]),
// authorization, admission, managed fields and the syntax of names, labels and annotations.
//
// A store and all its clients and caches are used by one goroutine at a time. What is stored is never
// changed in place: an object that was handed out as shared stays as it was.
package apimodel
