package plainhttp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const start = "GET /auth/nginx?permission=a HTTP/1.1\r\nHost: verifier\r\n"

func TestWhatIsPlain(t *testing.T) {
	for name, raw := range map[string]string{
		"no more than it takes":             "GET / HTTP/1.1\r\nHost: v\r\n\r\n",
		"a port":                            "GET / HTTP/1.1\r\nHost: 127.0.0.1:9090\r\n\r\n",
		"percent-encoding and dot segments": "GET /a/../%2F%zz//b?c=d&e HTTP/1.1\r\nHost: v\r\n\r\n",
		"an empty value":                    start + "X-Empty: \r\n\r\n",
		"spaces within a value":             start + "User-Agent: a b  c\r\n\r\n",
		"a name that comes twice":           start + "X-A: 1\r\nX-A: 2\r\n\r\n",
		"the connection kept":               start + "Connection: keep-alive\r\n\r\n",
		"the connection closed":             start + "connection: close\r\n\r\n",
		"as many fields as may be":          start + strings.Repeat("A: b\r\n", maxFields-1) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			const behind = "GET"
			var h Head
			if n := h.Read([]byte(raw + behind)); n != len(raw) {
				t.Errorf("read %d bytes, want %d", n, len(raw))
			}
			for cut := range len(raw) {
				if n := h.Read([]byte(raw[:cut])); n != 0 {
					t.Errorf("read %d of the first %d bytes, which are not all", n, cut)
				}
			}
		})
	}
}

func TestWhatIsNotPlain(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing":                             "",
		"another method":                      "POST / HTTP/1.1\r\nHost: v\r\n\r\n",
		"a method in small letters":           "get / HTTP/1.1\r\nHost: v\r\n\r\n",
		"another version":                     "GET / HTTP/1.0\r\nHost: v\r\n\r\n",
		"a version in small letters":          "GET / http/1.1\r\nHost: v\r\n\r\n",
		"no version":                          "GET /\r\nHost: v\r\n\r\n",
		"no target":                           "GET  HTTP/1.1\r\nHost: v\r\n\r\n",
		"an absolute target":                  "GET http://v/ HTTP/1.1\r\nHost: v\r\n\r\n",
		"two slashes first":                   "GET //v/ HTTP/1.1\r\nHost: v\r\n\r\n",
		"an asterisk":                         "GET * HTTP/1.1\r\nHost: v\r\n\r\n",
		"a space in the target":               "GET /a b HTTP/1.1\r\nHost: v\r\n\r\n",
		"a fragment":                          "GET /a#b HTTP/1.1\r\nHost: v\r\n\r\n",
		"a tab in the target":                 "GET /a\tb HTTP/1.1\r\nHost: v\r\n\r\n",
		"a byte beyond ASCII in the target":   "GET /\xc3\xa4 HTTP/1.1\r\nHost: v\r\n\r\n",
		"two spaces in the request line":      "GET  / HTTP/1.1\r\nHost: v\r\n\r\n",
		"an empty line first":                 "\r\nGET / HTTP/1.1\r\nHost: v\r\n\r\n",
		"a line that ends in LF alone":        "GET / HTTP/1.1\nHost: v\r\n\r\n",
		"a field that ends in LF alone":       "GET / HTTP/1.1\r\nHost: v\n\r\n",
		"a head that ends in LF alone":        "GET / HTTP/1.1\r\nHost: v\r\n\n",
		"a CR within a value":                 start + "X-A: b\rc\r\n\r\n",
		"two CRs at the end of a line":        start + "X-A: b\r\r\n\r\n",
		"no host":                             "GET / HTTP/1.1\r\nX-A: b\r\n\r\n",
		"an empty host":                       "GET / HTTP/1.1\r\nHost: \r\n\r\n",
		"two hosts":                           start + "Host: verifier\r\n\r\n",
		"two hosts in other letters":          start + "hOST: other\r\n\r\n",
		"a host with a user":                  "GET / HTTP/1.1\r\nHost: a@v\r\n\r\n",
		"a host with an empty port":           "GET / HTTP/1.1\r\nHost: v:\r\n\r\n",
		"a host with two ports":               "GET / HTTP/1.1\r\nHost: v:1:2\r\n\r\n",
		"a host of IPv6":                      "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n",
		"a length":                            start + "Content-Length: 0\r\n\r\n",
		"a length in small letters":           start + "content-length: 5\r\n\r\nhello",
		"a transfer coding":                   start + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a trailer":                           start + "Trailer: X-A\r\n\r\n",
		"an expectation":                      start + "Expect: 100-continue\r\n\r\n",
		"a connection to be upgraded":         start + "Connection: upgrade\r\n\r\n",
		"a list of connection options":        start + "Connection: close, x-api-key\r\n\r\n",
		"a connection option in capitals":     start + "Connection: Close\r\n\r\n",
		"two connection options":              start + "Connection: keep-alive\r\nConnection: close\r\n\r\n",
		"the same connection option twice":    start + "Connection: close\r\nConnection: close\r\n\r\n",
		"no name":                             start + ": b\r\n\r\n",
		"a name alone":                        start + "X-A\r\n\r\n",
		"a name with an underscore":           start + "X_A: b\r\n\r\n",
		"a space before the colon":            start + "X-A : b\r\n\r\n",
		"a space before the name":             start + " X-A: b\r\n\r\n",
		"a folded line":                       start + "X-A: b\r\n c\r\n\r\n",
		"no space after the colon":            start + "X-A:b\r\n\r\n",
		"no value and no space":               start + "X-A:\r\n\r\n",
		"two spaces after the colon":          start + "X-A:  b\r\n\r\n",
		"a tab after the colon":               start + "X-A:\tb\r\n\r\n",
		"a space behind the value":            start + "X-A: b \r\n\r\n",
		"a tab in the value":                  start + "X-A: b\tc\r\n\r\n",
		"a NUL in the value":                  start + "X-A: b\x00c\r\n\r\n",
		"a NUL in the ninth byte of a value":  start + "X-A: 12345678\x00c\r\n\r\n",
		"a DEL in the value":                  start + "X-A: 1234567\x7f90\r\n\r\n",
		"a byte beyond ASCII in the value":    start + "X-A: 12345\x80890\r\n\r\n",
		"one field more than may be":          start + strings.Repeat("A: b\r\n", maxFields) + "\r\n",
		"HTTP/2":                              "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"the start of a TLS handshake":        "\x16\x03\x01",
		"a request line of the method alone ": "GET \r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var h Head
			if n := h.Read([]byte(raw)); n != 0 {
				t.Errorf("read %d bytes of it", n)
			}
		})
	}
}

func TestWhatAHeadHolds(t *testing.T) {
	raw := "GET /a?b HTTP/1.1\r\nhost: v:80\r\nX-API-Key: first\r\nx-api-key: second\r\nX-Empty: \r\nConnection: close\r\n\r\n"
	var h Head
	if n := h.Read([]byte(raw)); n != len(raw) {
		t.Fatalf("read %d bytes", n)
	}
	if got := [][]byte{h.Method(), h.Target(), h.Host(), h.Peek("X-Api-Key"), h.Peek("X-Empty"), h.Peek("X-None")}; !cmp.Equal(got,
		[][]byte{[]byte("GET"), []byte("/a?b"), []byte("v:80"), []byte("first"), {}, nil}) {
		t.Errorf("got %q", got)
	}
	if got := h.PeekAll("x-API-key"); !cmp.Equal(got, [][]byte{[]byte("first"), []byte("second")}) {
		t.Errorf("got %q", got)
	}
	if got := h.PeekAll("X-None"); len(got) != 0 {
		t.Errorf("got %q of a header that is not there", got)
	}
	if !h.Last {
		t.Error("that the connection is to be closed was not read")
	}
	// Nothing of one request is left in the next.
	if h.Read([]byte(start+"\r\n")) == 0 || h.Last || h.Peek("X-Api-Key") != nil || string(h.Host()) != "verifier" {
		t.Errorf("after another request: %+v", h)
	}
}

func TestEveryByteButThePrintableOnesIsSeenAnywhere(t *testing.T) {
	for length := 1; length <= 20; length++ {
		text := []byte(strings.Repeat("a", length))
		for at := range text {
			for c := range 256 {
				text[at] = byte(c)
				if got, want := isPrintable(text), c >= ' ' && c <= '~'; got != want {
					t.Fatalf("%#x at %d of %d: printable is %t", c, at, length, got)
				}
			}
			text[at] = 'a'
		}
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	raw := []byte(start + "X-API-Key: key\r\nX-Real-IP: 192.0.2.1\r\nConnection: keep-alive\r\n\r\n")
	var h Head
	if allocs := testing.AllocsPerRun(100, func() { h.Read(raw); h.PeekAll("X-API-Key") }); allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

// BenchmarkHead reads what ingress-nginx sends, and looks for the headers that are asked for.
func BenchmarkHead(b *testing.B) {
	raw := []byte("GET /auth/nginx?permission=customers:view&scope.category=general HTTP/1.1\r\n" +
		"X-Request-ID: 0123456789abcdef0123456789abcdef\r\n" +
		"Host: apikey-verifier.apikey-operator-system.svc.cluster.local\r\n" +
		"X-Original-URL: https://api.example.com/v1/customers/4711/orders?limit=50\r\n" +
		"X-Original-Method: GET\r\nX-Sent-From: nginx-ingress-controller\r\nX-Real-IP: 192.0.2.17\r\nX-Forwarded-For: 192.0.2.17\r\n" +
		"X-Auth-Request-Redirect: /v1/customers/4711/orders?limit=50\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n" +
		"X-API-Key: ak_0123456789abcdef0123456789abcdef0123456789abcdef0\r\n\r\n")
	var h Head
	b.ReportAllocs()
	for b.Loop() {
		if h.Read(raw) != len(raw) || h.Peek("X-Request-Id") == nil {
			b.Fatal("it is not plain")
		}
		for _, name := range []string{"X-Original-Method", "X-Original-Url", "X-Real-Ip", "X-API-Key"} {
			if len(h.PeekAll(name)) != 1 {
				b.Fatal(name)
			}
		}
	}
}
