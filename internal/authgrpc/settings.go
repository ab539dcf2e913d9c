package authgrpc

import (
	"errors"
	"fmt"
	"time"
)

// Settings says what goes back, and how much a connection may cost.
type Settings struct {
	// RemoveCredential has the proxy remove the key from what goes upstream: the credential header always, and
	// Authorization where the key stood in it. Default true.
	RemoveCredential bool
	// MaxMessageBytes bounds a question: the headers of a request, and its body where the proxy sends that along. What is longer
	// is answered with an error of gRPC. Default 4 MiB; 64 KiB to 64 MiB.
	MaxMessageBytes int
	// MaxConnections bounds how many are served at once; what comes on top waits to be accepted. Default 8192; at least 1.
	MaxConnections int
	// ReadTimeout is how long a question may take to arrive, with its answer. Default 5s; more than zero.
	ReadTimeout time.Duration
	// Reflection tells whoever asks which services there are. Default false.
	Reflection bool
}

// DefaultSettings returns the defaults that the fields of Settings name.
func DefaultSettings() Settings {
	return Settings{RemoveCredential: true, MaxMessageBytes: 4 << 20, MaxConnections: 8192, ReadTimeout: 5 * time.Second}
}

const (
	minMessageBytes = 64 << 10
	maxMessageBytes = 64 << 20
)

// Validate says in one sentence what is wrong with the settings, nil for nothing. It names them as the
// verifier's flags are named.
func (s Settings) Validate() error {
	if s.MaxMessageBytes < minMessageBytes || s.MaxMessageBytes > maxMessageBytes {
		return fmt.Errorf("--grpc-max-message-bytes: the message size is %d, use %d to %d", s.MaxMessageBytes, minMessageBytes, maxMessageBytes)
	}
	if s.MaxConnections < 1 {
		return errors.New("--max-connections: at least one connection has to be served")
	}
	if s.ReadTimeout <= 0 {
		return errors.New("--read-timeout: a question needs some time to arrive")
	}
	return nil
}
