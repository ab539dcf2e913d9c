package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/test/stack"
	"github.com/apikey-operator/apikey-operator/test/stack/audit"
)

const (
	namespace = "default"
	// patience bounds every wait. A new leader takes up to 20 s. Where the one before it ended between recording
	// a credential and publishing it, the next is published only when no write of the lost one can land any
	// more, which is 100 s after it was given up.
	patience = 4 * time.Minute
)

// graces are the grace periods of the ApiKeys, by their names.
var graces = map[string]time.Duration{
	"brief":  10 * time.Second,
	"hasty":  10 * time.Second,
	"middle": 30 * time.Second,
	"long":   24 * time.Hour,
}

// world is a stack with everything that goes on in it.
type world struct {
	*stack.Stack

	kube      client.WithWatch
	witness   *audit.Witness
	nginx     *stack.Nginx
	service   *stack.Relay // in front of the verifiers
	managers  []*manager
	verifiers []*verifier
	keys      []*apiKey

	counts   counts
	mu       sync.Mutex
	problems []error
}

// counts are told at the end.
type counts struct {
	kills, stops, lostLeases, raises, deletions         atomic.Int64
	requests, errors, refused, accepted, ended, unknown atomic.Int64
}

// apiKey is an ApiKey with what was seen of it.
type apiKey struct {
	name string
	*ledger

	raised, deleted atomic.Int64

	mu     sync.Mutex
	values []value
	known  map[string]bool
}

// value is a key that stood in the Secret.
type value struct{ plaintext, hash string }

// problem takes down what fails the test. Only the first of many are of interest.
func (w *world) problem(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && len(w.problems) < 20 {
		w.problems = append(w.problems, err)
	}
}

// random is a source of its own for each actor, so that one does not change what another draws.
func random(actor uint64) *rand.Rand { return rand.New(rand.NewPCG(settings.seed, actor)) }

// between draws a duration.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

// pause waits for a drawn time and says whether there is still time after it.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// startWorld starts everything, and issues the keys.
func startWorld(t *testing.T) *world {
	t.Helper()
	s, err := stack.New(tools)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Stack: s}
	t.Cleanup(func() {
		if w.witness != nil {
			w.witness.Stop()
		}
		// A process that ended by itself is reported here.
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name := range graces {
		w.keys = append(w.keys, &apiKey{name: name, ledger: newLedger(), known: map[string]bool{}})
	}
	return w
}

func (w *world) start(ctx context.Context) error {
	if err := w.StartControlPlane(ctx); err != nil {
		return err
	}
	if _, err := w.Install(ctx); err != nil {
		return err
	}
	if err := w.AllowEverything(ctx); err != nil {
		return err
	}
	upstream, err := w.StartUpstream()
	if err != nil {
		return err
	}
	if err := w.connect(ctx); err != nil {
		return err
	}
	for i := range 2 {
		w.managers = append(w.managers, &manager{name: fmt.Sprintf("manager-%d", i+1)})
		w.verifiers = append(w.verifiers, &verifier{name: fmt.Sprintf("verifier-%d", i+1)})
		if err := errors.Join(w.managers[i].start(ctx, w), w.verifiers[i].start(ctx, w)); err != nil {
			return err
		}
	}
	if w.service, err = stack.StartRelay(nil); err != nil {
		return err
	}
	w.serve()
	w.nginx, err = w.StartNginx(ctx, stack.NginxOptions{
		Verifiers: []string{w.service.Address}, Upstream: upstream.Address, Routes: []stack.Route{{Path: "/"}},
	})
	return err
}

// connect makes the clients and starts the witness.
func (w *world) connect(ctx context.Context) error {
	config, err := w.AdminConfig()
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	if w.kube, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	untyped, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	w.witness, err = audit.Watch(ctx, untyped, w.LogDir())
	return err
}

// issue makes the ApiKeys and has their ledgers follow them until ctx ends.
func (w *world) issue(ctx context.Context) error {
	watch, err := w.kube.Watch(ctx, &v1alpha1.ApiKeyList{}, client.InNamespace(namespace))
	if err != nil {
		return fmt.Errorf("watch the ApiKeys: %w", err)
	}
	go func() {
		for event := range watch.ResultChan() {
			key, ok := event.Object.(*v1alpha1.ApiKey)
			if !ok {
				w.problem(fmt.Errorf("the watch of the ApiKeys broke: %v", event.Object))
				return
			}
			for _, k := range w.keys {
				if k.name == key.Name {
					k.see(key, time.Now())
				}
			}
		}
	}()
	for _, k := range w.keys {
		key := &v1alpha1.ApiKey{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: k.name}}
		key.Spec.Rotation = &v1alpha1.Rotation{GracePeriod: &metav1.Duration{Duration: graces[k.name]}}
		if err := w.kube.Create(ctx, key); err != nil {
			return fmt.Errorf("make an ApiKey: %w", err)
		}
	}
	for _, k := range w.keys {
		if err := w.awaitSettled(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) get(ctx context.Context, k *apiKey) (*v1alpha1.ApiKey, error) {
	key := &v1alpha1.ApiKey{}
	err := w.kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: k.name}, key)
	return key, err
}

func (w *world) secret(ctx context.Context, k *apiKey) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := w.kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: k.name}, secret)
	return secret, err
}

// httpClient opens a connection for each request, as a stranger would.
var httpClient = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// send sends a request with a key through nginx and returns the status of the answer; 0 where none came.
func (w *world) send(ctx context.Context, plaintext string) int {
	w.counts.requests.Add(1)
	status, body, err := get(ctx, w.nginx.URL("/"), plaintext)
	if err != nil || status != http.StatusOK && status != http.StatusUnauthorized && status != http.StatusForbidden {
		w.counts.errors.Add(1)
	}
	if status != http.StatusOK {
		w.witness.Told(body)
	}
	return status
}

func get(ctx context.Context, url, plaintext string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("X-API-Key", plaintext)
	response, err := httpClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}
