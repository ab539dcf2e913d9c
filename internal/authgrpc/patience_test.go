package authgrpc

import (
	"context"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

func impatient(s *settings) { s.server.ReadTimeout = 50 * time.Millisecond }

func TestAQuestionThatDoesNotArriveInTimeIsGivenUp(t *testing.T) {
	for name, patience := range map[string]time.Duration{
		"of a proxy that says nothing of time": 0, "of a proxy that would wait for an hour": time.Hour, "of a proxy that would not wait as long": time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			conn := newFixture(t, impatient).serve(t)
			ctx := t.Context()
			if patience > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, patience)
				defer cancel()
			}
			begun, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, authv3.Authorization_Check_FullMethodName)
			if err != nil && status.Code(err) != codes.DeadlineExceeded {
				t.Fatal(err)
			}
			if err == nil {
				err = begun.RecvMsg(&authv3.CheckResponse{})
			}
			if status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("a question of which nothing comes ends with %v", err)
			}
		})
	}
}

func TestWhoeverWatchesReadinessIsNotGivenUp(t *testing.T) {
	f := newFixture(t, impatient)
	watch, err := healthv1.NewHealthClient(f.serve(t)).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []healthv1.HealthCheckResponse_ServingStatus{healthv1.HealthCheckResponse_SERVING, healthv1.HealthCheckResponse_NOT_SERVING} {
		got, err := watch.Recv()
		if err != nil || got.GetStatus() != want {
			t.Fatalf("it is told %v, %v; want %v", got.GetStatus(), err, want)
		}
		// Longer than a question may take.
		if want == healthv1.HealthCheckResponse_SERVING {
			time.AfterFunc(4*f.readTimeout, f.Drain)
		}
	}
}
