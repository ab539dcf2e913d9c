package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// pace is how often each client of the load sends a request at most: what is looked for is a lost one, not a limit.
const pace = 10 * time.Millisecond

// pour is a load through every proxy at once, two clients each, that counts what was not let through.
type pour struct {
	stop     context.CancelFunc
	group    sync.WaitGroup
	answered map[kind]*atomic.Int64

	mu       sync.Mutex
	failures []error
}

func (p *proxies) pour(t *testing.T, keys *proxiedKeys) *pour {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	l := &pour{stop: cancel, answered: map[kind]*atomic.Int64{}}
	for _, f := range p.fronts {
		answered := new(atomic.Int64)
		l.answered[f.kind] = answered
		request := keys.fill(f, get("/read/", "X-API-Key: {reader}"))
		for range 2 {
			l.group.Go(func() {
				tick := time.NewTicker(pace)
				defer tick.Stop()
				for {
					select {
					case <-ctx.Done():
						return
					case <-tick.C:
						l.note(f, request)
						answered.Add(1)
					}
				}
			})
		}
	}
	return l
}

func (l *pour) note(f *front, request string) {
	began := time.Now()
	if err := ask(f.address, request); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failures = append(l.failures, fmt.Errorf("%s, after %s: %w", f.kind, time.Since(began), err))
	}
}

// ask sends a request on a connection of its own, and is nil if it is let through.
func ask(address, request string) error {
	connection, err := dial(address)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	response, err := connection.exchange(request)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d, reason %q", response.StatusCode, response.Header.Get("X-Apikey-Reason"))
	}
	return err
}

// awaitMore waits until every proxy has answered some more requests.
func (l *pour) awaitMore(t *testing.T, answers int64) {
	t.Helper()
	for kind, answered := range l.answered {
		enough := answered.Load() + answers
		await(t, string(kind)+" to answer", func(context.Context) error {
			if answered.Load() < enough {
				return errors.New("it stands still")
			}
			return nil
		})
	}
}

// end stops the load and fails the test if any request was not let through.
func (l *pour) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.group.Wait()
	for i, err := range l.failures {
		if i == 20 {
			break
		}
		t.Error(err)
	}
	for kind, answered := range l.answered {
		t.Logf("%s: %d requests", kind, answered.Load())
	}
	t.Logf("%d failed", len(l.failures))
}

// testReplacing replaces both of two verifiers, one after the other, as a Deployment's rolling update does: the new one is
// ready before the old one is told to go, which answers until nobody is led there any more.
func (p *proxies) testReplacing(t *testing.T, keys *proxiedKeys, first *stack.Verifier) {
	start := func(name string) *stack.Verifier {
		v := startVerifier(t, name, "--drain-delay=8s")
		keys.awaitIn(t, v)
		return v
	}
	old := []*stack.Verifier{start("verifier-old-1"), start("verifier-old-2")}
	p.moveOn(t, first, old...)
	l := p.pour(t, keys)
	l.awaitMore(t, 20)
	for i, leaving := range old {
		fresh := start(fmt.Sprintf("verifier-new-%d", i+1))
		l.awaitMore(t, 20)
		if err := leaving.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		await(t, "the verifier to say that it is leaving", func(ctx context.Context) error {
			if leaving.Ready(ctx) == nil {
				return errors.New("it says that it is ready")
			}
			return nil
		})
		l.awaitMore(t, 5) // nobody has taken notice yet
		old[i] = fresh
		p.lead(old...)
		if err := leaving.EndedWell(); err != nil {
			t.Error(err)
		}
		l.awaitMore(t, 20)
	}
	l.end(t)
}
