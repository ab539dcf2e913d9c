package plainhttp_test

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/plainhttp"
)

// names are those that anybody asks for, and some that HTTP goes by. Of User-Agent and Content-Type, which nobody asks for,
// fasthttp keeps one where they are repeated.
var names = []string{
	"Authorization", "Connection", "Content-Length", "Cookie", "Expect", "Host", "Te", "Trailer",
	"Traceparent", "Transfer-Encoding", "Upgrade", "X-Api-Key", "X-Forwarded-For", "X-Original-Method", "X-Original-Url",
	"X-Real-Ip", "X-Request-Id",
}

// FuzzPlainIsPlainToOthers reads whatever. What is plain, a whole implementation of HTTP must read as well, to the same end
// and to the same meaning, whatever follows.
func FuzzPlainIsPlainToOthers(f *testing.F) {
	for _, seed := range []string{
		"GET /auth/nginx?permission=read HTTP/1.1\r\nHost: v\r\nX-API-Key: a\r\n\r\n",
		"GET /auth/envoy/-/a/../b%2F?c HTTP/1.1\r\nhost: 127.0.0.1:9090\r\nx-api-key: a\r\nX-Api-Key: b\r\nConnection: close\r\n\r\nGET",
		"GET //a?b=c&d HTTP/1.1\r\nHost: v\r\nX-Forwarded-For: 1\r\nX-Forwarded-For: 2, 3\r\nUser-Agent: \r\nconnection: keep-alive\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: v\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
		"GET / HTTP/1.1\r\nHost: v\r\nCookie: a=b; c\r\nTE: trailers\r\nUpgrade: h2c\r\nX-A: b\r\n c\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var head plainhttp.Head
		length := head.Read(raw)
		if length == 0 {
			return
		}
		r := bufio.NewReaderSize(bytes.NewReader(raw), len(raw)+4096)
		var request fasthttp.Request
		if err := request.Header.Read(r); err != nil {
			t.Fatalf("%q is read, and to fasthttp it is none: %v", raw[:length], err)
		}
		if err := request.URI().Parse(request.Header.Host(), request.Header.RequestURI()); err != nil {
			t.Errorf("%q: fasthttp refuses the target: %v", raw[:length], err)
		}
		if err := request.ContinueReadBody(r, 1<<20); err != nil || len(request.Body()) > 0 {
			t.Errorf("%q has a body to fasthttp: %q, %v", raw[:length], request.Body(), err)
		}
		if rest := r.Buffered(); rest != len(raw)-length {
			t.Errorf("of %q, %d bytes are read, by fasthttp %d", raw, length, len(raw)-rest)
		}
		compare(t, &head, &request.Header)
	})
}

func compare(t *testing.T, head *plainhttp.Head, other *fasthttp.RequestHeader) {
	t.Helper()
	same := func(what string, got, want []byte) {
		t.Helper()
		if !bytes.Equal(got, want) {
			t.Errorf("%s is %q, to fasthttp %q", what, got, want)
		}
	}
	same("the method", head.Method(), other.Method())
	same("the target", head.Target(), other.RequestURI())
	same("the host", head.Host(), other.Host())
	if !other.IsHTTP11() || other.ConnectionClose() != head.Last {
		t.Errorf("closing is %t, to fasthttp %t; HTTP/1.1: %t", head.Last, other.ConnectionClose(), other.IsHTTP11())
	}
	for _, name := range names {
		got, want := head.PeekAll(name), other.PeekAll(name)
		same(name, bytes.Join(got, []byte("|")), bytes.Join(want, []byte("|")))
		same("the first "+name, head.Peek(name), other.Peek(name))
	}
}
