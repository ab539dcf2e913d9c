package authhttp

import (
	"errors"

	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// failingListener fails with each of errs before it does what a listener does.
type failingListener struct {
	net.Listener
	errs []error
}

func (l *failingListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	return l.Listener.Accept()
}

func TestServingGoesOnAfterTooManyOpenFiles(t *testing.T) {
	f := newFixture(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tooMany := &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	served := make(chan error, 1)
	go func() { served <- f.Serve(&failingListener{Listener: ln, errs: []error{tooMany, tooMany}}) }()
	conn := dial(t, ln.Addr().String())
	f.send(t, conn, oneRequest)
	if diff := cmp.Diff([]string{"200"}, answers(t, conn, "", 1)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if err := f.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if got := strings.Count(f.log.String(), "cannot accept a connection for now"); got != 2 {
		t.Errorf("logged %d times, want 2:\n%s", got, f.log)
	}
}

func TestServingEndsWhenTheListenerFailsForGood(t *testing.T) {
	f := newFixture(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	broken := errors.New("the network is gone")
	if err := f.Serve(&failingListener{Listener: ln, errs: []error{broken}}); !errors.Is(err, broken) {
		t.Errorf("Serve returned %v", err)
	}
}

func TestWhatFasthttpSaysOfAConnectionIsNotLogged(t *testing.T) {
	log := &safeBuffer{}
	l := quietLogger{slog.New(slog.NewTextHandler(log, nil))}
	l.Printf("error when serving connection %q<->%q: %v", "a", "b", errors.New(`invalid header value "ak_secret"`))
	if log.String() != "" {
		t.Errorf("logged: %s", log)
	}
	l.Printf("The incoming connection cannot be served, because %d concurrent connections are served. ", 5)
	if !strings.Contains(log.String(), "because 5 concurrent connections") {
		t.Errorf("logged: %q", log)
	}
}
