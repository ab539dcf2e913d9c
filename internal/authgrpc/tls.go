package authgrpc

import (
	"errors"
	"io"
	"net"

	"google.golang.org/grpc/credentials"
)

// tellingTLS is gRPC's own TLS that tells of handshakes that fail.
type tellingTLS struct {
	credentials.TransportCredentials

	failed func(error)
}

func newCredentials(config Config) credentials.TransportCredentials {
	own := credentials.NewTLS(config.TLS) // which adds h2 to what is negotiated
	if config.HandshakeFailed == nil {
		return own
	}
	return tellingTLS{own, config.HandshakeFailed}
}

// ServerHandshake implements credentials.TransportCredentials.
func (c tellingTLS) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) { // a probe connects and goes
		c.failed(err)
	}
	return conn, info, err //nolint:wrapcheck // it is gRPC's own, for gRPC
}

// Clone implements credentials.TransportCredentials.
func (c tellingTLS) Clone() credentials.TransportCredentials {
	return tellingTLS{c.TransportCredentials.Clone(), c.failed}
}
