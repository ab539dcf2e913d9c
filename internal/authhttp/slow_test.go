//go:build !race

// It measures time beside 1,000 clients: the race detector, and other tests beside it, would be most of what it measures.

package authhttp

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// slowConnections is how many clients are slow at once.
const slowConnections = 1000

// slow is a connection whose client does as little as it can: at each step it sends one byte, or sends one and takes one.
type slow struct {
	conn  *net.TCPConn
	drip  string // what is sent, over and over
	next  int
	taker bool
	over  bool
}

// newSlow begins one of three kinds of slow request.
func (f *fixture) newSlow(t *testing.T, address string, kind int) *slow {
	t.Helper()
	s := &slow{conn: dial(t, address).(*net.TCPConn)}
	switch kind % 3 {
	case 0:
		s.drip = "GET /auth/nginx HTTP/1.1\r\nHost: v\r\nX-Slow: " + strings.Repeat("s", 1000)
	case 1:
		f.send(t, s.conn, "POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nContent-Length: 10000\n\n")
		s.drip = "b"
	default: // takes one byte at a time of more answers than the buffers of both sides hold
		if err := s.conn.SetReadBuffer(smallBuffer); err != nil {
			t.Fatal(err)
		}
		f.send(t, s.conn, strings.Repeat(oneRequest, 400))
		s.drip, s.taker = oneRequest, true
	}
	return s
}

// step does the least, and notes where the server has ended the connection.
func (s *slow) step() {
	if s.over {
		return
	}
	_, err := s.conn.Write([]byte{s.drip[s.next%len(s.drip)]})
	s.next++
	if err == nil && s.taker {
		_, err = s.conn.Read(make([]byte, 1))
	}
	s.over = err != nil
}

// crawl steps all connections at a pace, until none is left or ctx ends, and tells how many are.
func crawl(ctx context.Context, all []*slow, left *atomic.Int64) {
	const pace = 200 * time.Millisecond
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		n := int64(0)
		for _, s := range all {
			if s.step(); !s.over {
				n++
			}
		}
		if left.Store(n); n == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// smallBuffer is what is asked for, so that a few hundred answers fill what lies between the two sides.
const smallBuffer = 4 << 10

// smallBuffers is a listener whose connections hold little of what nobody takes.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(smallBuffer)
	}
	return conn, err
}

// latencies are what a proxy sees that asks once a millisecond, for a while and as long as others are there: kept alive, and
// every tenth time on a new connection.
func (f *fixture) latencies(t *testing.T, address string, others func() bool) (kept, fresh []time.Duration) {
	t.Helper()
	const pace, while, least = time.Millisecond, 1500 * time.Millisecond, 100
	tick := time.NewTicker(pace)
	defer tick.Stop()
	conn := dial(t, address)
	for i, end := 0, time.Now().Add(while); time.Now().Before(end) && others(); i++ {
		<-tick.C
		began := time.Now()
		if i%10 > 0 {
			f.askOn(t, conn)
			kept = append(kept, time.Since(began))
			continue
		}
		once := dial(t, address)
		f.askOn(t, once)
		fresh = append(fresh, time.Since(began))
		_ = once.Close()
	}
	if len(kept) < least {
		t.Fatalf("%d requests were measured, want %d at least", len(kept), least)
	}
	return kept, fresh
}

func (f *fixture) askOn(t *testing.T, conn net.Conn) {
	t.Helper()
	f.send(t, conn, oneRequest)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the answer is %d", response.StatusCode)
	}
}

// percentile99 is what 99 of 100 are no slower than.
func percentile99(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)*99/100]
}

// TestSlowClientsDelayNobodyElseAndLeaveNothingBehind has 1,000 connections on which headers, bodies and the taking of answers go
// a byte at a time, under the default settings.
func TestSlowClientsDelayNobodyElseAndLeaveNothingBehind(t *testing.T) {
	goroutines, memory := runtime.NumGoroutine(), heap()
	f := newFixture(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.Serve(smallBuffers{ln}) }()
	address := ln.Addr().String()
	keptBefore, freshBefore := f.latencies(t, address, func() bool { return true })

	all := make([]*slow, slowConnections)
	for i := range all {
		all[i] = f.newSlow(t, address, i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	var left atomic.Int64
	left.Store(slowConnections)
	crawled := make(chan struct{})
	go func() {
		defer close(crawled)
		crawl(ctx, all, &left)
	}()
	keptBeside, freshBeside := f.latencies(t, address, func() bool { return left.Load() > slowConnections*9/10 })
	for name, p99 := range map[string][2]time.Duration{
		"kept alive":       {percentile99(keptBefore), percentile99(keptBeside)},
		"a new connection": {percentile99(freshBefore), percentile99(freshBeside)},
	} {
		t.Logf("%s: p99 %v without slow clients, %v beside %d", name, p99[0], p99[1], slowConnections)
		// What is measured shares its processors with the slow clients themselves, and with other tests. A client that
		// had to wait for slow ones would wait for seconds.
		if limit := 10*p99[0] + time.Second; p99[1] > limit {
			t.Errorf("%s: p99 is %v, want %v at most", name, p99[1], limit)
		}
	}

	<-crawled
	if n := left.Load(); n > 0 {
		t.Errorf("%d slow connections were not ended in time", n)
	}
	all = nil
	if grown := heap() - memory; grown > 8<<20 {
		t.Errorf("%d bytes more are in use than before", grown)
	}
	if err := errors.Join(f.Shutdown(ctx), <-served); err != nil {
		t.Error(err)
	}
	awaitGoroutines(t, goroutines+2) // two of fasthttp's sleep: its clock for good, what tidies up its pool for ten seconds
	if f.metrics.panics > 0 {
		t.Errorf("%d panics", f.metrics.panics)
	}
}

// awaitGoroutines waits until no more are left than before; those that end need a moment for it.
func awaitGoroutines(t *testing.T, want int) {
	t.Helper()
	const pace, tries = 10 * time.Millisecond, 300
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for range tries {
		if runtime.NumGoroutine() <= want {
			return
		}
		<-tick.C
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines are left, want %d:\n%s", runtime.NumGoroutine(), want, stacks[:runtime.Stack(stacks, true)])
}
