// Package plainhttp reads the requests that proxies send nearly always: the head of an HTTP/1.1 request without a body, in
// which nothing can be understood in two ways. What is plain is stated by what is accepted, byte by byte, and not by what is
// refused; whatever else comes is not read at all, and left to a whole implementation of HTTP, which decides what it
// means or that it means nothing. So this is no second opinion on odd requests, and no request can be one thing here and
// another there: a fuzz test compares the two.
package plainhttp
