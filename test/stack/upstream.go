package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Echo is what the upstream answers: the request as it arrived there.
type Echo struct {
	Method  string      `json:"method"`
	URI     string      `json:"uri"`
	Host    string      `json:"host"`
	Headers http.Header `json:"headers"`
}

// Upstream is the service that nginx protects. It runs in this process.
type Upstream struct {
	Address string // host:port

	requests atomic.Int64
}

// Requests is how many requests have reached it.
func (u *Upstream) Requests() int64 { return u.requests.Load() }

// StartUpstream starts the service that nginx protects.
func (s *Stack) StartUpstream() (*Upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the upstream: %w", err)
	}
	u := &Upstream{Address: listener.Addr().String()}
	server := &http.Server{Handler: u, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	s.onStop(func() error {
		if err := errors.Join(server.Close(), <-done); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("stop the upstream: %w", err)
		}
		return nil
	})
	return u, nil
}

// ServeHTTP answers with the request as an Echo.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.requests.Add(1)
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	// An error here is the client's going away, which is its own affair.
	_ = encoder.Encode(Echo{Method: r.Method, URI: r.RequestURI, Host: r.Host, Headers: r.Header})
}
