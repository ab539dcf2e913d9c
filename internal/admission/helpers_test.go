package admission_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/admission"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

var now = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

// judge is a look at policy that gives one verdict, and counts how often it was asked.
type judge struct {
	verdict  policy.Verdict
	err      error
	panics   bool
	asked    int
	about    *v1alpha1.ApiKey
	deadline time.Time
}

func (j *judge) Judge(ctx context.Context, key *v1alpha1.ApiKey, at time.Time) (policy.Verdict, error) {
	j.asked++
	j.about = key
	j.deadline, _ = ctx.Deadline()
	if j.panics {
		panic("a mistake")
	}
	if !at.Equal(now) {
		return policy.Verdict{}, errors.New("the clock is another one")
	}
	return j.verdict, j.err
}

// duplicates says one thing of every key, and counts how often it was asked.
type duplicates struct {
	message string
	err     error
	asked   int
}

func (d *duplicates) Duplicate(context.Context, *v1alpha1.ApiKey) (string, error) {
	d.asked++
	return d.message, d.err
}

// effects is what a change of a policy brings about.
type effects struct {
	lost                      int
	err                       error
	unreadable, contradiction string
	before, after             *v1alpha1.ApiKeyPolicy
	asked                     int
}

func (e *effects) Losses(_ context.Context, before, after *v1alpha1.ApiKeyPolicy, _ time.Time) (int, error) {
	e.asked++
	e.before, e.after = before, after
	return e.lost, e.err
}

func (e *effects) Unreadable(*v1alpha1.ApiKeyPolicy) string    { return e.unreadable }
func (e *effects) Contradiction(*v1alpha1.ApiKeyPolicy) string { return e.contradiction }

// desk is a set of handlers and what they go by. Its zero value admits everything.
type desk struct {
	cached, live     judge
	known, confirmed duplicates
	rotation         error
	effects          effects
	liveLooks        rate.Limit
	restoring        []string

	registry *prometheus.Registry
	handlers map[string]http.Handler
}

// open makes the handlers.
func (d *desk) open() *desk {
	if d.liveLooks == 0 {
		d.liveLooks = rate.Inf
	}
	d.registry = prometheus.NewRegistry()
	d.handlers = admission.Handlers(admission.Options{
		Cached:            admission.Look{Judge: &d.cached, Duplicates: &d.known},
		Live:              admission.Look{Judge: &d.live, Duplicates: &d.confirmed},
		LiveLooks:         rate.NewLimiter(max(d.liveLooks, 0), 0),
		Rotation:          func(*v1alpha1.Rotation, time.Time) error { return d.rotation },
		Policies:          &d.effects,
		RestoreIdentities: d.restoring,
		Clock:             clocktesting.NewFakePassiveClock(now),
		Metrics:           admission.NewMetrics(d.registry),
	})
	return d
}

// everybody agrees: caches and API server say the same.
func agreed(verdict policy.Verdict) *desk {
	return (&desk{cached: judge{verdict: verdict}, live: judge{verdict: verdict}}).open()
}

func admitted() policy.Verdict { return policy.Verdict{Admitted: true, Policy: "payments"} }

func refusal(codes ...policy.Code) policy.Verdict {
	f := policy.Finding{Policy: "payments"}
	for _, code := range codes {
		f.Reasons = append(f.Reasons, policy.Reason{Code: code, Field: "spec.permissions", Text: `"x" is not allowed, only read`})
	}
	return policy.Verdict{Refusal: f}
}

const refusedText = `PermissionNotAllowed: policy payments does not allow this: spec.permissions: "x" is not allowed, only read`

// wise is a spec that there is no advice about.
const wise = `{"permissions":["read"],"expiresAt":"2027-06-01T00:00:00Z","rotation":{"every":"720h"}}`

// apiKey is an ApiKey of a spec as JSON.
func apiKey(spec string) string {
	return `{"apiVersion":"apikey-operator.dev/v1alpha1","kind":"ApiKey","metadata":{"name":"k","namespace":"phoenix","uid":"u"},"spec":` + spec + `}`
}

func create(object string) *admissionv1.AdmissionRequest {
	return request(admissionv1.Create, "", object)
}

func update(before, after string) *admissionv1.AdmissionRequest {
	return request(admissionv1.Update, before, after)
}

func request(operation admissionv1.Operation, before, after string) *admissionv1.AdmissionRequest {
	r := &admissionv1.AdmissionRequest{
		UID: "request", Operation: operation, Namespace: "phoenix", Name: "k",
		UserInfo: authenticationv1.UserInfo{Username: "jane"},
	}
	if before != "" {
		r.OldObject.Raw = []byte(before)
	}
	if after != "" {
		r.Object.Raw = []byte(after)
	}
	return r
}

// post sends a body to a handler as the API server does.
func (d *desk) post(t *testing.T, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path+"?timeout=8s", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	d.handlers[path].ServeHTTP(w, r)
	return w
}

func review(t *testing.T, request *admissionv1.AdmissionRequest) string {
	t.Helper()
	body := map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// ask gives the answer to a request that must be answered.
func (d *desk) ask(t *testing.T, path string, request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	w := d.post(t, path, review(t, request))
	if w.Code != http.StatusOK {
		t.Fatalf("the call failed with %d: %s", w.Code, w.Body)
	}
	var answer admissionv1.AdmissionReview
	if err := json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Response.UID != request.UID {
		t.Errorf("the answer is to the request %q", answer.Response.UID)
	}
	return answer.Response
}

// fail sends a request for which there must be no answer, and gives what is said instead.
func (d *desk) fail(t *testing.T, path string, request *admissionv1.AdmissionRequest) string {
	t.Helper()
	w := d.post(t, path, review(t, request))
	if w.Code != http.StatusInternalServerError {
		t.Fatalf("the answer is %d: %s, want a failed call", w.Code, w.Body)
	}
	return w.Body.String()
}

// answers are the counts of a path by outcome, without those of nothing.
func (d *desk) answers(t *testing.T, path string) map[string]int {
	t.Helper()
	families, err := d.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, pair := range metric.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if n := int(metric.GetCounter().GetValue()); labels["path"] == path && n > 0 {
				counts[labels["outcome"]] = n
			}
		}
	}
	return counts
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
