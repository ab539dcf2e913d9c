package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// load sends requests with a good key through nginx until it is stopped, and counts the answers.
type load struct {
	stop     context.CancelFunc
	group    sync.WaitGroup
	answered atomic.Int64

	mu       sync.Mutex
	failures []error
}

func (e *environment) startLoad(t *testing.T, nginx *stack.Nginx, key string, clients int) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{stop: cancel}
	t.Cleanup(cancel)
	for range clients {
		l.group.Go(func() {
			for ctx.Err() == nil {
				// The request is let finish when the load ends.
				a, err := e.try(context.WithoutCancel(ctx), nginx, call{path: "/any/", key: key})
				if err == nil && a.Status != http.StatusOK {
					err = fmt.Errorf("%s was answered %d", a.requestID, a.Status)
				}
				l.answered.Add(1)
				if err != nil {
					l.mu.Lock()
					l.failures = append(l.failures, err)
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

// end stops the load and fails the test if any request was not answered 200.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.group.Wait()
	for i, err := range l.failures {
		if i == 5 {
			break
		}
		t.Error(err)
	}
	t.Logf("%d of %d requests failed", len(l.failures), l.answered.Load())
	if l.answered.Load() == 0 {
		t.Error("there was no load")
	}
}

// awaitMore waits until the load has gone on for another number of answers.
func (l *load) awaitMore(t *testing.T, answers int64) {
	t.Helper()
	enough := l.answered.Load() + answers
	await(t, "the load to go on", func(context.Context) error {
		if l.answered.Load() < enough {
			return errors.New("it stands still")
		}
		return nil
	})
}

// TestAVerifierThatIsStoppedRefusesNobody stops one of two verifiers behind one address under load. As in a
// cluster it says by its readiness that it is about to go, and goes on answering until it gets no new
// connections any more. nginx knows of one address only, so it cannot make up for a lost answer.
func TestAVerifierThatIsStoppedRefusesNobody(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "steady", `{}`)
	for name, keepAlive := range map[string]int{
		"a connection for each request":  0,
		"connections that are kept open": 8,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const drainDelay = 6 * time.Second
			suffix := fmt.Sprintf("-drain-%d", keepAlive)
			leaving := startVerifier(t, "leaving"+suffix, "--drain-delay", drainDelay.String(), "--read-timeout=60s")
			staying := startVerifier(t, "staying"+suffix)
			service := newRelay(t, leaving.Address, staying.Address)
			nginx, err := shared.StartNginx(t.Context(), stack.NginxOptions{
				Name: "nginx" + suffix, Verifiers: []string{service.Address},
				Upstream: shared.upstream.Address, Routes: routes, KeepAlive: keepAlive,
			})
			if err != nil {
				t.Fatal(err)
			}
			half := sendHalfARequest(t, leaving.Address, key)
			l := shared.startLoad(t, nginx, key, 4)
			l.awaitMore(t, 50)

			stopped := time.Now()
			if err := leaving.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			await(t, "the verifier to say that it is leaving", func(ctx context.Context) error {
				if leaving.Ready(ctx) == nil {
					return errors.New("it says that it is ready")
				}
				return nil
			})
			l.awaitMore(t, 50) // nobody has taken notice yet
			service.PointAt(staying.Address)
			if status := half.finish(t); status != http.StatusOK {
				t.Errorf("a request that was half sent when the verifier was told to stop was answered %d", status)
			}
			<-leaving.Exited()
			if lasted := time.Since(stopped); lasted < drainDelay {
				t.Errorf("the verifier ended after %s, before its drain delay of %s", lasted, drainDelay)
			}
			l.awaitMore(t, 50)
			l.end(t)
			if err := leaving.EndedWell(); err != nil {
				t.Error(err)
			}
		})
	}
}

// startVerifier starts one more verifier on the shared stack, which ends with the test.
func startVerifier(t *testing.T, name string, args ...string) *stack.Verifier {
	t.Helper()
	v, err := shared.StartVerifier(t.Context(), verifierOptions(stack.Options{Name: name, Args: args}))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// halfRequest is a request to a verifier whose end is still to be sent.
type halfRequest struct{ connection net.Conn }

func sendHalfARequest(t *testing.T, address, key string) halfRequest {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if _, err := connection.Write([]byte("GET /auth/nginx HTTP/1.1\r\nHost: verifier\r\nX-API-Key: " + key + "\r\n")); err != nil {
		t.Fatal(err)
	}
	return halfRequest{connection}
}

// finish sends the rest and returns the status of the answer.
func (h halfRequest) finish(t *testing.T) int {
	t.Helper()
	if err := h.connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.connection.Write([]byte("\r\n")); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(h.connection), nil)
	if err != nil {
		t.Fatalf("read the answer to the request under way: %v", err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}
