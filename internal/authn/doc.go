// Package authn decides whether a request may pass: Decide takes a credential, what the route demands,
// and the time, and gives a Decision with a Reason from a closed list. It knows no protocol and no
// Kubernetes, reads no clock, and allocates nothing while it decides.
package authn
