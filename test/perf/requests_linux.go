package main

import (
	"bytes"
	"fmt"

	"github.com/apikey-operator/apikey-operator/test/perf/corpus"
	"github.com/apikey-operator/apikey-operator/test/perf/load"
)

const (
	allowed = "HTTP/1.1 200"
	refused = "HTTP/1.1 401"
)

// connections is how many each target is asked on: what one ingress-nginx with a few workers keeps to a verifier.
const connections = 64

// keyMark stands in templates where a key comes.
var keyMark = bytes.Repeat([]byte{'*'}, corpus.KeyLen)

// subrequest is what ingress-nginx's controller sends to an auth-url for a request of a client with curl's headers and
// a key, with the connection kept.
func subrequest() []byte {
	return fmt.Appendf(nil, "GET /auth/nginx?%s HTTP/1.1\r\n"+
		"X-Request-ID: 0123456789abcdef0123456789abcdef\r\n"+
		"Host: apikey-verifier.apikey-operator-system.svc.cluster.local\r\n"+
		"X-Original-URL: https://api.example.com/v1/customers/4711/orders?limit=50\r\n"+
		"X-Original-Method: GET\r\n"+
		"X-Sent-From: nginx-ingress-controller\r\n"+
		"X-Real-IP: 192.0.2.17\r\n"+
		"X-Forwarded-For: 192.0.2.17\r\n"+
		"X-Auth-Request-Redirect: /v1/customers/4711/orders?limit=50\r\n"+
		"User-Agent: curl/8.5.0\r\n"+
		"Accept: */*\r\n"+
		"X-API-Key: %s\r\n\r\n", corpus.Requirement, keyMark)
}

// request is what that client sends to nginx.
func request() []byte {
	return fmt.Appendf(nil, "GET /v1/customers/4711/orders?limit=50 HTTP/1.1\r\n"+
		"Host: api.example.com\r\n"+
		"User-Agent: curl/8.5.0\r\n"+
		"Accept: */*\r\n"+
		"X-API-Key: %s\r\n\r\n", keyMark)
}

// asking is a Protocol that fills the keys into a template one after the other.
func asking(template, keys []byte, status string) *load.HTTP {
	return &load.HTTP{Template: template, KeyAt: bytes.Index(template, keyMark), Keys: keys, KeyLen: corpus.KeyLen, Status: status}
}

// target connects to a server over HTTP. The time of others may count as well.
func (b *bench) target(name string, s *server, protocol load.Protocol, alsoCounted ...*server) (*target, error) {
	return b.connect(s.address, connections, name, protocol, append(alsoCounted, s)...)
}

// connect connects to an address. The time of all these servers counts.
func (b *bench) connect(address string, connections int, name string, protocol load.Protocol, counted ...*server) (*target, error) {
	client, err := load.Dial(address, connections, protocol)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	b.cleanup = append(b.cleanup, func() { _ = client.Close() }) // the kernel would
	t := &target{name: name, client: client}
	for _, s := range counted {
		t.pids = append(t.pids, s.pids...)
	}
	return t, nil
}
