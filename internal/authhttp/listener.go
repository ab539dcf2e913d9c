package authhttp

import (
	"errors"
	"log/slog"
	"net"
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
