package authhttp

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hidden is the request that an attacker hides in what belongs to another one. It alone holds the good key, so where an
// answer says 200 it was taken for a request.
const hidden = "GET /auth/nginx HTTP/1.1\r\nHost: v\r\nX-API-Key: KEY\r\n\r\n"

// all sends bytes as they are, with the good key in the place of KEY, ends its half of the connection and reads all answers.
func (f *fixture) all(t *testing.T, raw string) []string {
	t.Helper()
	conn := dial(t, f.serve(t))
	if _, err := conn.Write([]byte(replaceKey(raw, f.key))); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil && !errors.Is(err, syscall.ENOTCONN) { // the server was quicker
		t.Fatal(err)
	}
	const more = 20
	return answers(t, conn, "", more)
}

// TestFramingThatOthersReadOtherwiseIsRefusedAndTheConnectionClosed is about what makes two programs disagree where a request
// ends (RFC 9112, sections 6.3 and 11.2): what one takes for a body, the other may take for a request.
func TestFramingThatOthersReadOtherwiseIsRefusedAndTheConnectionClosed(t *testing.T) {
	const post = "POST /auth/nginx HTTP/1.1\r\nHost: v\r\n"
	const chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
	for name, raw := range map[string]string{
		"two lengths that differ":                 post + "Content-Length: 0\r\nContent-Length: 55\r\n\r\n" + hidden,
		"two lengths that agree":                  post + "Content-Length: 55\r\nContent-Length: 55\r\n\r\n" + hidden,
		"two lengths in one line":                 post + "Content-Length: 0, 55\r\n\r\n" + hidden,
		"a length with a sign":                    post + "Content-Length: +0\r\n\r\n" + hidden,
		"a negative length":                       post + "Content-Length: -1\r\n\r\n" + hidden,
		"a length in hexadecimal digits":          post + "Content-Length: 0x0\r\n\r\n" + hidden,
		"a length with a fraction":                post + "Content-Length: 0.0\r\n\r\n" + hidden,
		"a length that is empty":                  post + "Content-Length: \r\n\r\n" + hidden,
		"a length beyond 64 bits":                 post + "Content-Length: 18446744073709551616\r\n\r\n" + hidden,
		"a length that wraps around to a few":     post + "Content-Length: 18446744073709551671\r\n\r\n" + hidden,
		"a length with a space within":            post + "Content-Length: 0 0\r\n\r\n" + hidden,
		"a length with an underscore":             post + "Content_Length: 3\r\nContent-Length: 1_0\r\n\r\n" + hidden,
		"a space before the length's colon":       post + "Content-Length : 0\r\n\r\n" + hidden,
		"a tab before the length's colon":         post + "Content-Length\t: 0\r\n\r\n" + hidden,
		"a length in a folded line":               post + "Content-Length:\r\n 0\r\n\r\n" + hidden,
		"a length behind a folded line":           post + "X-Other: a\r\n Content-Length: 99\r\n\r\n" + hidden,
		"a length and chunks":                     post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunks and a length":                     post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
		"chunks twice":                            post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunks and something else":               post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"something else and chunks in a line":     post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunks within something else":            post + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + hidden,
		"an encoding that is none":                post + "Transfer-Encoding: identity\r\n\r\n" + hidden,
		"an encoding that is none, and a length":  post + "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n" + hidden,
		"an encoding that is empty":               post + "Transfer-Encoding:\r\n\r\n" + hidden,
		"an encoding that nobody knows":           post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"an encoding behind a vertical tab":       post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + hidden,
		"an encoding in quotes":                   post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + hidden,
		"an encoding in a folded line":            post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + hidden,
		"an encoding behind a folded line":        post + "X-Other: a\r\n\tTransfer-Encoding: chunked\r\n\r\n" + hidden,
		"an encoding behind a bare CR":            post + "X-Other: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a space before the encoding's colon":     post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a space within the encoding's name":      post + "Transfer Encoding: chunked\r\nX Y: z\r\n\r\n" + hidden,
		"an encoding with HTTP/1.0":               "POST /auth/nginx HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunk: a size with a plus":               chunked + "+0\r\n\r\n" + hidden,
		"chunk: a size with a minus":              chunked + "-1\r\n\r\n" + hidden,
		"chunk: a size behind a space":            chunked + " 0\r\n\r\n" + hidden,
		"chunk: a size with 0x":                   chunked + "0x0\r\n\r\n" + hidden,
		"chunk: a size in an underscore":          chunked + "0_0\r\n\r\n" + hidden,
		"chunk: no size":                          chunked + "\r\n\r\n" + hidden,
		"chunk: a size beyond 64 bits":            chunked + "10000000000000000\r\n\r\n" + hidden,
		"chunk: a size whose sign bit is set":     chunked + "ffffffffffffffff\r\n\r\n" + hidden,
		"chunk: a size that overflows with CRLF":  chunked + "7fffffffffffffff\r\n\r\n" + hidden,
		"chunk: a bare LF behind the size":        chunked + "0\n\r\n" + hidden,
		"chunk: a bare CR behind the size":        chunked + "0\r\r\n\r\n" + hidden,
		"chunk: an extension with a bare LF":      chunked + "0;a\nb\r\n\r\n" + hidden,
		"chunk: an extension with a bare CR":      chunked + "0;a\rb\r\n\r\n" + hidden,
		"chunk: something behind a space":         chunked + "0 x\r\n\r\n" + hidden,
		"chunk: more than its size":               chunked + "1\r\nab\r\n0\r\n\r\n" + hidden,
		"chunk: less than its size":               chunked + "5\r\nab\r\n0\r\n\r\n" + hidden,
		"chunk: a bare LF behind the data":        chunked + "1\r\na\n0\r\n\r\n" + hidden,
		"chunk: the last one without its end":     chunked + "0\r\n",
		"chunk: a trailer that frames":            chunked + "0\r\nContent-Length: 5\r\n\r\n" + hidden,
		"chunk: a trailer that encodes":           chunked + "0\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden,
		"chunk: a trailer that is no header":      chunked + "0\r\nGET /auth/nginx HTTP/1.1\r\nno colon\r\n\r\n" + hidden,
		"chunk: a trailer with a key":             chunked + "0\r\nX-API-Key: KEY\r\n\r\n" + hidden,
		"chunk: a trailer with the method":        chunked + "0\r\nX-Original-Method: GET\r\n\r\n" + hidden,
		"chunk: a trailer that was announced":     post + "Trailer: X-API-Key\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-API-Key: KEY\r\n\r\n" + hidden,
		"chunk: a trailer that begins with space": chunked + "0\r\n X: y\r\n\r\n" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			want := []string{"401 malformed_credential close", "closed"}
			if diff := cmp.Diff(want, newFixture(t).all(t, raw)); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHeadersThatOthersReadOtherwiseAreRefusedAndTheConnectionClosed holds the good key in the request itself: it is refused
// for its form.
func TestHeadersThatOthersReadOtherwiseAreRefusedAndTheConnectionClosed(t *testing.T) {
	const line, host, key = "GET /auth/nginx HTTP/1.1\r\n", "Host: v\r\n", "X-API-Key: KEY\r\n"
	for name, raw := range map[string]string{
		"a folded header":                        line + host + "X-API-Key: KEY\r\n more\r\n\r\n",
		"a folded header, by a tab":              line + host + key + "X-Other: a\r\n\tb\r\n\r\n",
		"a fold that is empty":                   line + host + key + "X-Other: a\r\n \r\n\r\n",
		"a fold of the key itself":               line + host + "X-API-Key:\r\n KEY\r\n\r\n",
		"lines that end in LF":                   "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n",
		"one line that ends in LF":               line + "Host: v\nX-API-Key: KEY\r\n\r\n",
		"an end of headers in LF":                line + host + key + "\n",
		"an end of headers in LF, then a CRLF":   line + host + key + "\n\r\n\r\n",
		"an end of headers in LF, then a header": line + host + key + "\nX-Other: a\r\n\r\n",
		"a bare CR in a value":                   line + host + "X-API-Key: KEY\rX-Other: a\r\n\r\n",
		"a bare CR at the end of a value":        line + host + "X-API-Key: KEY\r\r\n\r\n",
		"a NUL in a value":                       line + host + key + "X-Other: a\x00b\r\n\r\n",
		"a NUL in a name":                        line + host + key + "X-Ot\x00her: a\r\n\r\n",
		"a NUL in the target":                    "GET /auth/nginx?\x00 HTTP/1.1\r\n" + host + key + "\r\n",
		"a control byte in a value":              line + host + key + "X-Other: a\x01b\r\n\r\n",
		"a space before the colon":               line + host + "X-API-Key : KEY\r\n\r\n",
		"a space within a name":                  line + host + key + "X Other: a\r\n\r\n",
		"a name that is empty":                   line + host + key + ": a\r\n\r\n",
		"a name in brackets":                     line + host + key + "[X]: a\r\n\r\n",
		"a name that is not ASCII":               line + host + key + "X-\xc3\xbc: a\r\n\r\n",
		"two hosts":                              line + host + "Host: w\r\n" + key + "\r\n",
		"the same host twice":                    line + host + host + key + "\r\n",
		"no host":                                line + key + "\r\n",
		"a host with a space":                    line + "Host: a b\r\n" + key + "\r\n",
		"more headers than anybody sends":        line + host + key + strings.Repeat("a:\r\n", 1000) + "\r\n",
		"the longest line":                       line + host + key + "X-Other: " + strings.Repeat("x", 1<<17) + "\r\n\r\n",
		"an endless name":                        line + host + key + strings.Repeat("x", 1<<17),
		"HTTP/0.9":                               "GET /auth/nginx\r\n\r\n",
		"HTTP/0.9 with headers":                  "GET /auth/nginx\r\n" + host + key + "\r\n",
		"HTTP/0.9 that says so":                  "GET /auth/nginx HTTP/0.9\r\n" + host + key + "\r\n",
		"HTTP/2.0":                               "GET /auth/nginx HTTP/2.0\r\n" + host + key + "\r\n",
		"HTTP/1.2":                               "GET /auth/nginx HTTP/1.2\r\n" + host + key + "\r\n",
		"HTTP/9.9, kept alive":                   "GET /auth/nginx HTTP/9.9\r\n" + host + key + "Connection: keep-alive\r\n\r\n",
		"HTTP in small letters":                  "GET /auth/nginx http/1.1\r\n" + host + key + "\r\n",
		"HTTP with more digits":                  "GET /auth/nginx HTTP/1.10\r\n" + host + key + "\r\n",
		"another protocol":                       "GET /auth/nginx SIP/2.0\r\n" + host + key + "\r\n",
		"the preface of HTTP/2":                  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"a tab in place of a space":              "GET\t/auth/nginx\tHTTP/1.1\r\n" + host + key + "\r\n",
		"two spaces before the target":           "GET  /auth/nginx HTTP/1.1\r\n" + host + key + "\r\n",
		"two spaces behind the target":           "GET /auth/nginx  HTTP/1.1\r\n" + host + key + "\r\n",
		"a space behind the version":             "GET /auth/nginx HTTP/1.1 \r\n" + host + key + "\r\n",
		"a space before the method":              " GET /auth/nginx HTTP/1.1\r\n" + host + key + "\r\n",
		"no method":                              "/auth/nginx HTTP/1.1\r\n" + host + key + "\r\n",
		"a method with a colon":                  "GET: /auth/nginx HTTP/1.1\r\n" + host + key + "\r\n",
		"a target without a slash":               "GET auth/nginx HTTP/1.1\r\n" + host + key + "\r\n",
		"the authority form without CONNECT":     "GET v:80 HTTP/1.1\r\n" + host + key + "\r\n",
		"the asterisk form without OPTIONS":      "GET * HTTP/1.1\r\n" + host + key + "\r\n",
		"the absolute form of another scheme":    "GET \x01://v/auth/nginx HTTP/1.1\r\n" + host + key + "\r\n",
		"the start of TLS":                       "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"the header of the PROXY protocol":       "PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n" + line + host + key + "\r\n",
		"the PROXY protocol's second form":       "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + line + host + key + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			want := []string{"401 malformed_credential close", "closed"}
			if diff := cmp.Diff(want, newFixture(t).all(t, raw+hidden)); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

// TestABodyIsNoRequest is about framing that everybody reads in one way: what stands in the body of a request, or in
// its trailers, is answered by nobody and is no part of the next request.
func TestABodyIsNoRequest(t *testing.T) {
	length := len(hidden) - len("KEY") + len(newFixture(t).key)
	sized := func(n int) string { return strings.Repeat("0", 20-len(digits(n, 10))) + digits(n, 10) }
	const last = "GET /auth/nginx HTTP/1.1\r\nHost: v\r\nX-API-Key: wrong\r\n\r\n"
	const chunked = "Host: v\r\nTransfer-Encoding: chunked\r\n\r\n"
	none := []string{"401 missing_credential", "401 unknown_key", "closed"}
	tests := map[string]struct {
		raw  string
		want []string
	}{
		"of POST":                         {"POST /auth/nginx HTTP/1.1\r\nHost: v\r\nContent-Length: " + digits(length, 10) + "\r\n\r\n" + hidden, none},
		"of GET":                          {"GET /auth/nginx HTTP/1.1\r\nHost: v\r\nContent-Length: " + digits(length, 10) + "\r\n\r\n" + hidden, none},
		"of HEAD":                         {"HEAD /auth/nginx HTTP/1.1\r\nHost: v\r\nContent-Length: " + digits(length, 10) + "\r\n\r\n" + hidden, none},
		"of a method that nobody knows":   {"BREW /auth/nginx HTTP/1.1\r\nHost: v\r\nContent-Length: " + digits(length, 10) + "\r\n\r\n" + hidden, none},
		"a length with zeros in front":    {"POST /auth/nginx HTTP/1.1\r\nHost: v\r\nContent-Length: " + sized(length) + "\r\n\r\n" + hidden, none},
		"in a chunk":                      {"POST /auth/nginx HTTP/1.1\r\n" + chunked + digits(length, 16) + "\r\n" + hidden + "\r\n0\r\n\r\n", none},
		"in a chunk of GET":               {"GET /auth/nginx HTTP/1.1\r\n" + chunked + digits(length, 16) + "\r\n" + hidden + "\r\n0\r\n\r\n", none},
		"in a chunk, its size in capital": {"POST /auth/nginx HTTP/1.1\r\n" + chunked + strings.ToUpper(digits(length, 16)) + "\r\n" + hidden + "\r\n0\r\n\r\n", none},
		"behind an extension":             {"POST /auth/nginx HTTP/1.1\r\n" + chunked + digits(length, 16) + ";a=\"b;c\"\r\n" + hidden + "\r\n0;x\r\n\r\n", none},
		"that waits for leave": {
			"POST /auth/nginx HTTP/1.1\r\nHost: v\r\nExpect: 100-continue\r\nContent-Length: " + digits(length, 10) + "\r\n\r\n" + hidden,
			[]string{"100", "401 missing_credential", "401 unknown_key", "closed"},
		},
		"of a path that is nobody's": {
			"POST /x HTTP/1.1\r\nHost: v\r\nContent-Length: " + digits(length, 10) + "\r\n\r\n" + hidden,
			[]string{"403 invalid_requirement", "401 unknown_key", "closed"},
		},
		"of the absolute form": {
			"POST http://v/auth/nginx HTTP/1.1\r\nHost: v\r\nContent-Length: " + digits(length, 10) + "\r\n\r\n" + hidden,
			[]string{"403 invalid_requirement", "401 unknown_key", "closed"},
		},
		"of CONNECT": {
			"CONNECT v:80 HTTP/1.1\r\nHost: v:80\r\nContent-Length: " + digits(length, 10) + "\r\n\r\n" + hidden,
			[]string{"403 invalid_requirement", "401 unknown_key", "closed"},
		},
		"of a request to change to HTTP/2": {
			"POST /auth/nginx HTTP/1.1\r\nHost: v\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n" +
				"Content-Length: " + digits(length, 10) + "\r\n\r\n" + hidden, none,
		},
		"of HTTP/1.0, kept alive": {
			"POST /auth/nginx HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: " + digits(length, 10) + "\r\n\r\n" + hidden, none,
		},
		"that is cut short": {
			"POST /auth/nginx HTTP/1.1\r\nHost: v\r\nContent-Length: 10000\r\n\r\n" + hidden,
			[]string{"401 malformed_credential close", "closed"},
		},
		"of a request that closes": {
			"POST /auth/nginx HTTP/1.1\r\nHost: v\r\nConnection: close\r\n\r\n" + hidden,
			[]string{"401 missing_credential close", "closed"},
		},
		"of a request that closes, among other things": {
			"POST /auth/nginx HTTP/1.1\r\nHost: v\r\nConnection: keep-alive, CLOSE\r\n\r\n" + hidden,
			[]string{"401 missing_credential close", "closed"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			got := f.all(t, tt.raw+last)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			if slices.Contains(got, "200") {
				t.Error("the hidden request was answered")
			}
		})
	}
}

// digits are those of a length.
func digits(n, base int) string { return strconv.FormatInt(int64(n), base) }
