package monitoring

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// scrapeInterval is far shorter than anybody's, so that a window of rates is over soon.
const (
	scrapeInterval = time.Second
	rateWindow     = 10 * time.Second
)

// world is a manager and two verifiers that a Prometheus scrapes, with ApiKeys in all states.
type world struct {
	*stack.Stack

	manager    *stack.Manager
	shared     *stack.Verifier // counts requests in Redis
	local      *stack.Verifier // counts them in memory, and serves TLS
	tls        *authority
	prometheus prometheusv1.API
	began      time.Time // when Prometheus was ready
	keys       sync.Map  // by the name of the ApiKey, as whoever uses it knows them
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := stack.New(tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{Stack: s, tls: newAuthority(t)}
	ctx := t.Context()
	must(t, s.StartControlPlane(ctx))
	_, err = s.Install(ctx)
	must(t, err)
	must(t, s.AllowEverything(ctx))
	w.startPrograms(t)
	w.startPrometheus(t)
	w.apply(t)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) startPrograms(t *testing.T) {
	t.Helper()
	redis, err := stack.NewRedis(t.Context(), tools.Redis, t.TempDir())
	must(t, err)
	t.Cleanup(func() { _ = redis.Stop(10 * time.Second) })
	w.shared, err = w.StartVerifier(t.Context(), stack.Options{Name: "verifier-0", Args: []string{"--rate-limit-store=redis", "--redis-address=" + redis.Address}})
	must(t, err)
	w.local, err = w.StartVerifier(t.Context(), stack.Options{Name: "verifier-1", Args: []string{"--tls-cert-file=" + w.tls.cert, "--tls-key-file=" + w.tls.key}})
	must(t, err)
	w.manager, err = w.StartManager(t.Context(), stack.Options{Name: "manager-0"})
	must(t, err)
}

func (w *world) startPrometheus(t *testing.T) {
	t.Helper()
	rules, err := filepath.Abs(alertsFile)
	must(t, err)
	p, err := w.StartPrometheus(t.Context(), stack.PrometheusOptions{
		Interval: scrapeInterval, Rules: rules,
		Targets: map[string]string{
			w.manager.Name: w.manager.Metrics, w.shared.Name: w.shared.Metrics, w.local.Name: w.local.Metrics,
		},
	})
	must(t, err)
	client, err := api.NewClient(api.Config{Address: p.URL})
	must(t, err)
	w.prometheus, w.began = prometheusv1.NewAPI(client), time.Now()
	w.awaitScrapes(t, 3)
}

// awaitScrapes waits until all targets were scraped: what happens before that is no increase to Prometheus.
func (w *world) awaitScrapes(t *testing.T, targets int) {
	t.Helper()
	must(t, stack.Await(t.Context(), "all targets to be scraped", time.Minute, func(ctx context.Context) error {
		result, _, _, err := w.prometheus.Query(ctx, "up == 1", time.Now())
		if err != nil {
			return err
		}
		if up, ok := result.(model.Vector); !ok || len(up) != targets {
			return fmt.Errorf("up are %v, want %d", result, targets)
		}
		return nil
	}))
}

// The ApiKeys of the namespace phoenix, by name.
func specs(now time.Time) map[string]string {
	in := func(days int) string { return now.AddDate(0, 0, days).UTC().Format(time.RFC3339) }
	return map[string]string{
		"billing-sync":  `{permissions: [read], rotation: {every: 720h}}`,
		"order-export":  `{permissions: [read], expiresAt: "` + in(3) + `"}`,
		"status-page":   `{permissions: [read], expiresAt: "` + in(10) + `"}`,
		"data-import":   `{permissions: [read], expiresAt: "` + in(40) + `"}`,
		"partner-api":   `{permissions: [read], rateLimit: {requests: 2, period: 1s}}`,
		"load-test":     `{permissions: [read], suspended: true}`,
		"old-portal":    `{permissions: [read], revoked: true}`,
		"monitor":       `{permissions: [monitor]}`,
		"invoice-batch": `{permissions: [read]}`,
	}
}

// unruled is a namespace that no policy selects, where nothing is granted.
const unruled = `{apiVersion: v1, kind: Namespace, metadata: {name: unruled, labels: {own-policies: "yes"}}}`

// apply makes ApiKeys, one of them denied, before the webhook is asked, which would not let that one in.
func (w *world) apply(t *testing.T) {
	t.Helper()
	objects := []string{`{apiVersion: v1, kind: Namespace, metadata: {name: phoenix}}`, unruled, apiKey("unruled", "stray", `{permissions: [read]}`)}
	for name, spec := range specs(time.Now()) {
		objects = append(objects, apiKey("phoenix", name, spec))
	}
	w.kubectl(t, strings.Join(objects, "\n---\n"), "apply", "-f", "-")
	must(t, w.ConnectWebhook(t.Context(), w.manager))
	for name := range specs(time.Now()) {
		w.kubectl(t, "", "wait", "--for=condition=Ready", "apikey/"+name, "--namespace=phoenix", "--timeout=60s")
		if name != "old-portal" { // a revoked one gets no key
			w.keys.Store(name, w.key(t, name))
		}
	}
	w.kubectl(t, "", "wait", "--for=jsonpath={.status.state}=Denied", "apikey/stray", "--namespace=unruled", "--timeout=60s")
}

func apiKey(namespace, name, spec string) string {
	return fmt.Sprintf("{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: %s, namespace: %s}, spec: %s}", name, namespace, spec)
}

func (w *world) kubectl(t *testing.T, input string, args ...string) string {
	t.Helper()
	printed, err := w.KubectlWithInput(t.Context(), input, args...)
	must(t, err)
	return strings.TrimSpace(printed)
}

// key is the key in the Secret of an ApiKey's name; empty where there is none.
func (w *world) key(t *testing.T, name string) string {
	t.Helper()
	encoded := w.kubectl(t, "", "get", "secret", name, "--namespace=phoenix", "--ignore-not-found", "-o", "jsonpath={.data."+v1alpha1.DefaultSecretKey+"}")
	key, err := base64.StdEncoding.DecodeString(encoded)
	must(t, err)
	return string(key)
}

// change has ApiKeys changed in ways that the manager's metrics tell of: a rotation, a refusal by the webhook.
func (w *world) change(t *testing.T) {
	t.Helper()
	w.kubectl(t, "", "patch", "apikey", "billing-sync", "--namespace=phoenix", "--type=merge", "-p", `{"spec":{"revision":2}}`)
	if _, err := w.KubectlWithInput(t.Context(), apiKey("unruled", "another", "{}"), "apply", "-f", "-"); err == nil {
		t.Error("the webhook let an ApiKey in that no policy allows")
	}
	w.awaitRotation(t, "billing-sync")
}

// awaitRotation waits until the Secret of an ApiKey holds another key, which is used from then on.
func (w *world) awaitRotation(t *testing.T, name string) {
	t.Helper()
	must(t, stack.Await(t.Context(), "the key to be rotated", time.Minute, func(context.Context) error {
		now := w.key(t, name)
		if was, _ := w.keys.Load(name); now == "" || now == was {
			return errors.New("it is still the one before, or none")
		}
		w.keys.Store(name, now)
		return nil
	}))
}
