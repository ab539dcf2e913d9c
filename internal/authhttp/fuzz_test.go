package authhttp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// placeholder stands for the good key in what the fuzzer makes up.
const placeholder = "GOODKEY"

// FuzzServe sends whatever to a real server. It must never panic, answer with any but the three statuses,
// or let through what did not hold the key.
func FuzzServe(f *testing.F) {
	for _, seed := range []string{
		"GET /auth/nginx?permission=read HTTP/1.1\r\nHost: v\r\nX-API-Key: GOODKEY\r\n\r\n",
		"GET /auth/nginx?rule=GET:read&cache=5 HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer GOODKEY\r\nX-Original-Method: GET\r\n\r\n",
		"GET /auth/nginx HTTP/1.1\r\nHost: v\r\nX-Original-URL: https://a.test/x?api_key=GOODKEY\r\n\r\n",
		"GET /auth/nginx HTTP/1.1\r\nHost: v\r\nCookie: a=b; api_key=GOODKEY\r\n\r\n",
		"POST /auth/nginx HTTP/1.1\r\nHost: v\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-API-Key: GOODKEY\r\n\r\n",
		"GET /auth/nginx HTTP/1.1\r\nHost: v\r\nX-Real-IP: ::ffff:203.0.113.7%z\r\nX-Real-IP: 1\r\nX-API-Key: GOODKEY\r\n\r\n",
		"GET /auth/forward?rule=GET:read HTTP/1.1\r\nHost: v\r\nX-Forwarded-Method: GET\r\nX-Forwarded-For: 1.1.1.1, 10.0.0.1\r\nX-API-Key: GOODKEY\r\n\r\n",
		"POST /auth/envoy/permission=read/../permission=x/?api_key=GOODKEY HTTP/1.1\r\nHost: v\r\nContent-Length: 2\r\n\r\nhi",
		"HEAD /auth/nginx HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nHost: v\r\n\r\n",
		"GET /auth/nginx HTTP/1.1\r\nHost: v\r\nX-API-Key: GOOD\r\n KEY\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
		"GET /auth/nginx?%zz HTTP/1.1\r\nHost: \x00\r\nExpect: 100-continue\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01",
	} {
		f.Add([]byte(seed))
	}
	fix := newFixture(f, everyPlace, func(s *settings) { s.connections.ReadTimeout = time.Second })
	ln := fasthttputil.NewInmemoryListener()
	served := make(chan error, 1)
	go func() { served <- fix.Serve(ln) }()
	f.Cleanup(func() {
		if err := errors.Join(fix.Shutdown(context.Background()), <-served); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		sent := bytes.ReplaceAll(raw, []byte(placeholder), []byte(fix.key))
		for _, response := range exchange(t, ln, sent) {
			reason := response.Header.Get(gate.HeaderReason)
			switch status := response.StatusCode; {
			case status == http.StatusContinue:
			case status == http.StatusOK && bytes.Contains(sent, []byte(fix.key)) && reason == "":
			case (status == http.StatusUnauthorized || status == http.StatusForbidden) && reason != "":
			default:
				t.Fatalf("%q is answered with %d, reason %q", raw, status, reason)
			}
		}
		if fix.metrics.panics > 0 {
			t.Fatalf("%q makes it panic:\n%s", raw, fix.log)
		}
		if strings.Contains(fix.log.String(), fix.key) {
			t.Fatalf("%q puts the key into the log", raw)
		}
	})
}

// farewell is a last request of our own, which ends an exchange if the server still listens.
const farewell = "\r\n\r\nGET / HTTP/1.1\r\nHost: v\r\nConnection: close\r\n\r\n"

// exchange sends bytes and reads all answers until the server closes the connection.
func exchange(t *testing.T, ln *fasthttputil.InmemoryListener, raw []byte) []*http.Response {
	t.Helper()
	conn, err := ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() {
		_, _ = conn.Write(raw) // fails where the server has had enough
		_, _ = io.WriteString(conn, farewell)
	}()
	var all []*http.Response
	for r := bufio.NewReader(conn); ; {
		// HEAD, since whether there is a body depends on a method that nobody knows here; if there is, it begins so.
		response, err := http.ReadResponse(r, &http.Request{Method: http.MethodHead})
		if err != nil {
			return all
		}
		if next, err := r.Peek(1); err == nil && next[0] == '{' {
			if _, err := r.Discard(int(response.ContentLength)); err != nil {
				t.Fatalf("a body is shorter than it should be: %v", err)
			}
		}
		all = append(all, response)
	}
}
