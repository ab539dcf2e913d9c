package authgrpc

import (
	"context"
	"sync"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// health answers grpc.health.v1.Health for the whole server and for the one service that matters. The service that comes
// with gRPC is told of changes; here readiness is asked for, as it depends on the time too.
type health struct {
	healthv1.UnimplementedHealthServer

	ready func() bool
	// interval is how often those who watch look whether something changed.
	interval time.Duration
	// draining is closed when the server begins to drain, stopping when it stops.
	draining, stopping signal
}

// watchInterval is what a probe would wait between two questions.
const watchInterval = time.Second

func newHealth(ready func() bool) *health {
	return &health{ready: ready, interval: watchInterval, draining: newSignal(), stopping: newSignal()}
}

// Check implements grpc.health.v1.Health.
func (h *health) Check(_ context.Context, request *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	answer := h.status(request.GetService())
	if answer == healthv1.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	return &healthv1.HealthCheckResponse{Status: answer}, nil
}

// Watch implements grpc.health.v1.Health.
func (h *health) Watch(request *healthv1.HealthCheckRequest, stream healthv1.Health_WatchServer) error {
	ticker := time.NewTicker(h.interval)
	defer ticker.Stop()
	draining := h.draining.c
	for last := healthv1.HealthCheckResponse_UNKNOWN; ; {
		if now := h.status(request.GetService()); now != last {
			if err := stream.Send(&healthv1.HealthCheckResponse{Status: now}); err != nil {
				return err //nolint:wrapcheck // it is gRPC's own, for gRPC
			}
			last = now
		}
		select {
		case <-ticker.C:
		case <-draining:
			draining = nil // told once
		case <-h.stopping.c:
			return status.Error(codes.Unavailable, "the server stops")
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

func (h *health) status(service string) healthv1.HealthCheckResponse_ServingStatus {
	switch {
	case service != "" && service != authv3.Authorization_ServiceDesc.ServiceName:
		return healthv1.HealthCheckResponse_SERVICE_UNKNOWN
	case h.draining.isGiven() || !h.ready():
		return healthv1.HealthCheckResponse_NOT_SERVING
	}
	return healthv1.HealthCheckResponse_SERVING
}

// signal is given once, to all who wait for it.
type signal struct {
	c    chan struct{}
	once *sync.Once
}

func newSignal() signal { return signal{c: make(chan struct{}), once: &sync.Once{}} }

func (s signal) give() { s.once.Do(func() { close(s.c) }) }

func (s signal) isGiven() bool {
	select {
	case <-s.c:
		return true
	default:
		return false
	}
}
