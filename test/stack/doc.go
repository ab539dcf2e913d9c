// Package stack runs the whole thing for real on one machine, for the end-to-end tests and the demo: the
// local control plane, the manager and the verifier as processes of their own with tokens of their
// ServiceAccounts, and nginx or another proxy in front of an upstream that answers with the request it got.
//
// Everything lives below one directory and on ports of 127.0.0.1, and ends with the process that
// started it, however that ends.
package stack
