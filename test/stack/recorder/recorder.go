// Package recorder stands between a program and the API server, and writes down what is asked and how it is answered.
package recorder

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// Request is one that arrived at the API server.
type Request struct {
	At time.Time
	// Verb is that of RBAC. Resource holds a subresource too, such as apikeys/status; where a request is for none, it is
	// the path.
	Verb, Resource  string
	Namespace, Name string // empty where there is none
	Code            int    // of the answer, by HTTP
	// Whole says that all objects were asked for: by a list, or by a watch that begins with what there is.
	Whole bool
}

// Writes says whether the request changes something.
func (r Request) Writes() bool {
	return r.Verb != "get" && r.Verb != "list" && r.Verb != "watch"
}

// Recorder writes requests down. Its methods may be called from several goroutines at once.
type Recorder struct {
	// URL is where the programs find the API server.
	URL string

	server *http.Server

	mu       sync.Mutex
	requests []Request
	watches  map[*http.Request]context.CancelFunc // those that are under way
}

// arrivedAt is under which a request's context holds the time of its arrival.
type arrivedAt struct{}

// Start starts a recorder before the API server of a stack, for whoever reaches it by its URL. It has the API server's
// own certificate, and passes on the token of whoever asks.
func Start(ctx context.Context, s *stack.Stack) (*Recorder, error) {
	admin, err := s.AdminConfig()
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(admin.Host)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(&rest.Config{Host: admin.Host, TLSClientConfig: rest.TLSClientConfig{
		CAData: admin.CAData, CAFile: admin.CAFile,
	}})
	if err != nil {
		return nil, err
	}
	certificate, err := s.ServingCertificate()
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &Recorder{URL: "https://" + listener.Addr().String(), watches: map[*http.Request]context.CancelFunc{}}
	c.server = &http.Server{
		Handler:           c.handler(target, transport),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = c.server.ServeTLS(listener, "", "") }()
	return c, nil
}

// Close ends the recorder and all connections through it.
func (c *Recorder) Close() error { return c.server.Close() }

func (c *Recorder) handler(target *url.URL, transport http.RoundTripper) http.Handler {
	pass := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ModifyResponse: func(r *http.Response) error {
			c.note(r.Request, r.StatusCode)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
			c.note(r, http.StatusBadGateway)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), arrivedAt{}, time.Now()))
		if parse(r.Method, r.URL).Verb != "watch" {
			pass.ServeHTTP(w, r)
			return
		}
		watch, end := c.beginWatch(r)
		defer end()
		pass.ServeHTTP(w, watch)
	})
}

// beginWatch notes a watch, which can then be ended.
func (c *Recorder) beginWatch(r *http.Request) (watch *http.Request, end func()) {
	ctx, cancel := context.WithCancel(r.Context())
	watch = r.WithContext(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watches[watch] = cancel
	return watch, func() {
		cancel()
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watches, watch)
	}
}

// Interrupt breaks all watches off, and returns how many there were. Clients of Go then read everything anew.
func (c *Recorder) Interrupt() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cancel := range c.watches {
		cancel()
	}
	return len(c.watches)
}

func (c *Recorder) note(r *http.Request, code int) {
	noted := parse(r.Method, r.URL)
	noted.At, _ = r.Context().Value(arrivedAt{}).(time.Time)
	noted.Code = code
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, noted)
}

// Take returns the requests since the last time, in the order of their arrival.
func (c *Recorder) Take() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.requests
	c.requests = nil
	slices.SortStableFunc(taken, func(a, b Request) int { return a.At.Compare(b.At) })
	return taken
}

// Count is how many of the requests since then are of a kind.
func (c *Recorder) Count(kind func(Request) bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.requests {
		if kind(r) {
			n++
		}
	}
	return n
}

var writeVerbs = map[string]string{
	http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
}

// parse tells verb, resource and object from /api/v1/namespaces/default/secrets/x and the like. What is no
// resource, such as /readyz, is its own.
func parse(method string, u *url.URL) Request {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		parts = parts[3:]
	default:
		return Request{Verb: "get", Resource: u.Path}
	}
	namespace := ""
	if parts[0] == "namespaces" && len(parts) > 2 {
		namespace, parts = parts[1], parts[2:]
	}
	r := Request{Resource: parts[0], Namespace: namespace}
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 {
		r.Resource += "/" + parts[2]
	}
	r.Verb, r.Whole = verbOf(method, r.Name, u.Query())
	return r
}

// verbOf tells the verb, and whether all objects are asked for.
func verbOf(method, name string, query url.Values) (verb string, whole bool) {
	switch verb := writeVerbs[method]; {
	case verb != "":
		return verb, false
	case name != "":
		return "get", false
	case query.Get("watch") == "true" || query.Get("watch") == "1":
		return "watch", query.Get("sendInitialEvents") == "true"
	}
	return "list", true
}
