package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// hindrance answers in place of the API server, and returns true, or returns false to have the request passed on.
type hindrance func(w http.ResponseWriter, r *http.Request) (answered bool)

// obstacle stands before an API server and can hinder those who ask through it.
type obstacle struct {
	url string

	mu      sync.Mutex
	hinders hindrance
	hit     int // requests that were hindered
	pending map[*http.Request]context.CancelFunc
}

// startObstacle starts an obstacle, with the API server's own certificate, that hinders nobody yet and ends with the test.
func startObstacle(t *testing.T, e *environment, config *rest.Config) *obstacle {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(&rest.Config{Host: config.Host, TLSClientConfig: rest.TLSClientConfig{
		CAData: config.CAData, CAFile: config.CAFile,
	}})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := e.ServingCertificate()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &obstacle{url: "https://" + listener.Addr().String(), pending: map[*http.Request]context.CancelFunc{}}
	server := &http.Server{
		Handler: o.before(&httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport:     transport,
			FlushInterval: -1, // watches
			ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		}),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close() })
	return o
}

func (o *obstacle) before(pass http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		o.mu.Lock()
		o.pending[r] = cancel
		hinders := o.hinders
		if hinders != nil {
			o.hit++
		}
		o.mu.Unlock()
		defer func() {
			o.mu.Lock()
			delete(o.pending, r)
			o.mu.Unlock()
		}()
		if r := r.WithContext(ctx); hinders == nil || !hinders(w, r) {
			pass.ServeHTTP(w, r)
		}
	})
}

// raise hinders all requests from now on, nil for none, and breaks those under way: watches are.
func (o *obstacle) raise(h hindrance) {
	o.mu.Lock()
	o.hinders, o.hit = h, 0
	o.mu.Unlock()
	o.breakOff()
}

// lift hinders nobody any more. Those who wait for an answer have to ask again.
func (o *obstacle) lift() { o.raise(nil) }

// breakOff breaks the requests under way.
func (o *obstacle) breakOff() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, cancel := range o.pending {
		cancel()
	}
}

// hits is how many requests it has hindered since it was raised.
func (o *obstacle) hits() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.hit
}

// answers is what hinders by an answer of the API server's own form.
func answers(code int, reason, message string) hindrance {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":%d,"reason":%q,"message":%q}`,
			code, reason, message)
		return true
	}
}

// ofWatches hinders watches alone, so that lists come through.
func ofWatches(h hindrance) hindrance {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return r.URL.Query().Get("watch") == "true" && h(w, r)
	}
}

// slow passes a request on after some time.
func slow(delay time.Duration) hindrance {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
			return false
		case <-r.Context().Done():
			return true
		}
	}
}

// silent answers nothing, until the client or the test gives up.
func silent(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	panic(http.ErrAbortHandler) // or an empty answer would be sent
}
