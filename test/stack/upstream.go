package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Echo is what the upstream answers: the request as it arrived there.
type Echo struct {
	Method  string      `json:"method"`
	URI     string      `json:"uri"`
	Host    string      `json:"host"`
	Headers http.Header `json:"headers"`
}

// StartUpstream starts the service that nginx protects, in this process, and returns its host:port.
func (s *Stack) StartUpstream() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start the upstream: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	s.onStop(func() error {
		if err := errors.Join(server.Close(), <-done); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("stop the upstream: %w", err)
		}
		return nil
	})
	return listener.Addr().String(), nil
}

func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	// An error here is the client's going away, which is its own affair.
	_ = encoder.Encode(Echo{Method: r.Method, URI: r.RequestURI, Host: r.Host, Headers: r.Header})
}
