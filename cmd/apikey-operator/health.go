package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// healthServer serves metrics and probes on a port of their own, so that a proxy that may ask the
// verifier cannot read them, and a flood of questions does not starve them.
type healthServer struct {
	server   *http.Server
	listener net.Listener
}

// newHealthServer makes a server for the metrics of a registry and for probes; ready says whether
// questions can be answered.
func newHealthServer(listener net.Listener, registry *prometheus.Registry, ready func() error) *healthServer {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	const patience = 10 * time.Second
	return &healthServer{
		listener: listener,
		server:   &http.Server{Handler: mux, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: time.Minute},
	}
}

func (s *healthServer) run() error {
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics and probes: %w", err)
	}
	return nil
}

func (s *healthServer) stop(ctx context.Context) error { return s.server.Shutdown(ctx) }
