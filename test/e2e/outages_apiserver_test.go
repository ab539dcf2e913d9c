package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// hindered is a stack whose verifiers reach the API server past an obstacle, while the manager and the test do not.
type hindered struct {
	*environment

	obstacle  *obstacle
	relay     *relay // to the API server, which comes back on another port
	namespace string
	steady    string // a key that is in use all the time
	rounds    int
}

// TestServingGoesOnWhateverTheAPIServerAnswers hinders the verifiers in one way after the other. Requests are answered
// as before all the while, and what has changed meanwhile is in force when the obstacle is gone.
func TestServingGoesOnWhateverTheAPIServerAnswers(t *testing.T) {
	t.Parallel()
	h := startHindered(t)
	const tooOld = "too old resource version: 1 (2)"
	ways := []struct {
		name  string
		way   hindrance
		shuts bool // nothing of what changes comes through
	}{
		{name: "it answers 500", way: answers(http.StatusInternalServerError, "InternalError", "etcdserver: leader changed"), shuts: true},
		{name: "it answers 503", way: answers(http.StatusServiceUnavailable, "ServiceUnavailable", "apiserver is shutting down"), shuts: true},
		{name: "it answers 429", way: answers(http.StatusTooManyRequests, "TooManyRequests", "please try again later"), shuts: true},
		{name: "it answers 403", way: answers(http.StatusForbidden, "Forbidden", "the binding is gone"), shuts: true},
		{name: "it answers nothing", way: silent, shuts: true},
		{name: "it answers in no language", way: nonsense, shuts: true},
		{name: "it is slow", way: slow(2 * time.Second)},
		{name: "what was seen last is too old", way: ofWatches(answers(http.StatusGone, "Expired", tooOld))},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) { h.isHindered(t, w.way, w.shuts) })
	}
	t.Run("watches break again and again", func(t *testing.T) { h.watchesBreak(t) })
	t.Run("it restarts, and has forgotten what came before", func(t *testing.T) { h.apiServerForgets(t) })
	t.Run("etcd hangs", func(t *testing.T) { h.etcdHangs(t) })
}

func startHindered(t *testing.T) *hindered {
	t.Helper()
	h := &hindered{}
	h.environment = ownEnvironment(t, func(ctx context.Context, e *environment) error {
		config, err := e.AdminConfig()
		if err != nil {
			return err
		}
		h.relay = newRelay(t, hostOf(t, config))
		config.Host = "https://" + h.relay.Address
		if err := e.connect(ctx, config); err != nil {
			return err
		}
		h.obstacle = startObstacle(t, e, config)
		if err := e.addManager(ctx, stack.Options{Server: config.Host}); err != nil {
			return err
		}
		for _, n := range []string{"1", "2"} {
			if err := e.addVerifier(ctx, stack.Options{Name: "verifier-" + n, Server: h.obstacle.url}); err != nil {
				return err
			}
		}
		e.nginx, err = e.StartNginx(ctx, stack.NginxOptions{Verifiers: addressesOf(e.verifiers), Upstream: e.upstream.Address, Routes: routes})
		return err
	})
	h.namespace = h.environment.namespace(t)
	h.steady = h.issue(t, h.namespace, "steady", `{}`)
	h.awaitEverywhere(t, "", h.steady, http.StatusOK)
	return h
}

// nonsense is what a proxy in between might say.
func nonsense(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "text/html")
	_, _ = fmt.Fprint(w, "<html>Welcome to the captive portal</html>")
	return true
}

// changes are made while verifiers may not hear of them.
type changes struct {
	round            int    // names of ApiKeys end in it
	revoked, deleted string // keys
}

func (c changes) of(what string) string { return fmt.Sprintf("%s-%d", what, c.round) }

func (h *hindered) isHindered(t *testing.T, way hindrance, shuts bool) {
	c := h.prepare(t)
	l := h.startLoad(t, h.nginx, h.steady, 1)
	h.obstacle.raise(way)
	defer h.obstacle.lift()
	h.make(t, c)
	await(t, "both verifiers to be hindered", func(context.Context) error {
		if hits := h.obstacle.hits(); hits < len(h.verifiers) {
			return fmt.Errorf("%d requests were", hits)
		}
		return nil
	})
	l.awaitMore(t, 50)
	for _, v := range h.verifiers {
		if err := v.Ready(t.Context()); err != nil {
			t.Errorf("%s is no longer ready: %v", v.Name, err)
		}
		if shuts {
			h.expectUnchanged(t, v, c)
		}
	}
	h.obstacle.lift()
	h.awaitInForce(t, c)
	l.end(t)
}

// prepare issues the keys that will be changed.
func (h *hindered) prepare(t *testing.T) changes {
	t.Helper()
	h.rounds++
	c := changes{round: h.rounds}
	keys := h.issueAll(t, h.namespace, map[string]string{c.of("revoked"): `{}`, c.of("deleted"): `{}`})
	c.revoked, c.deleted = keys[c.of("revoked")], keys[c.of("deleted")]
	h.awaitEverywhere(t, "", c.revoked, http.StatusOK)
	h.awaitEverywhere(t, "", c.deleted, http.StatusOK)
	return c
}

// make makes the changes.
func (h *hindered) make(t *testing.T, c changes) {
	t.Helper()
	h.patch(t, h.namespace, c.of("revoked"), `{"revoked":true}`)
	h.kubectl(t, "delete", "apikey", "--namespace", h.namespace, c.of("deleted"))
}

// expectUnchanged expects the answers of before the changes.
func (h *hindered) expectUnchanged(t *testing.T, v *stack.Verifier, c changes) {
	t.Helper()
	for name, key := range map[string]string{"steady": h.steady, "revoked": c.revoked, "deleted": c.deleted} {
		if got := askVerifier(t, v, "", key); got.StatusCode != http.StatusOK {
			t.Errorf("%s answers %d, %s, for the key %s, of which it cannot have heard anything", v.Name, got.StatusCode, got.Header.Get("X-Apikey-Reason"), name)
		}
	}
	if got := askVerifier(t, v, "", "ak_unknown"); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s answers %d for an unknown key", v.Name, got.StatusCode)
	}
}

// awaitInForce waits for the changes, and for one that is made now.
func (h *hindered) awaitInForce(t *testing.T, c changes) {
	t.Helper()
	lifted := time.Now()
	h.awaitEverywhere(t, "", c.revoked, http.StatusUnauthorized)
	h.awaitEverywhere(t, "", c.deleted, http.StatusUnauthorized)
	t.Logf("all was in force %.1f s after the obstacle was gone", time.Since(lifted).Seconds())
	h.awaitEverywhere(t, "", h.issue(t, h.namespace, c.of("fresh"), `{}`), http.StatusOK)
	h.awaitEverywhere(t, "", h.steady, http.StatusOK)
	for _, v := range h.verifiers {
		metrics, err := stack.Scrape(t.Context(), v.Metrics)
		if err != nil {
			t.Fatal(err)
		}
		if stale := metrics["apikey_operator_verifier_staleness_seconds"]; stale > patience.Seconds() {
			t.Errorf("%s has heard nothing for %.0f s, though it has heard of the changes", v.Name, stale)
		}
	}
}

func (h *hindered) watchesBreak(t *testing.T) {
	c := h.prepare(t)
	l := h.startLoad(t, h.nginx, h.steady, 1)
	for range 10 {
		h.obstacle.breakOff()
		l.awaitMore(t, 5)
	}
	h.make(t, c)
	h.obstacle.breakOff()
	h.awaitInForce(t, c)
	l.end(t)
}

// apiServerForgets keeps verifiers from hearing of changes, and restarts the API server, whose memory of changes begins
// anew: it can no longer tell what has changed since the last that they have seen, so all has to be read again.
func (h *hindered) apiServerForgets(t *testing.T) {
	c := h.prepare(t)
	l := h.startLoad(t, h.nginx, h.steady, 1)
	h.obstacle.raise(silent)
	h.make(t, c)
	h.killManagers(t)
	if err := errors.Join(h.StopControlPlane(), h.StartControlPlane(t.Context())); err != nil {
		t.Fatal(err)
	}
	config, err := h.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	h.relay.PointAt(hostOf(t, config))
	if err := h.AwaitWritable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.addManager(t.Context(), stack.Options{Name: "manager-2", Server: "https://" + h.relay.Address}); err != nil {
		t.Fatal(err)
	}
	for _, v := range h.verifiers {
		h.expectUnchanged(t, v, c)
	}
	h.obstacle.lift()
	h.awaitInForce(t, c)
	l.end(t)
}

// killManagers ends them before they lose their lease, and end by themselves.
func (h *hindered) killManagers(t *testing.T) {
	t.Helper()
	for _, m := range h.managers {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	h.managers = nil
}

// etcdHangs has nothing written or read for a while.
func (h *hindered) etcdHangs(t *testing.T) {
	c := h.prepare(t)
	h.killManagers(t)
	l := h.startLoad(t, h.nginx, h.steady, 1)
	if err := h.SignalEtcd(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.SignalEtcd(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}()
	h.obstacle.breakOff() // so that watches are opened anew, while nothing can be read
	l.awaitMore(t, 200)
	for _, v := range h.verifiers {
		h.expectUnchanged(t, v, c)
	}
	if err := h.SignalEtcd(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := h.AwaitWritable(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.make(t, c)
	h.awaitEverywhere(t, "", c.revoked, http.StatusUnauthorized)
	h.awaitEverywhere(t, "", c.deleted, http.StatusUnauthorized)
	h.awaitEverywhere(t, "", h.steady, http.StatusOK)
	l.end(t)
}
