package authhttp

import (
	"fmt"
	"time"
)

// Settings says how much a connection may cost.
type Settings struct {
	// MaxHeaderBytes bounds the request line and the headers together. A connection takes some 10 KiB of memory;
	// after the first request that is not plain as much more as this, and up to three times as much after headers of that size. Default 64 KiB: nginx accepts 32 KiB from a client by default, and repeats the
	// URI in two headers of its own. 4 KiB to 1 MiB.
	MaxHeaderBytes int
	// MaxBodyBytes bounds the body, which nothing looks at. Default 16 KiB; nginx sends none. 1 byte to
	// 1 MiB.
	MaxBodyBytes int
	// MaxConnections bounds how many are served at once; what comes on top waits to be accepted. Default 8192.
	// 1 to 1048576.
	MaxConnections int

	// ReadTimeout is how long a request may take to arrive, WriteTimeout how long an answer may take to
	// leave. Default 5s each; 10ms to 1h.
	ReadTimeout, WriteTimeout time.Duration
	// IdleTimeout is how long a connection is kept open between requests. Default 75s, longer than
	// nginx's 60s, so that it is nginx that closes and no request meets a closing connection;
	// 10ms to 1h.
	IdleTimeout time.Duration
}

// DefaultSettings returns the defaults that the fields of Settings name.
func DefaultSettings() Settings {
	return Settings{
		MaxHeaderBytes: 64 << 10,
		MaxBodyBytes:   16 << 10,
		MaxConnections: 8192,
		ReadTimeout:    5 * time.Second,
		WriteTimeout:   5 * time.Second,
		IdleTimeout:    75 * time.Second,
	}
}

const (
	minHeaderBytes = 4 << 10
	maxBytes       = 1 << 20
	maxConnections = 1 << 20
	minTimeout     = 10 * time.Millisecond
	maxTimeout     = time.Hour
)

// Validate says in one sentence what is wrong with the settings, nil for nothing. It names them as the
// verifier's flags are named.
func (s Settings) Validate() error {
	for _, size := range []struct {
		name            string
		value, min, max int
	}{
		{"--max-header-bytes: the header size", s.MaxHeaderBytes, minHeaderBytes, maxBytes},
		{"--max-body-bytes: the body size", s.MaxBodyBytes, 1, maxBytes},
		{"--max-connections: the number of connections", s.MaxConnections, 1, maxConnections},
	} {
		if size.value < size.min || size.value > size.max {
			return fmt.Errorf("%s is %d, use %d to %d", size.name, size.value, size.min, size.max)
		}
	}
	for _, timeout := range []struct {
		name  string
		value time.Duration
	}{{"read", s.ReadTimeout}, {"write", s.WriteTimeout}, {"idle", s.IdleTimeout}} {
		if timeout.value < minTimeout || timeout.value > maxTimeout {
			return fmt.Errorf("--%s-timeout: the %s time-out is %v, use %v to %v",
				timeout.name, timeout.name, timeout.value, minTimeout, maxTimeout)
		}
	}
	return nil
}
