package authhttp

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	minAcceptDelay = 5 * time.Millisecond
	maxAcceptDelay = time.Second
)

// patientListener waits when accepting fails for now, as it does while the process has too many files open.
// fasthttp would stop serving for good.
type patientListener struct {
	net.Listener
	logger *slog.Logger
}

func (l *patientListener) Accept() (net.Conn, error) {
	for delay := minAcceptDelay; ; delay = min(2*delay, maxAcceptDelay) {
		conn, err := l.Listener.Accept()
		if err == nil || !isTemporary(err) {
			return conn, err
		}
		l.logger.Warn("cannot accept a connection for now", "error", err.Error(), "retry_after", delay)
		time.Sleep(delay)
	}
}

func isTemporary(err error) bool {
	var temporary interface{ Temporary() bool }
	return errors.As(err, &temporary) && temporary.Temporary()
}

// parkedListener is one on which nobody comes.
type parkedListener struct {
	addr      net.Addr
	accepting chan struct{} // closed once somebody waits for a connection
	closed    chan struct{}
	once      struct{ accepting, closed sync.Once }
}

func newParkedListener(addr net.Addr) *parkedListener {
	return &parkedListener{addr: addr, accepting: make(chan struct{}), closed: make(chan struct{})}
}

func (l *parkedListener) Accept() (net.Conn, error) {
	l.once.accepting.Do(func() { close(l.accepting) })
	<-l.closed
	return nil, net.ErrClosed
}

func (l *parkedListener) Close() error {
	l.once.closed.Do(func() { close(l.closed) })
	return nil
}

func (l *parkedListener) Addr() net.Addr { return l.addr }
