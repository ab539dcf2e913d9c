package authgrpc

import (
	"context"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/tap"
)

// limitTime bounds how long a question may take to arrive and its answer to leave. gRPC itself waits for the rest of a message for
// as long as the connection lives, and holds what has come of it: with all streams of one connection, gigabytes. What is given up
// is an error of gRPC, as nobody was asked yet.
func (s *Server) limitTime(ctx context.Context, info *tap.Info) (context.Context, error) {
	if info.FullMethodName != authv3.Authorization_Check_FullMethodName {
		return ctx, nil // whoever watches the health service waits for as long as it likes
	}
	// Envoy sends the time that it has for a question, 200 ms by default, and gRPC keeps to that: a second timer for each would
	// cost a tenth of all.
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= s.readTimeout {
		return ctx, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.readTimeout) //nolint:gosec // see below
	_ = cancel                                             // gRPC cancels what it is a child of when the stream ends
	return ctx, nil
}
