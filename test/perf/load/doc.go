// Package load sends prepared requests on kept connections and counts and times the answers. All of it runs on the
// thread of the caller with raw reads and writes on an epoll set, so that a request costs the client less than it costs
// the server, and so that each can carry another key; the generators at hand either fall behind a server on one core or
// send the same bytes again and again.
//
// There is at most one request in flight on a connection.
package load
