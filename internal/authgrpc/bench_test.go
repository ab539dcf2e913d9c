package authgrpc

import (
	"context"
	"net"
	"strconv"
	"syscall"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// constant is a server that does not look at what it is asked.
type constant struct {
	authv3.UnimplementedAuthorizationServer

	answer *authv3.CheckResponse
}

func (c constant) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return c.answer, nil
}

// serveConstant serves the answer that f gives to a request, made once, as grpc-go does by default.
func serveConstant(t testing.TB, f *fixture, request *authv3.CheckRequest) *grpc.ClientConn {
	t.Helper()
	answer, ok := proto.Clone(f.ask(request.GetAttributes())).(*authv3.CheckResponse)
	if !ok {
		t.Fatal("a clone is of another type")
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, constant{answer: answer})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(server.Stop)
	return connect(t, ln.Addr().String())
}

// typical is a question with as many headers as a browser's, of which ours are a few.
func (f *fixture) typical() *authv3.CheckRequest {
	headers := []string{"x-api-key", "KEY"}
	for i := range 12 {
		headers = append(headers, "x-header-"+strconv.Itoa(i), "a value of usual length, "+strconv.Itoa(i))
	}
	return demanding(f.question(headers...), "permission", "read", "tenant", "acme")
}

// BenchmarkCheck compares a decision with a constant answer of the same headers, both over a socket. The client takes its part of
// the time of both; server and client share a process, so cpu-ns/op is that of both too.
func BenchmarkCheck(b *testing.B) {
	f := newFixture(b)
	request := f.typical()
	for name, conn := range map[string]*grpc.ClientConn{"decision": f.serve(b), "constant": serveConstant(b, f, request)} {
		b.Run(name, func(b *testing.B) {
			client := authv3.NewAuthorizationClient(conn)
			b.ReportAllocs()
			before := cpuTime(b)
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := client.Check(b.Context(), request); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpuTime is what the process has used of all CPUs, in nanoseconds.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// BenchmarkDecide is the part of it that is ours, without gRPC and its encoding.
func BenchmarkDecide(b *testing.B) {
	f := newFixture(b)
	request := f.typical()
	b.ReportAllocs()
	for b.Loop() {
		if response := f.ask(request.GetAttributes()); response.GetOkResponse() == nil {
			b.Fatal(reasonOf(response))
		}
	}
}
