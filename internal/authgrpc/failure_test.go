package authgrpc

import (
	"context"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
)

func TestAPanicRefusesTheRequestAndNotTheNext(t *testing.T) {
	f := newFixture(t)
	broken := true
	f.now = func() time.Time {
		if broken {
			panic("the key " + f.key)
		}
		return noon
	}
	conn := f.serve(t)
	got := check(t, conn, f.question("x-api-key", "KEY"))
	if reason := reasonOf(got); reason != "not_ready" || got.GetDeniedResponse().GetStatus().GetCode() != 503 {
		t.Errorf("%s, want not_ready: %v", reason, got)
	}
	if f.metrics.panicked() != 1 || f.metrics.counts()["none/not_ready"] != 1 {
		t.Errorf("%d panics and %v are counted, want one of each", f.metrics.panicked(), f.metrics.counts())
	}
	if !strings.Contains(f.log.String(), "please report this") || strings.Contains(f.log.String(), f.key) {
		t.Errorf("log: %s", f.log)
	}
	broken = false
	if got := reasonOf(check(t, conn, f.question("x-api-key", "KEY"))); got != "allowed" {
		t.Errorf("after it: %s, want allowed", got)
	}
}

// rawCodec sends bytes as they are, as a client that is not held to the protocol can.
type rawCodec struct{ encoding.CodecV2 }

func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if raw, ok := v.(*[]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(*raw)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// checkRaw asks with whatever for a message.
func checkRaw(t testing.TB, conn *grpc.ClientConn, raw []byte) *authv3.CheckResponse {
	t.Helper()
	response := &authv3.CheckResponse{}
	err := conn.Invoke(t.Context(), authv3.Authorization_Check_FullMethodName, &raw, response,
		grpc.ForceCodecV2(rawCodec{encoding.GetCodecV2(proto.Name)}))
	if err != nil {
		t.Fatalf("an error of gRPC: %v", err)
	}
	return response
}

func TestAMessageThatCannotBeReadIsARefusal(t *testing.T) {
	f := newFixture(t)
	conn := f.serve(t)
	good, err := encoding.GetCodecV2(proto.Name).Marshal(f.question("x-api-key", "KEY"))
	if err != nil {
		t.Fatal(err)
	}
	whole := good.Materialize()
	for name, raw := range map[string][]byte{
		"no message":              []byte("\xff\xff\xff"),
		"one that was cut off":    whole[:len(whole)-1],
		"a path that is no UTF-8": []byte(strings.Replace(string(whole), "/orders", "/order\xff", 1)),
		"a key that is no UTF-8":  []byte(strings.Replace(string(whole), f.key, f.key[:len(f.key)-1]+"\xff", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			if got := reasonOf(checkRaw(t, conn, raw)); got != "malformed_credential" {
				t.Errorf("%s, want malformed_credential", got)
			}
		})
	}
	if got := reasonOf(checkRaw(t, conn, whole)); got != "allowed" {
		t.Errorf("the message itself: %s, want allowed", got)
	}
	if got := f.metrics.counts()["none/malformed_credential"]; got != 4 {
		t.Errorf("counted: %v", f.metrics.counts())
	}
}

func TestAMessageThatCannotBeReadIsNotReadyWhileNothingIs(t *testing.T) {
	f := newFixture(t)
	f.ready = func() bool { return false }
	if got := reasonOf(checkRaw(t, f.serve(t), []byte("\xff"))); got != "not_ready" {
		t.Errorf("%s, want not_ready", got)
	}
}

func TestAnAnswerThatCannotBeWrittenIsARefusal(t *testing.T) {
	var failures []error
	c := newCodec(func(err error) { failures = append(failures, err) })
	data, err := c.Marshal(&authv3.CheckResponse{HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
		Headers: []*corev3.HeaderValueOption{option("X-Apikey-Name", "\xff")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	got := &authv3.CheckResponse{}
	if err := c.CodecV2.Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	if reason := reasonOf(got); reason != "not_ready" || got.GetStatus().GetCode() == 0 || len(failures) != 1 {
		t.Errorf("%s with code %d, %d failures told of", reason, got.GetStatus().GetCode(), len(failures))
	}
}

func TestErrorsOfOtherServicesStayErrors(t *testing.T) {
	f := newFixture(t)
	raw := []byte("\xff")
	err := f.serve(t).Invoke(t.Context(), healthv1.Health_Check_FullMethodName, &raw, &healthv1.HealthCheckResponse{},
		grpc.ForceCodecV2(rawCodec{encoding.GetCodecV2(proto.Name)}))
	if err == nil {
		t.Error("what cannot be read was answered")
	}
}

func TestSeveralAtOnceAreNotMixedUp(t *testing.T) {
	f := newFixture(t)
	conn := f.serve(t)
	const workers, each = 8, 200
	failures := make(chan string, workers)
	for worker := range workers {
		go func() { failures <- f.askInTurns(conn, worker, each) }()
	}
	for range workers {
		if failure := <-failures; failure != "" {
			t.Error(failure)
		}
	}
}

// askInTurns asks good and bad questions, and says what was answered wrongly.
func (f *fixture) askInTurns(conn *grpc.ClientConn, worker, count int) string {
	id := "worker-" + string(rune('a'+worker))
	client := authv3.NewAuthorizationClient(conn)
	for i := range count {
		request, want := f.question("x-request-id", id, "x-api-key", "KEY"), "allowed"
		if i%2 == worker%2 {
			request, want = demanding(f.question("x-request-id", id), "tenant", id), "missing_credential"
		}
		response, err := client.Check(context.Background(), request)
		if err != nil {
			return err.Error()
		}
		got := values(response.GetOkResponse().GetHeaders())["X-Request-Id"] + values(response.GetDeniedResponse().GetHeaders())["X-Request-Id"]
		if reasonOf(response) != want || got != id {
			return reasonOf(response) + " for " + got + ", want " + want + " for " + id
		}
	}
	return ""
}
