package load_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/perf/load"
)

// serve runs a handler over HTTP/1.1 and HTTP/2 without TLS.
func serve(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, Protocols: &http.Protocols{}}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	return ln.Addr().String()
}

func dial(t *testing.T, address string, protocol load.Protocol) *load.Client {
	t.Helper()
	const connections = 3
	client, err := load.Dial(address, connections, protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// counter counts what it is sent.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *counter) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[what]++
}

// check sees that all of three were sent, as often as each other but for one, and together as often as was answered.
func (c *counter) check(t *testing.T, answers int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	sum, least, most := 0, answers, 0
	for _, count := range c.seen {
		sum, least, most = sum+count, min(least, count), max(most, count)
	}
	if len(c.seen) != 3 || sum != answers || most-least > 1 || answers == 0 {
		t.Errorf("the server saw %v, the client %d answers", c.seen, answers)
	}
}

func keyed() *load.HTTP {
	template := []byte("GET / HTTP/1.1\r\nHost: v\r\nX-Key: ???\r\n\r\n")
	return &load.HTTP{Template: template, KeyAt: bytes.IndexByte(template, '?'), Keys: []byte("onetwosix"), KeyLen: 3, Status: "HTTP/1.1 200"}
}

func TestAClosedLoopSendsOneKeyAfterTheOtherAndCountsAnswers(t *testing.T) {
	var seen counter
	client := dial(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { seen.add(r.Header.Get("X-Key")) }), keyed())
	answers, err := client.Closed(50 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	seen.check(t, answers)
}

func TestAnotherStatusThanExpectedIsAnError(t *testing.T) {
	client := dial(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }), keyed())
	if _, err := client.Closed(time.Second); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("err = %v", err)
	}
}

func TestAConnectionThatTheServerClosesIsAnError(t *testing.T) {
	client := dial(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }), keyed())
	// In which words depends on whether it is noticed on reading or on writing.
	if answers, err := client.Closed(time.Second); err == nil {
		t.Errorf("%d answers and no error", answers)
	}
}

func TestAnOpenLoopKeepsItsPaceWhileOneAnswerIsHeldUp(t *testing.T) {
	const (
		interval = 10 * time.Millisecond
		total    = 60
		others   = total / 2
		patience = time.Minute
	)
	var asked atomic.Int64
	enough := make(chan struct{})
	client := dial(t, serve(t, func(http.ResponseWriter, *http.Request) {
		switch asked.Add(1) {
		case 1: // held up until the other connections have gone on
			select {
			case <-enough:
			case <-time.After(patience):
				t.Errorf("of %d others %d were asked while one answer was held up", others, asked.Load()-1)
			}
		case 1 + others:
			close(enough)
		}
	}), &load.HTTP{Template: []byte("GET / HTTP/1.1\r\nHost: v\r\n\r\n"), Status: "HTTP/1.1 200"})
	l, err := client.Open(float64(time.Second/interval), total*interval)
	if err != nil {
		t.Fatal(err)
	}
	// That many come in no less time, on however busy a machine.
	if held := (others - 1) * interval; len(l) != total || l.Quantile(1) < held {
		t.Errorf("%d latencies, the longest %v, want %d and at least %v", len(l), l.Quantile(1), total, held)
	}
}

func TestQuantilesOfNothingAndOfFew(t *testing.T) {
	if q := (load.Latencies{}).Quantile(0.5); q != 0 {
		t.Errorf("of nothing: %v", q)
	}
	few := load.Latencies{1, 2, 3, 4}
	if low, middle, high := few.Quantile(0), few.Quantile(0.5), few.Quantile(1); low != 1 || middle != 3 || high != 4 {
		t.Errorf("of %v: %d, %d, %d", few, low, middle, high)
	}
}

func TestCallsOverGRPCSendOneKeyAfterTheOther(t *testing.T) {
	var seen counter
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		message, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/a.B/C" || r.Header.Get("Content-Type") != "application/grpc" {
			t.Errorf("%s %v, %v", r.URL, r.Header, err)
		}
		seen.add(fmt.Sprintf("%q", message))
		w.Header().Set("Trailer", "grpc-status")
		_, _ = w.Write([]byte("\x00\x00\x00\x00\x02ok"))
		w.Header().Set("grpc-status", "0")
	})
	client := dial(t, address, &load.GRPC{
		Path: "/a.B/C", Message: []byte("key=???"), KeyAt: 4, Keys: []byte("onetwosix"), KeyLen: 3, Streams: 4, Answer: []byte("ok"),
	})
	answers, err := client.Closed(50 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	seen.check(t, answers)
	if seen.seen[`"\x00\x00\x00\x00\akey=two"`] == 0 {
		t.Errorf("the server saw %v", seen.seen)
	}
}

func TestACallThatFailsIsAnError(t *testing.T) {
	client := dial(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("grpc-status", "5") }),
		&load.GRPC{Path: "/a.B/C", Message: []byte("key"), Streams: 1})
	if _, err := client.Closed(time.Second); err == nil || !strings.Contains(err.Error(), `status "5"`) {
		t.Errorf("err = %v", err)
	}
}
