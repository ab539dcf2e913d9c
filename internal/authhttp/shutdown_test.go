package authhttp

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const oneRequest = "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n\n"

// serveUntil serves without an end of its own; the channel gets what Serve returns.
func (f *fixture) serveUntil(t *testing.T) (address string, served <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- f.Serve(ln) }()
	return ln.Addr().String(), result
}

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func TestShutdownAnswersWhatIsInFlightAndClosesWhatIsIdle(t *testing.T) {
	f := newFixture(t)
	arrived, proceed := make(chan struct{}), make(chan struct{})
	hold := false
	f.ready = func() bool {
		if hold {
			close(arrived)
			<-proceed
		}
		return true
	}
	address, served := f.serveUntil(t)
	idle := dial(t, address)
	f.send(t, idle, oneRequest)
	if diff := cmp.Diff([]string{"200"}, answers(t, idle, "", 1)); diff != "" {
		t.Fatalf("answers (-want +got):\n%s", diff)
	}
	hold = true
	busy := dial(t, address)
	f.send(t, busy, oneRequest)
	<-arrived

	stopped := make(chan error, 1)
	go func() { stopped <- f.Shutdown(within(t, 10*time.Second)) }()
	if diff := cmp.Diff([]string{"closed"}, answers(t, idle, "", 1)); diff != "" {
		t.Errorf("on the idle connection (-want +got):\n%s", diff)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("a connection was accepted while shutting down")
	}
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown returned %v while a request was in flight", err)
	default:
	}
	close(proceed)
	if diff := cmp.Diff([]string{"200 close", "closed"}, answers(t, busy, "", 2)); diff != "" {
		t.Errorf("on the busy connection (-want +got):\n%s", diff)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
}

// latecomer hands out one connection just as it is closed.
type latecomer struct {
	net.Listener
	late   chan net.Conn
	closed chan struct{}
}

func (l *latecomer) Accept() (net.Conn, error) {
	<-l.closed
	select {
	case conn := <-l.late:
		return conn, nil
	default:
		return nil, net.ErrClosed
	}
}

func (l *latecomer) Close() error {
	close(l.closed)
	return nil
}

func TestAConnectionThatWasAcceptedJustBeforeShutdownIsAnswered(t *testing.T) {
	f := newFixture(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	conn := dial(t, ln.Addr().String())
	f.send(t, conn, oneRequest)
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	late := &latecomer{Listener: ln, late: make(chan net.Conn, 1), closed: make(chan struct{})}
	late.late <- accepted
	served := make(chan error, 1)
	go func() { served <- f.Serve(late) }()
	// Not before it waits for a connection: Serve after Shutdown would accept none.
	for len(f.slots) == 0 {
		runtime.Gosched()
	}
	if err := errors.Join(f.Shutdown(within(t, 10*time.Second)), <-served); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"200 close", "closed"}, answers(t, conn, "", 2)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestARequestThatArrivedBeforeShutdownIsAnswered(t *testing.T) {
	for range 20 { // as it depends on who is quicker
		f := newFixture(t)
		address, served := f.serveUntil(t)
		conn := dial(t, address)
		f.send(t, conn, oneRequest)
		if diff := cmp.Diff([]string{"200"}, answers(t, conn, "", 1)); diff != "" {
			t.Fatalf("answers (-want +got):\n%s", diff)
		}
		f.send(t, conn, oneRequest)
		if err := errors.Join(f.Shutdown(within(t, 10*time.Second)), <-served); err != nil {
			t.Error(err)
		}
		if got := answers(t, conn, "", 2); !strings.HasPrefix(got[0], "200") || got[len(got)-1] != "closed" {
			t.Fatalf("answers %q, want 200 and then the end", got)
		}
	}
}

func TestShutdownGivesUpWhenItsContextEnds(t *testing.T) {
	f := newFixture(t)
	arrived, proceed := make(chan struct{}), make(chan struct{})
	f.ready = func() bool {
		close(arrived)
		<-proceed
		return true
	}
	address, _ := f.serveUntil(t)
	conn := dial(t, address)
	f.send(t, conn, oneRequest)
	<-arrived
	if err := f.Shutdown(within(t, 50*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returned %v", err)
	}
	close(proceed)
	if diff := cmp.Diff([]string{"200 close", "closed"}, answers(t, conn, "", 2)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestDrainingServesOnButKeepsNoConnection(t *testing.T) {
	f := newFixture(t)
	address := f.serve(t)
	old := dial(t, address)
	f.send(t, old, oneRequest)
	if diff := cmp.Diff([]string{"200"}, answers(t, old, "", 1)); diff != "" {
		t.Fatalf("answers (-want +got):\n%s", diff)
	}
	f.Drain()
	f.send(t, old, oneRequest)
	if diff := cmp.Diff([]string{"200 close", "closed"}, answers(t, old, "", 2)); diff != "" {
		t.Errorf("on a connection from before (-want +got):\n%s", diff)
	}
	fresh := dial(t, address)
	f.send(t, fresh, "GET /auth/nginx HTTP/1.1\nHost: v\n\n")
	if diff := cmp.Diff([]string{"401 missing_credential close", "closed"}, answers(t, fresh, "", 2)); diff != "" {
		t.Errorf("on a new connection (-want +got):\n%s", diff)
	}
}

func TestServeAfterShutdownReturnsAtOnce(t *testing.T) {
	f := newFixture(t)
	if err := f.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	address, served := f.serveUntil(t)
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("the listener was left open")
	}
}
