package authhttp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve runs the fixture's server on a loopback address for the length of the test.
func (f *fixture) serve(t testing.TB) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.Serve(ln) }()
	t.Cleanup(func() {
		if err := f.Shutdown(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// send writes raw bytes in which KEY stands for the good key, and LF for the end of a line.
func (f *fixture) send(t testing.TB, conn net.Conn, raw string) {
	t.Helper()
	raw = strings.ReplaceAll(strings.ReplaceAll(raw, "\n", "\r\n"), "KEY", f.key)
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
}

// answers reads all answers until the server closes the connection, or so many, as "status reason", with
// "close" behind where the answer says that the connection ends.
func answers(t testing.TB, conn net.Conn, method string, most int) []string {
	t.Helper()
	var got []string
	r := bufio.NewReader(conn)
	for len(got) < most {
		response, err := http.ReadResponse(r, &http.Request{Method: method})
		// A reset is what closing looks like while there is more that was sent and will not be read.
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
			return append(got, "closed")
		}
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		if response.StatusCode == http.StatusContinue {
			got = append(got, "100")
			continue
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || len(body) != 0 || response.ContentLength != 0 {
			t.Errorf("body %q, content length %d, error %v", body, response.ContentLength, err)
		}
		_ = response.Body.Close()
		h := response.Header
		if h.Get("X-Request-Id") == "" || h.Get("Cache-Control") != "no-store" || h["Server"] != nil || h["Content-Type"] != nil {
			t.Errorf("headers %v", h)
		}
		answer := strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", response.Header.Get("X-Apikey-Reason")))
		if response.Close {
			answer += " close"
		}
		got = append(got, answer)
	}
	return got
}

func TestOnTheWire(t *testing.T) {
	const malformed = "401 malformed_credential close"
	tests := map[string]struct {
		method string
		raw    string
		want   []string // of which the last is "closed" where the server closes
	}{
		"HTTP/1.1, kept alive": {
			raw: "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n", want: []string{"200"},
		},
		"HTTP/1.1, to be closed": {
			raw:  "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nConnection: close\n\n",
			want: []string{"200 close", "closed"},
		},
		"HTTP/1.0": {
			raw: "GET /auth/nginx HTTP/1.0\nX-API-Key: KEY\n\n", want: []string{"200 close", "closed"},
		},
		"HTTP/1.0, kept alive": {
			raw:  "GET /auth/nginx HTTP/1.0\nX-API-Key: KEY\nConnection: keep-alive\n\n",
			want: []string{"200"},
		},
		"two requests at once": {
			raw: "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n" +
				"GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: wrong\n\n",
			want: []string{"200", "401 unknown_key"},
		},
		"what one request says is forgotten at the next": {
			raw: "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n" +
				"GET /auth/nginx HTTP/1.1\nHost: v\n\n",
			want: []string{"200", "401 missing_credential"},
		},
		"HEAD": {
			method: "HEAD", raw: "HEAD /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n", want: []string{"200"},
		},
		"HEAD refused": {
			method: "HEAD", raw: "HEAD /auth/nginx HTTP/1.1\nHost: v\n\n", want: []string{"401 missing_credential"},
		},
		"a method that nobody knows": {
			raw: "FROBNICATE /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n", want: []string{"200"},
		},
		"POST with a body, which is no request": {
			raw: "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nContent-Length: 5\n\nhello" +
				"GET /auth/nginx HTTP/1.1\nHost: v\n\n",
			want: []string{"200", "401 missing_credential"},
		},
		"GET with a body, which is no request": {
			raw: "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nContent-Length: 5\n\nhello" +
				"GET /auth/nginx HTTP/1.1\nHost: v\n\n",
			want: []string{"200", "401 missing_credential"},
		},
		"POST with a chunked body": {
			raw: "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n" +
				"GET /auth/nginx HTTP/1.1\nHost: v\n\n",
			want: []string{"200", "401 missing_credential"},
		},
		"a form is not parsed": {
			raw: "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n" +
				"Content-Type: multipart/form-data; boundary=b\nContent-Length: 5\n\nhello",
			want: []string{"200"},
		},
		"a body within bounds that waits for leave": {
			raw:  "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: wrong\nExpect: 100-continue\nContent-Length: 5\n\nhello",
			want: []string{"100", "401 unknown_key"},
		},
		"a body that is too large": {
			raw: "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nContent-Length: 16385\n\n" +
				strings.Repeat("b", 16385),
			want: []string{malformed, "closed"},
		},
		"the largest body": {
			raw: "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nContent-Length: 16384\n\n" +
				strings.Repeat("b", 16384),
			want: []string{"200"},
		},
		"chunks that are too large": {
			raw:  "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nTransfer-Encoding: chunked\n\nFFFFFFF\n",
			want: []string{malformed, "closed"},
		},
		"broken chunks": {
			raw:  "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nTransfer-Encoding: chunked\n\nxyz\n",
			want: []string{malformed, "closed"},
		},
		"headers that are too large": {
			raw:  "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nX-Big: " + strings.Repeat("b", 64<<10) + "\n\n",
			want: []string{malformed, "closed"},
		},
		"headers as large as nginx makes them": {
			raw: "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nX-Original-URL: " + strings.Repeat("u", 8<<10) +
				strings.Repeat("\nX-Big: "+strings.Repeat("b", 8<<10-7), 4) + "\n\n",
			want: []string{"200"},
		},
		"two different lengths": {
			raw: "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nContent-Length: 5\nContent-Length: 6\n\nhello!" +
				"GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n",
			want: []string{malformed, "closed"},
		},
		"a header that begins with a space": {
			raw: "GET /auth/nginx HTTP/1.1\n Host: v\nX-API-Key: KEY\n\n", want: []string{malformed, "closed"},
		},
		"a space before the colon": {
			raw: "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key : KEY\n\n", want: []string{malformed, "closed"},
		},
		"a zero byte in a header": {
			raw: "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\x00\n\n", want: []string{malformed, "closed"},
		},
		"a header without a colon": {
			raw: "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key KEY\n\n", want: []string{malformed, "closed"},
		},
		"no host": {
			raw: "GET /auth/nginx HTTP/1.1\nX-API-Key: KEY\n\n", want: []string{malformed, "closed"},
		},
		"a broken request, then a good one": {
			raw:  "nonsense\n\nGET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n",
			want: []string{malformed, "closed"},
		},
		"a good request, then a broken one, then a good one": {
			raw: "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\nnonsense\n\n" +
				"GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n",
			want: []string{"200", malformed, "closed"},
		},
		"the start of TLS": {
			raw: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", want: []string{malformed, "closed"},
		},
		"HTTP/2": {
			raw: "PRI * HTTP/2.0\n\nSM\n\n", want: []string{malformed, "closed"},
		},
		"a space in the target": {
			raw: "GET /auth/nginx?permission=read x HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n", want: []string{malformed, "closed"},
		},
		"dot segments in the target": {
			raw: "GET /x/../auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n", want: []string{"403 invalid_requirement"},
		},
		"a host that is none": {
			raw: "GET /auth/nginx HTTP/1.1\nHost: [::1\nX-API-Key: KEY\n\n", want: []string{malformed, "closed"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			conn := dial(t, f.serve(t))
			f.send(t, conn, tt.raw)
			if tt.want[len(tt.want)-1] != "closed" { // it is still open, for it answers once more
				f.send(t, conn, "OPTIONS /auth/nginx HTTP/1.1\nHost: v\n\n")
				tt.want = append(tt.want, "401 missing_credential")
			}
			if diff := cmp.Diff(tt.want, answers(t, conn, tt.method, len(tt.want))); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			if strings.Contains(f.log.String(), f.key) {
				t.Errorf("the log holds the key:\n%s", f.log)
			}
		})
	}
}

func TestARequestThatDoesNotArriveInTimeIsRefused(t *testing.T) {
	for name, raw := range map[string]string{
		"half a line":   "GET /auth/ng",
		"half a header": "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY",
		"half a body":   "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nContent-Length: 5\n\nhe",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(s *settings) { s.connections.ReadTimeout = 500 * time.Millisecond })
			conn := dial(t, f.serve(t))
			f.send(t, conn, raw)
			want := []string{"401 malformed_credential close", "closed"}
			if diff := cmp.Diff(want, answers(t, conn, "", 2)); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			if strings.Contains(f.log.String(), f.key) {
				t.Errorf("the log holds the key:\n%s", f.log)
			}
		})
	}
}

func TestARefusalOfWhatCannotBeReadHasItsOwnTimeToLeave(t *testing.T) {
	f := newFixture(t, func(s *settings) {
		s.connections.WriteTimeout, s.connections.ReadTimeout = 200*time.Millisecond, time.Second
	})
	conn := dial(t, f.serve(t))
	f.send(t, conn, "OPTIONS /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n")
	if diff := cmp.Diff([]string{"200"}, answers(t, conn, "OPTIONS", 1)); diff != "" {
		t.Fatalf("answers (-want +got):\n%s", diff)
	}
	f.send(t, conn, "GET /auth/ng") // and no more, for longer than the answer before might take to leave
	if diff := cmp.Diff([]string{"401 malformed_credential close", "closed"}, answers(t, conn, "", 2)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestLeaveToSendABodyHasItsOwnTimeToLeave(t *testing.T) {
	const writeTimeout = 50 * time.Millisecond
	f := newFixture(t, func(s *settings) { s.connections.WriteTimeout = writeTimeout })
	conn := dial(t, f.serve(t))
	f.send(t, conn, "OPTIONS /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n")
	if diff := cmp.Diff([]string{"200"}, answers(t, conn, "OPTIONS", 1)); diff != "" {
		t.Fatalf("answers (-want +got):\n%s", diff)
	}
	if err := conn.SetReadDeadline(time.Now().Add(2 * writeTimeout)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes came unasked, %v", n, err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	f.send(t, conn, "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nExpect: 100-continue\nContent-Length: 5\n\nhello")
	if diff := cmp.Diff([]string{"100", "200"}, answers(t, conn, "", 2)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestAConnectionOnWhichNothingComesIsNoDecision(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.connections.ReadTimeout = 50 * time.Millisecond })
	conn := dial(t, f.serve(t))
	_ = answers(t, conn, "", 2)
	if counts := f.metrics.counts(); len(counts) != 0 {
		t.Errorf("counted %v", counts)
	}
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	f := newFixture(t, func(s *settings) {
		s.connections.IdleTimeout, s.connections.ReadTimeout = 50*time.Millisecond, time.Minute
	})
	conn := dial(t, f.serve(t))
	f.send(t, conn, "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n")
	if diff := cmp.Diff([]string{"200", "closed"}, answers(t, conn, "", 2)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestAProxyThatTakesNoAnswersIsLetGo(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.connections.WriteTimeout = 50 * time.Millisecond })
	conn := dial(t, f.serve(t))
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil { // the buffers are megabytes
		t.Fatal(err)
	}
	requests := []byte(strings.Repeat("GET /auth/nginx HTTP/1.1\r\nHost: v\r\n\r\n", 1000))
	for { // until the answers that nobody reads fill all buffers, and then ours are full as well
		if _, err := conn.Write(requests); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still open")
			}
			return
		}
	}
}

func TestAPanicClosesItsConnectionAndTheServerServesOn(t *testing.T) {
	f := newFixture(t)
	address := f.serve(t)
	f.routes[0].status = nil
	conn := dial(t, address)
	f.send(t, conn, strings.Repeat("GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n", 2))
	if diff := cmp.Diff([]string{"403 not_ready close", "closed"}, answers(t, conn, "", 3)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	f.routes[0].status = closedStatus
	conn = dial(t, address)
	f.send(t, conn, "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n")
	if diff := cmp.Diff([]string{"200"}, answers(t, conn, "", 1)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestMoreConnectionsThanAllowedWaitForTheirTurn(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.connections.MaxConnections = 1 })
	address := f.serve(t)
	first := dial(t, address)
	f.send(t, first, "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n")
	if diff := cmp.Diff([]string{"200"}, answers(t, first, "", 1)); diff != "" {
		t.Fatalf("answers (-want +got):\n%s", diff)
	}
	second := dial(t, address)
	f.send(t, second, "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n")
	if err := second.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := second.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the second connection was served beside the first: %d bytes, %v", n, err)
	}
	if err := errors.Join(second.SetReadDeadline(time.Time{}), first.Close()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"200"}, answers(t, second, "", 1)); diff != "" {
		t.Errorf("answers on the second connection (-want +got):\n%s", diff)
	}
}
