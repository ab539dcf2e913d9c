package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Echo is what the upstream answers: the request as it arrived there.
type Echo struct {
	Method  string      `json:"method"`
	URI     string      `json:"uri"`
	Host    string      `json:"host"`
	Headers http.Header `json:"headers"`
	// BodyLength is how many bytes of a body came.
	BodyLength int64 `json:"bodyLength"`
}

// CaseHeader names a request of a test, so that Seen finds it. Proxies pass it on.
const CaseHeader = "X-Case"

// Upstream is the service that proxies protect. It runs in this process.
type Upstream struct {
	Address string // host:port

	requests atomic.Int64

	mu   sync.Mutex
	seen map[string][]Echo // by CaseHeader
}

// Requests is how many requests have reached it.
func (u *Upstream) Requests() int64 { return u.requests.Load() }

// Seen are the requests with a value of CaseHeader that have reached it.
func (u *Upstream) Seen(name string) []Echo {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.seen[name])
}

func (u *Upstream) remember(echo Echo) {
	name := echo.Headers.Get(CaseHeader)
	if name == "" {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen[name] = append(u.seen[name], echo)
}

// StartUpstream starts the service that proxies protect.
func (s *Stack) StartUpstream() (*Upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the upstream: %w", err)
	}
	u := &Upstream{Address: listener.Addr().String(), seen: map[string][]Echo{}}
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
	echo := Echo{Method: r.Method, URI: r.RequestURI, Host: r.Host, Headers: r.Header}
	echo.BodyLength, _ = io.Copy(io.Discard, r.Body) // cut off, it is shorter
	u.remember(echo)
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	// An error here is the client's going away, which is its own affair.
	_ = encoder.Encode(echo)
}
