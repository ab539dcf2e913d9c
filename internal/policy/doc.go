// Package policy decides who may ask for what: whether what an ApiKey asks for is allowed by one of the policies
// that select its namespace. It is pure: no Kubernetes, no network, no clock.
//
// A policy grants what it lists, so a permission, tenant, scope or import that it does not name is refused; its limits
// bind where they are given. A request has to satisfy one policy whole.
package policy
