package tlsfiles

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
)

// Listen serves TLS on what ln accepts, for a server that knows nothing of TLS. A handshake happens when the server
// first reads, under its time-out. One that fails is told to failed, which may be called from any number of goroutines;
// to the server the connection then ends before anything came, since no request did.
func Listen(ln net.Listener, config *tls.Config, failed func(error)) net.Listener {
	return &listener{Listener: ln, config: config, failed: failed}
}

type listener struct {
	net.Listener
	config *tls.Config
	failed func(error)
}

func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: tls.Server(raw, l.config), failed: l.failed}, nil
}

type conn struct {
	*tls.Conn
	failed func(error)
	tell   sync.Once
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	if c.Handshake() != nil {
		return 0, io.EOF
	}
	return c.Conn.Read(b)
}

// Handshake is for servers that ask for it.
func (c *conn) Handshake() error {
	err := c.Conn.Handshake()
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) { // a probe connects and goes
		c.tell.Do(func() { c.failed(err) })
	}
	return err
}
