package authhttp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// answered is what an answer says.
type answered struct {
	status int
	reason string
	id     string // of the request; where it is not echoed, anything
}

func (a answered) same(b answered) bool {
	return a.status == b.status && a.reason == b.reason && (a.id == b.id || !isEcho(a.id) || !isEcho(b.id))
}

// generated are the IDs that are made up.
var generated = regexp.MustCompile(`^[0-9a-f]{16}$`)

func isEcho(id string) bool { return !generated.MatchString(id) }

// model reads requests as package net/http does, and has the handler answer each as it was read there, until the connection ends
// or net/http finds that what comes is no request. Where it gives up for what is none of ours, the rest is open.
func (f *fixture) model(raw []byte) (want []answered, open bool) {
	for r := bufio.NewReader(bytes.NewReader(raw)); ; {
		skipEmptyLines(r)
		request, err := http.ReadRequest(r)
		if err != nil {
			var ofURL *url.Error // targets are never decoded here
			return want, errors.As(err, &ofURL)
		}
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return want, false
		}
		ctx, ok := sameRequest(request)
		if !ok || request.Trailer != nil {
			return want, true
		}
		f.handle(ctx)
		h := &ctx.Response.Header
		want = append(want, answered{ctx.Response.StatusCode(), string(h.Peek(gate.HeaderReason)), string(h.Peek(gate.HeaderRequestID))})
		if request.Close {
			return want, false
		}
	}
}

// skipEmptyLines is what RFC 9112, section 2.2, advises before a request, and net/http does not do.
func skipEmptyLines(r *bufio.Reader) {
	for {
		next, _ := r.Peek(len("\r\n"))
		switch {
		case len(next) > 0 && next[0] == '\n':
			_, _ = r.Discard(1)
		case string(next) == "\r\n":
			_, _ = r.Discard(len(next))
		default:
			return
		}
	}
}

// sameRequest says again, in plain words, what net/http has read.
func sameRequest(request *http.Request) (*fasthttp.RequestCtx, bool) {
	var wire bytes.Buffer
	_, _ = wire.WriteString(request.Method + " " + request.RequestURI + " HTTP/1.1\r\nHost: v\r\n")
	_ = request.Header.Write(&wire) // never fails
	_, _ = wire.WriteString("\r\n")
	const large = 1 << 20
	ctx := &fasthttp.RequestCtx{}
	ctx.Init(&fasthttp.Request{}, nil, nil)
	err := ctx.Request.Header.Read(bufio.NewReaderSize(&wire, large))
	return ctx, err == nil
}

// FuzzFraming sends whatever to a real server and looks where it takes requests to begin and to end: as package net/http does,
// whatever it is sent, or else it must end the connection. What one of two programs takes for a body and the other for a
// request is how requests are smuggled.
func FuzzFraming(f *testing.F) {
	const one, last = "GET /auth/nginx HTTP/1.1\r\nHost: v\r\nX-API-Key: GOODKEY\r\nX-Request-ID: one\r\n\r\n", "GET / HTTP/1.1\r\nHost: v\r\nX-Request-ID: last\r\n\r\n"
	const post = "POST /auth/nginx HTTP/1.1\r\nHost: v\r\nX-Request-ID: post\r\n"
	for _, seed := range []string{
		one + last,
		post + "Content-Length: 5\r\n\r\nhello" + one + last,
		post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + one,
		post + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-API-Key: GOODKEY\r\n\r\n" + one,
		post + "Transfer-Encoding: identity\r\n\r\n" + one,
		post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + one,
		post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + one,
		post + "Content-Length: 0\r\nContent-Length: 81\r\n\r\n" + one,
		post + "Content-Length: 0\n\n" + one,
		"HEAD /auth/nginx HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc" + one,
		post + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok" + last,
		"GET /auth/envoy/-/x HTTP/1.1\r\nHost: v\r\nX-API-Key: a\r\nX-API-Key: GOODKEY\r\nConnection: close\r\n\r\n" + one,
	} {
		f.Add([]byte(seed))
	}
	fix := newFixture(f, func(s *settings) { s.connections.ReadTimeout = 100 * time.Millisecond })
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
		want, open := fix.model(append(sent[:len(sent):len(sent)], farewell...))
		got, refused := fix.understood(t, ln, sent)
		if open {
			got = got[:min(len(got), len(want))]
		}
		if open || refused {
			want = want[:min(len(got), len(want))]
		}
		if !slices.EqualFunc(want, got, answered.same) {
			t.Fatalf("%q is answered with %v, and as net/http reads it with %v", raw, got, want)
		}
	})
}

// understood are the answers to what the server took for requests; refused says that it then met something that it did not
// understand, and ended the connection.
func (f *fixture) understood(t *testing.T, ln *fasthttputil.InmemoryListener, raw []byte) (got []answered, refused bool) {
	t.Helper()
	for _, response := range exchange(t, ln, raw) {
		a := answered{response.StatusCode, response.Header.Get(gate.HeaderReason), response.Header.Get(gate.HeaderRequestID)}
		switch {
		case refused:
			t.Fatalf("%q is answered beyond what was not understood: %v", raw, a)
		case a.status == http.StatusContinue:
		case a.reason == "malformed_credential" && response.Close:
			refused = true
		default:
			got = append(got, a)
		}
	}
	return got, refused
}
