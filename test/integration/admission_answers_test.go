package integration

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apikey"
	"github.com/apikey-operator/apikey-operator/controllers/policy"
	"github.com/apikey-operator/apikey-operator/internal/admission"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	policyengine "github.com/apikey-operator/apikey-operator/internal/policy"
)

// office is a namespace whose ApiKeys, and whose policies, the API server asks a webhook about. A manager runs there
// with its caches, and serves the webhook as the one in a cluster does.
type office struct {
	t         *testing.T
	namespace string
	editor    identity // may do anything with ApiKeys there
	warnings  *warnings
}

// warnings are what the API server warned of since they were last taken.
type warnings struct {
	mutex sync.Mutex
	heard []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.heard = append(w.heard, text)
}

func (w *warnings) take() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	heard := w.heard
	w.heard = nil
	return heard
}

func newOffice(t *testing.T, adjust ...func(*admission.Options)) *office {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "office-", Labels: map[string]string{"own-policies": ""}}}
	as := admin(t).client(t)
	if err := as.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	namespace.Labels[webhookLabel] = namespace.Name
	if err := as.Update(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, namespace: namespace.Name, warnings: &warnings{}}
	o.editor = o.newEditor()
	t.Cleanup(func() { removeApiKeys(t, o.namespace) })
	options := o.runManager()
	for _, a := range adjust {
		a(&options)
	}
	serveWebhook(t, admission.Handlers(options)).register(t, o.namespace, "Fail")
	o.awaitWebhook()
	return o
}

// newEditor is somebody who hears warnings.
func (o *office) newEditor() identity {
	o.t.Helper()
	user, err := controlPlane.AddUser(envtest.User{Name: "editor-of-" + o.namespace}, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	i := o.hearing(user.Config())
	grantEverything(o.t, i, o.namespace, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "editor-of-" + o.namespace})
	return i
}

func (o *office) hearing(config *rest.Config) identity {
	o.t.Helper()
	config = rest.CopyConfig(config)
	config.WarningHandler = o.warnings
	i, err := newIdentity(config)
	if err != nil {
		o.t.Fatal(err)
	}
	return i
}

// second is the name of a namespace that the manager would see, and which is not there yet.
func (o *office) second() string { return o.namespace + "-second" }

// runManager runs a manager until the test ends, and gives what answers are to be made from.
func (o *office) runManager() admission.Options {
	o.t.Helper()
	return runManagerIn(o.t, o.namespace, o.second())
}

// runManagerIn runs a manager that sees some namespaces until the test ends, and gives what its webhook answers from.
func runManagerIn(t *testing.T, namespaces ...string) admission.Options {
	t.Helper()
	options := ctrl.Options{
		Scheme: admin(t).client(t).Scheme(), Cache: apikey.CacheOptions(), Client: apikey.ClientOptions(),
		Metrics: metricsserver.Options{BindAddress: "0"},
	}
	options.Cache.DefaultNamespaces = map[string]cache.Config{}
	for _, namespace := range namespaces {
		options.Cache.DefaultNamespaces[namespace] = cache.Config{}
	}
	options.Controller.SkipNameValidation = new(true)
	m, err := ctrl.NewManager(manager(t).config, options)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	book := policy.NewBook(m.GetClient(), policyengine.DenyByDefault)
	must(t, apikey.New(apikey.Options{
		Cached: m.GetClient(), Live: m.GetAPIReader(), Writer: m.GetClient(), Clock: clock.RealClock{}, Random: rand.Reader,
		Events: m.GetEventRecorder("apikey-operator"), Metrics: apikey.NewMetrics(prometheus.NewRegistry()), Judge: book,
		Settings:    lifecycle.Settings{PublishDelay: 10 * time.Millisecond, Fence: time.Second, ExpiringWindow: labExpiringWindow},
		WriteWindow: labWriteWindow, ClockOffset: func() time.Duration { return 0 },
	}).SetupWithManager(ctx, m, book))
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended with %v", err)
		}
	})
	return admission.Options{
		Cached:    admission.Look{Judge: book, Duplicates: apikey.Duplicates{Cached: m.GetClient()}},
		Live:      admission.Look{Judge: book.Over(m.GetAPIReader()), Duplicates: apikey.Duplicates{Cached: m.GetClient(), Live: m.GetAPIReader()}},
		LiveLooks: rate.NewLimiter(20, 40),
		Rotation:  book.CheckRotation,
		Policies:  book,
		Clock:     clock.RealClock{},
		Metrics:   admission.NewMetrics(prometheus.NewRegistry()),
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// awaitWebhook returns once the API server asks: it learns of webhooks from a watch of its own.
func (o *office) awaitWebhook() {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), settleTimeout)
	defer cancel()
	must(o.t, poll(ctx, func() (bool, error) {
		_, err := admin(o.t).do(ctx, dryRun(create(o.namespace, apiKey("probe", `{}`))))
		return err != nil && strings.Contains(err.Error(), "NoPolicy"), nil
	}))
}

func policyRequest(method, name, body string) request {
	path := "/apis/apikey-operator.dev/v1alpha1/apikeypolicies"
	if method != http.MethodPost {
		path += "/" + name
	}
	return request{method: method, path: path, contentType: "application/json", body: body}
}

// policyJSON is a policy of an office that admits some permissions.
func (o *office) policyJSON(permissions string) string {
	return fmt.Sprintf(`{"apiVersion":"apikey-operator.dev/v1alpha1","kind":"ApiKeyPolicy","metadata":{"name":%[1]q,"labels":{%[2]q:%[1]q}},
		"spec":{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":%[1]q}},"permissions":%[3]s,"allowImport":true}}`,
		o.namespace, webhookLabel, permissions)
}

// wiseSpec is one that there is no advice about.
const wiseSpec = `{"permissions":["read"],"expiresAt":"2098-06-01T00:00:00Z","rotation":{"every":"720h"}}`

func TestTheWebhookAnswersEveryWayInWhichAnApiKeyIsWritten(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	admin := o.hearing(controlPlane.Config)
	admin.send(t, policyRequest(http.MethodPost, "", o.policyJSON(`["read","orders:*"]`)))
	t.Cleanup(func() { _, _ = admin.do(context.Background(), policyRequest(http.MethodDelete, o.namespace, "")) })
	refused := fmt.Sprintf(`denied the request: PermissionNotAllowed: policy %s does not allow this: spec.permissions: "write" is not allowed, only`, o.namespace)
	wide := strings.Replace(wiseSpec, `"read"`, `"write"`, 1)

	// On creation.
	o.editor.sendRefused(t, create(o.namespace, apiKey("new", wide)), refused)
	o.editor.sendRefused(t, dryRun(create(o.namespace, apiKey("new", wide))), refused)
	o.editor.sendRefused(t, apply(o.namespace, "new", "me", apiKey("new", wide)), refused)
	_, err := o.editor.do(t.Context(), create(o.namespace, apiKey("new", `{"rotation":{"schedule":"0 3 1 * *","timeZone":"Europe/Atlantis"}}`)))
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), `InvalidSchedule: spec.rotation.timeZone "Europe/Atlantis" is not known`) {
		t.Errorf("the time zone is answered by %v", err)
	}
	o.expectWarnings() // none comes with a refusal
	o.editor.send(t, dryRun(create(o.namespace, apiKey("k", wiseSpec))))
	if _, err := o.editor.do(t.Context(), get(o.namespace, "k")); !apierrors.IsNotFound(err) {
		t.Errorf("a dry run stored the ApiKey, or %v", err)
	}
	stored := o.editor.send(t, create(o.namespace, apiKey("k", wiseSpec)))
	o.expectWarnings()
	o.expectSent(stored, wiseSpec)
	o.expectStamps(stored, "editor-of-"+o.namespace, "editor-of-"+o.namespace)

	// On a change, when the manager writes no more.
	o.awaitState("k", v1alpha1.StateActive)
	o.editor.sendRefused(t, patch(o.namespace, "k", mergePatch, `{"spec":{"permissions":["write"]}}`), refused)
	o.editor.sendRefused(t, patch(o.namespace, "k", jsonPatch, `[{"op":"add","path":"/spec/permissions/-","value":"write"}]`), refused)
	o.editor.sendRefused(t, update(o.namespace, "k", withSpec(t, o.editor.send(t, get(o.namespace, "k")), wide)), refused)
	o.editor.sendRefused(t, apply(o.namespace, "k", "me", apiKey("k", wide)), refused)
	stored = admin.send(t, patch(o.namespace, "k", mergePatch, `{"spec":{"permissions":["orders:read"],"expiresAt":null}}`))
	o.expectWarnings("spec.expiresAt is absent, so the key never expires: give the time until which it is needed")
	o.expectStamps(stored, "editor-of-"+o.namespace, "admin")
	o.expectSent(stored, `{"permissions":["orders:read"],"rotation":{"every":"720h"}}`)

	// By its hash.
	hash := fmt.Sprintf(`{"expiresAt":"2098-06-01T00:00:00Z","source":{"hash":{"sha256":%q}}}`, strings.Repeat("ab", 32))
	o.editor.send(t, create(o.namespace, apiKey("imported", hash)))
	o.awaitRefusal(create(o.namespace, apiKey("stolen", hash)), "DuplicateKey: another ApiKey has the same key")
	if _, err := o.editor.do(t.Context(), create(o.namespace, apiKey("imported", hash))); !apierrors.IsAlreadyExists(err) {
		t.Errorf("the same again is answered by %v", err)
	}

	// On a change of a policy.
	o.awaitState("k", v1alpha1.StateActive)
	o.warnings.take()
	narrow := policyRequest(http.MethodPatch, o.namespace, `{"spec":{"permissions":["read"]}}`)
	narrow.contentType = string(mergePatch)
	lost := "1 ApiKey loses its grant by this, and those keys stop working: undo it to restore them; --dry-run=server tells beforehand"
	admin.send(t, dryRun(narrow))
	o.expectWarnings(lost)
	admin.send(t, narrow)
	o.expectWarnings(lost)
	o.awaitState("k", v1alpha1.StateDenied)
	o.editor.send(t, patch(o.namespace, "k", mergePatch, `{"metadata":{"labels":{"a":"b"}}}`))
	o.expectWarnings()
	o.editor.send(t, patch(o.namespace, "k", mergePatch, `{"spec":{"suspended":true}}`))
	o.expectWarnings(fmt.Sprintf(`stored, but nothing is granted: PermissionNotAllowed: policy %s does not allow this: spec.permissions: "orders:read" is not allowed, only read`, o.namespace))
}

// expectWarnings compares with what was heard since the last time.
func (o *office) expectWarnings(want ...string) {
	o.t.Helper()
	if diff := cmp.Diff(want, o.warnings.take()); diff != "" {
		o.t.Errorf("the warnings differ (-want +got):\n%s", diff)
	}
}

// expectSent compares the stored spec with the one that was sent, value by value as they are written.
func (o *office) expectSent(stored *unstructured.Unstructured, spec string) {
	o.t.Helper()
	var sent any
	must(o.t, json.Unmarshal([]byte(spec), &sent))
	if got, want := asJSON(stored.Object["spec"]), asJSON(sent); got != want {
		o.t.Errorf("the spec is stored as %s, want %s", got, want)
	}
}

func (o *office) expectStamps(stored *unstructured.Unstructured, creator, changer string) {
	o.t.Helper()
	annotations := stored.GetAnnotations()
	if got := annotations[v1alpha1.CreatedByAnnotation]; got != creator {
		o.t.Errorf("it was created by %q, want %q", got, creator)
	}
	if got := annotations[v1alpha1.ChangedByAnnotation]; got != changer {
		o.t.Errorf("it was changed by %q, want %q", got, changer)
	}
}

// awaitRefusal waits until the manager's caches know what a refusal rests on.
func (o *office) awaitRefusal(r request, words string) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), settleTimeout)
	defer cancel()
	must(o.t, poll(ctx, func() (bool, error) {
		_, err := o.editor.do(ctx, dryRun(r))
		return err != nil && strings.Contains(err.Error(), words), nil
	}))
}

func (o *office) awaitState(name string, state v1alpha1.ApiKeyState) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), settleTimeout)
	defer cancel()
	must(o.t, poll(ctx, func() (bool, error) {
		body, err := o.editor.do(ctx, get(o.namespace, name))
		if err != nil {
			return false, err
		}
		got, _, err := unstructured.NestedString(decodeObject(o.t, body).Object, "status", "state")
		return got == string(state), err
	}))
}

// unaware is a look at policy by caches that have heard of none.
type unaware struct{}

func (unaware) Judge(context.Context, *v1alpha1.ApiKey, time.Time) (policyengine.Verdict, error) {
	return policyengine.Verdict{Refusal: policyengine.Finding{Reasons: []policyengine.Reason{{Code: policyengine.NoPolicy}}}}, nil
}

func TestANamespaceItsPolicyAndItsApiKeyAreAppliedInOneGo(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(options *admission.Options) { options.Cached.Judge = unaware{} })
	t.Cleanup(func() {
		if _, err := runKubectl(context.Background(), "", "delete", "apikeypolicy", o.second()); err != nil {
			t.Error(err)
		}
		removeApiKeys(t, o.second())
	})
	out := kubectl(t, fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s, labels: {own-policies: "", %[2]s: %[3]s}}
---
apiVersion: apikey-operator.dev/v1alpha1
kind: ApiKeyPolicy
metadata: {name: %[1]s, labels: {%[2]s: %[3]s}}
spec:
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[1]s}}
  permissions: [read]
---
apiVersion: apikey-operator.dev/v1alpha1
kind: ApiKey
metadata: {name: k, namespace: %[1]s}
spec: {permissions: [read]}
`, o.second(), webhookLabel, o.namespace), "apply", "-f", "-")
	if !strings.Contains(out, "apikey.apikey-operator.dev/k created") {
		t.Errorf("kubectl printed %s", out)
	}
	complaint := kubectlRefused(t, fmt.Sprintf(`
apiVersion: apikey-operator.dev/v1alpha1
kind: ApiKey
metadata: {name: other, namespace: %s}
spec: {permissions: [write], rotation: {schedule: "* * * * *"}}
`, o.second()), "apply", "-f", "-")
	for _, words := range []string{"Forbidden", `PermissionNotAllowed: policy ` + o.second(), "InvalidSchedule: spec.rotation.schedule comes"} {
		if !strings.Contains(complaint, words) {
			t.Errorf("kubectl complained %s, want %q in it", complaint, words)
		}
	}
}

// brokenJudge is a look at policy that fails.
type brokenJudge struct{}

func (brokenJudge) Judge(context.Context, *v1alpha1.ApiKey, time.Time) (policyengine.Verdict, error) {
	return policyengine.Verdict{}, errors.New("the caches are broken")
}

// TestTheFailurePolicyDecidesWhereTheManagerCannot has a webhook that cannot look at anything.
func TestTheFailurePolicyDecidesWhereTheManagerCannot(t *testing.T) {
	t.Parallel()
	broken, registry := admission.Look{Judge: brokenJudge{}}, prometheus.NewRegistry()
	server := serveWebhook(t, admission.Handlers(admission.Options{
		Cached: broken, Live: broken, LiveLooks: rate.NewLimiter(rate.Inf, 0), Clock: clock.RealClock{},
		Metrics: admission.NewMetrics(registry),
	}))
	open, closed := freshNamespace(t), freshNamespace(t)
	for _, namespace := range []string{open, closed} {
		admin(t).send(t, request{
			method: http.MethodPatch, path: "/api/v1/namespaces/" + namespace, contentType: string(mergePatch),
			body: fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, webhookLabel, namespace),
		})
	}
	server.register(t, open, "Ignore")
	server.register(t, closed, "Fail")
	ctx, cancel := context.WithTimeout(t.Context(), settleTimeout)
	defer cancel()
	must(t, poll(ctx, func() (bool, error) {
		_, err := admin(t).do(ctx, dryRun(create(closed, apiKey("k", `{}`))))
		return apierrors.IsInternalError(err) && strings.Contains(err.Error(), "the manager could not look at this at present"), nil
	}))
	before := failedAnswers(t, registry)
	admin(t).send(t, create(open, apiKey("k", `{}`)))
	if failed := failedAnswers(t, registry) - before; failed != 1 {
		t.Errorf("the webhook failed to answer %g times, want once", failed)
	}
}

// failedAnswers are how often there was no answer about an ApiKey.
func failedAnswers(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["path"] == admission.ValidateApiKeyPath && labels["outcome"] == "failed" {
				return metric.GetCounter().GetValue()
			}
		}
	}
	t.Fatal("nothing is counted")
	return 0
}
