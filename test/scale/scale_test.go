package scale

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/test/stack"
	"github.com/apikey-operator/apikey-operator/test/stack/recorder"
)

const (
	// clients is how many requests of ours are under way at once.
	clients = 16
	// underWay is how many requests of the manager may have been let go by its limiter and not have arrived yet: one
	// of each of its eight workers, and some of events and watches.
	underWay = 20
)

// lab is a control plane with many ApiKeys and a manager behind a proxy.
type lab struct {
	*stack.Stack

	kube    client.Client
	proxy   *recorder.Recorder
	manager *stack.Manager
}

// TestManyKeysAreQuiet runs the parts one after the other on one control plane, since to issue the keys takes most
// of the time.
func TestManyKeysAreQuiet(t *testing.T) {
	l := startLab(t)
	if !t.Run("issuing", l.issue) {
		return
	}
	t.Run("a restart with nothing to do reads no Secret and writes nothing", l.restart)
	t.Run("a rotation costs three writes, and one at the end of the grace period", l.rotate)
	t.Run("a policy change costs one write for each ApiKey whose grant it changes", l.changePolicies)
}

func startLab(t *testing.T) *lab {
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
	if err := s.StartControlPlane(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.AllowEverything(t.Context()); err != nil {
		t.Fatal(err)
	}
	config, err := s.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	l := &lab{Stack: s, proxy: startProxy(t, s)}
	if l.kube, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	return l
}

func startProxy(t *testing.T, s *stack.Stack) *recorder.Recorder {
	t.Helper()
	proxy, err := recorder.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	return proxy
}

// startManager starts the one manager. There is no other, so there need be no lease to wait for.
func (l *lab) startManager(t *testing.T, o stack.Options) {
	t.Helper()
	o.Args = append(o.Args, "--leader-elect=false")
	var err error
	if l.manager, err = l.StartManager(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func (l *lab) stopManager(t *testing.T) {
	t.Helper()
	if err := l.manager.Stop(30 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// await waits for what so many keys take at the rates in question, and longer.
func await(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	allowed := time.Minute + settings.grace + time.Duration(settings.restartKeys)*200*time.Millisecond
	if err := stack.Await(t.Context(), what, allowed, check); err != nil {
		t.Fatal(err)
	}
}

// awaitMetric waits until a series of the manager has come to a number.
func (l *lab) awaitMetric(t *testing.T, series string, want float64) {
	t.Helper()
	await(t, fmt.Sprintf("%s to be %g", series, want), func(ctx context.Context) error {
		metrics, err := stack.Scrape(ctx, l.manager.Metrics)
		if err == nil && metrics[series] != want {
			err = fmt.Errorf("it is %g", metrics[series])
		}
		return err
	})
}

// forEach does something for the first n keys, several at once.
func forEach(t *testing.T, n int, do func(ctx context.Context, key *v1alpha1.ApiKey) error) {
	t.Helper()
	names := make(chan int)
	problems := make(chan error, clients)
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			var failed error
			for i := range names {
				key := &v1alpha1.ApiKey{ObjectMeta: metav1.ObjectMeta{Namespace: namespaceOf(i), Name: fmt.Sprintf("key-%05d", i)}}
				failed = errors.Join(failed, do(t.Context(), key))
			}
			problems <- failed
		})
	}
	for i := range n {
		names <- i
	}
	close(names)
	group.Wait()
	for range clients {
		if err := <-problems; err != nil {
			t.Fatal(err)
		}
	}
}

// issue makes all keys, with a manager that is let work as fast as it can.
func (l *lab) issue(t *testing.T) {
	l.makeShares(t)
	l.startManager(t, stack.Options{Name: "manager-issuing", Args: []string{"--kube-api-qps=5000", "--kube-api-burst=5000"}})
	began := time.Now()
	forEach(t, settings.restartKeys, func(ctx context.Context, key *v1alpha1.ApiKey) error {
		key.Spec.Permissions = []v1alpha1.Permission{"read"}
		key.Spec.Rotation = &v1alpha1.Rotation{GracePeriod: &metav1.Duration{Duration: settings.grace}}
		return l.kube.Create(ctx, key)
	})
	l.awaitMetric(t, `apikey_operator_apikeys{state="Active"}`, float64(settings.restartKeys))
	l.awaitCounts(t)
	l.stopManager(t)
	t.Logf("%d ApiKeys were made and issued in %.1f s", settings.restartKeys, time.Since(began).Seconds())
}

// restart starts the manager that is measured, as it is shipped or as the settings say, and waits until it has
// looked at every ApiKey.
func (l *lab) restart(t *testing.T) {
	began := time.Now()
	l.startManager(t, stack.Options{Name: "manager", Server: l.proxy.URL, Args: []string{
		fmt.Sprintf("--kube-api-qps=%d", settings.qps), fmt.Sprintf("--kube-api-burst=%d", settings.burst),
	}})
	await(t, "the manager to look at every ApiKey", func(ctx context.Context) error {
		metrics, err := stack.Scrape(ctx, l.manager.Metrics)
		if err != nil {
			return err
		}
		looked, waiting := 0.0, metrics[`workqueue_depth{controller="apikey",name="apikey",priority="0"}`]
		for series, n := range metrics {
			switch {
			case strings.HasPrefix(series, `controller_runtime_reconcile_total{controller="apikey"`):
				looked += n
			case strings.HasPrefix(series, "workqueue_depth{"), strings.HasPrefix(series, "controller_runtime_active_workers{"):
				waiting += n
			}
		}
		if looked < float64(settings.restartKeys) || waiting > 0 {
			return fmt.Errorf("%g passes are done, %g are waiting or under way", looked, waiting)
		}
		return nil
	})
	requests := l.proxy.Take()
	for _, r := range requests {
		if r.Writes() || r.Verb == "get" && (r.Resource == "secrets" || r.Resource == "apikeys") {
			t.Errorf("it asked to %s %s %s", r.Verb, r.Resource, r.Name)
		}
	}
	l.report(t, fmt.Sprintf("restart with %d ApiKeys, looked at within %.1f s", settings.restartKeys, time.Since(began).Seconds()),
		requests, settings.restartKeys)
}

// rotate asks for another revision of many keys in one go.
func (l *lab) rotate(t *testing.T) {
	began := time.Now()
	forEach(t, settings.keys, func(ctx context.Context, key *v1alpha1.ApiKey) error {
		return l.kube.Patch(ctx, key, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"revision":2}}`)))
	})
	asked := time.Since(began)
	l.awaitMetric(t, `apikey_operator_credentials_published_total{cause="RevisionRaised"}`, float64(settings.keys))
	published := time.Since(began)
	await(t, "the last grace period to end", func(context.Context) error {
		if n := l.proxy.Count(isKeyWrite); n < 4*settings.keys {
			return fmt.Errorf("%d writes were seen", n)
		}
		return nil
	})
	ended := time.Since(began)
	l.checkRotated(t)
	requests := l.proxy.Take()
	checkWrites(t, requests)
	r := l.report(t, fmt.Sprintf("rotation of %d ApiKeys: asked for within %.1f s, published within %.1f s, grace periods over within %.1f s",
		settings.keys, asked.Seconds(), published.Seconds(), ended.Seconds()), requests, settings.keys)
	if r.overdrew > underWay {
		t.Errorf("a bucket of %d requests a second and %d at once was overdrawn by %.0f", settings.qps, settings.burst, r.overdrew)
	}
}

// isKeyWrite leaves out events.
func isKeyWrite(r recorder.Request) bool {
	return r.Writes() && (r.Resource == "secrets" || r.Resource == "apikeys" || r.Resource == "apikeys/status")
}

func (l *lab) checkRotated(t *testing.T) {
	t.Helper()
	list := l.list(t)
	rotated := 0
	for _, key := range list.Items {
		if c := key.Status.Credentials; len(c) == 1 && c[0].State == v1alpha1.CredentialCurrent && c[0].Revision == 2 {
			rotated++
		}
	}
	if len(list.Items) != settings.restartKeys || rotated != settings.keys {
		t.Errorf("%d of %d ApiKeys have revision 2 and nothing else, want %d of %d", rotated, len(list.Items), settings.keys, settings.restartKeys)
	}
}

func (l *lab) list(t *testing.T) *v1alpha1.ApiKeyList {
	t.Helper()
	list := &v1alpha1.ApiKeyList{}
	if err := l.kube.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	return list
}

// checkWrites holds the writes of each key, in their order, to what a rotation should cost.
func checkWrites(t *testing.T, requests []recorder.Request) {
	t.Helper()
	want := []string{"update apikeys/status 200", "update secrets 200", "update apikeys/status 200", "update apikeys/status 200"}
	writes := map[string][]recorder.Request{}
	for _, r := range requests {
		if isKeyWrite(r) {
			writes[r.Name] = append(writes[r.Name], r)
		}
	}
	if len(writes) != settings.keys {
		t.Errorf("%d ApiKeys were written, want %d", len(writes), settings.keys)
	}
	different := map[string]int{}
	for _, list := range writes {
		var got []string
		for _, r := range list {
			got = append(got, fmt.Sprintf("%s %s %d", r.Verb, r.Resource, r.Code))
		}
		if !slices.Equal(got, want) {
			different[strings.Join(got, ", ")]++
			continue
		}
		// The end is on record for as long as clocks may differ.
		if lasted := list[3].At.Sub(list[2].At); lasted < settings.grace+lifecycle.ClockTolerance-time.Second {
			different[fmt.Sprintf("the grace period left the record after %s", lasted.Round(time.Second))]++
		}
	}
	for what, n := range different {
		t.Errorf("%d times: %s; want %s", n, what, strings.Join(want, ", "))
	}
}

// report prints what was asked of the API server.
func (l *lab) report(t *testing.T, title string, requests []recorder.Request, keys int) rate {
	t.Helper()
	counts := map[string]int{}
	for _, r := range requests {
		resource := r.Resource
		if strings.HasPrefix(resource, "/") {
			resource = "discovery"
		}
		counts[fmt.Sprintf("%-7s %-15s %d", r.Verb, resource, r.Code)]++
	}
	var table strings.Builder
	_, _ = fmt.Fprintf(&table, "%s\n  verb    resource        code  requests  per key\n", title)
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		_, _ = fmt.Fprintf(&table, "  %s %9d %8.3f\n", kind, counts[kind], float64(counts[kind])/float64(keys))
	}
	r := rateOf(requests, settings.qps, settings.burst)
	_, _ = fmt.Fprintf(&table, "  %d requests in %.1f s: %.0f a second on average, %d in any second at most; "+
		"configured: %d a second, %d at once; overdrawn by %.0f at most\n",
		r.n, r.seconds, float64(r.n)/max(r.seconds, 1), r.most, settings.qps, settings.burst, r.overdrew)
	t.Log(table.String())
	return r
}
