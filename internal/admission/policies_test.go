package admission_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/admission"
)

func keyPolicy(spec string) string {
	return `{"apiVersion":"apikey-operator.dev/v1alpha1","kind":"ApiKeyPolicy","metadata":{"name":"payments"},"spec":` + spec + `}`
}

const (
	wide   = `{"namespaceSelector":{"matchLabels":{"team":"payments"}},"permissions":["*"]}`
	narrow = `{"namespaceSelector":{"matchLabels":{"team":"payments"}},"permissions":["read"]}`
	undo   = " by this, and those keys stop working: undo it to restore them; --dry-run=server tells beforehand"
)

func TestWhoeverChangesAPolicyIsToldWhatItBringsAbout(t *testing.T) {
	late := context.DeadlineExceeded
	change := update(keyPolicy(wide), keyPolicy(narrow))
	cases := map[string]struct {
		effects effects
		request *admissionv1.AdmissionRequest
		want    []string
	}{
		"nothing":                  {effects{}, change, nil},
		"one grant":                {effects{lost: 1}, change, []string{"1 ApiKey loses its grant" + undo}},
		"several grants":           {effects{lost: 42}, change, []string{"42 ApiKeys lose their grants" + undo}},
		"by a new policy":          {effects{lost: 2}, create(keyPolicy(narrow)), []string{"2 ApiKeys lose their grants" + undo}},
		"by the end of one":        {effects{lost: 2}, request(admissionv1.Delete, keyPolicy(wide), ""), []string{"2 ApiKeys lose their grants" + undo}},
		"more than can be counted": {effects{lost: 7, err: late}, change, []string{"at least 7 ApiKeys lose their grants" + undo}},
		"what cannot be counted":   {effects{err: late}, change, []string{"how many ApiKeys lose their grants by this could not be counted in time"}},
		"a contradiction":          {effects{contradiction: "it says so"}, change, []string{"SelfContradictory: the policy can never admit anything: it says so"}},
		"every namespace": {effects{}, create(keyPolicy(`{"namespaceSelector":{}}`)),
			[]string{"spec.namespaceSelector is empty and selects every namespace: give matchLabels or matchExpressions if that is not meant"}},
		"reports alone": {effects{}, create(keyPolicy(`{"namespaceSelector":{"matchLabels":{"team":"payments"}},"enforcement":"Warn"}`)),
			[]string{"WarnOnly: what the policy would refuse is reported; it neither admits nor refuses anything until spec.enforcement is Deny"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			answer := (&desk{effects: c.effects}).open().ask(t, admission.ValidateApiKeyPolicyPath, c.request)
			equal(t, "the answer", answer.Allowed, true)
			if diff := cmp.Diff(c.want, answer.Warnings); diff != "" {
				t.Errorf("the warnings differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGrantsAreCountedFromThePolicyThatWasToTheOneThatWillBe(t *testing.T) {
	cases := map[string]struct {
		request               *admissionv1.AdmissionRequest
		wantBefore, wantAfter string
		wantAsked             int
	}{
		"a new policy":           {create(keyPolicy(narrow)), "", "read", 1},
		"a changed one":          {update(keyPolicy(wide), keyPolicy(narrow)), "*", "read", 1},
		"one that ends":          {request(admissionv1.Delete, keyPolicy(wide), ""), "*", "", 1},
		"a label":                {update(keyPolicy(wide), strings.Replace(keyPolicy(wide), `"name"`, `"labels":{"a":"b"},"name"`, 1)), "", "", 0},
		"what could not be read": {update(keyPolicy(`{"maxLifetime":"soon"}`), keyPolicy(narrow)), "", "read", 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := (&desk{}).open()
			d.ask(t, admission.ValidateApiKeyPolicyPath, c.request)
			equal(t, "the number of counts", d.effects.asked, c.wantAsked)
			before, after := "", ""
			if p := d.effects.before; p != nil {
				before = string(p.Spec.Permissions[0])
			}
			if p := d.effects.after; p != nil {
				after = string(p.Spec.Permissions[0])
			}
			equal(t, "the policy before", before, c.wantBefore)
			equal(t, "the policy after", after, c.wantAfter)
		})
	}
}

func TestAPolicyIsRefusedOnlyWhereItCannotBeRead(t *testing.T) {
	cases := map[string]struct {
		effects effects
		request *admissionv1.AdmissionRequest
		want    string
	}{
		"a duration that is none": {effects{}, create(keyPolicy(`{"maxLifetime":"soon"}`)),
			`PolicyUnreadable: such a policy would admit nothing, in any namespace: correct it: time: invalid duration "soon"`},
		"a selector that is none": {effects{unreadable: "spec.namespaceSelector: no"}, update(keyPolicy(wide), keyPolicy(narrow)),
			"PolicyUnreadable: such a policy would admit nothing, in any namespace: correct it: spec.namespaceSelector: no"},
		"unchanged":   {effects{unreadable: "no"}, update(keyPolicy(wide), strings.Replace(keyPolicy(wide), `"name"`, `"labels":{"a":"b"},"name"`, 1)), ""},
		"at its end":  {effects{unreadable: "no"}, request(admissionv1.Delete, keyPolicy(wide), ""), ""},
		"in trouble":  {effects{err: errors.New("no")}, create(keyPolicy(wide)), ""},
		"at its fill": {effects{contradiction: "no", lost: 1_000_000}, create(keyPolicy(wide)), ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			answer := (&desk{effects: c.effects}).open().ask(t, admission.ValidateApiKeyPolicyPath, c.request)
			equal(t, "the answer", answer.Allowed, c.want == "")
			equal(t, "the message", answer.Result.Message, c.want)
			if !answer.Allowed {
				equal(t, "the code", answer.Result.Code, 422)
			}
		})
	}
}

// slow counts until its context ends.
type slow struct {
	effects
	counting chan struct{}
}

// Losses implements admission.Policies.
func (s *slow) Losses(ctx context.Context, _, _ *v1alpha1.ApiKeyPolicy, _ time.Time) (int, error) {
	s.counting <- struct{}{}
	<-ctx.Done()
	return 3, ctx.Err()
}

// TestOneCountOfLossesIsMadeAtATime has somebody ask who cannot be answered meanwhile.
func TestOneCountOfLossesIsMadeAtATime(t *testing.T) {
	s := &slow{counting: make(chan struct{}, 2)}
	handler := admission.Handlers(admission.Options{Policies: s, Clock: clock.RealClock{}, Metrics: admission.NewMetrics(prometheus.NewRegistry())})[admission.ValidateApiKeyPolicyPath]
	ask := func(patience time.Duration) []string {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		recorder := httptest.NewRecorder()
		body := strings.NewReader(review(t, update(keyPolicy(wide), keyPolicy(narrow))))
		request := httptest.NewRequestWithContext(ctx, http.MethodPost, admission.ValidateApiKeyPolicyPath, body)
		request.Header.Set("Content-Type", "application/json")
		handler.ServeHTTP(recorder, request)
		var answer admissionv1.AdmissionReview
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
			t.Errorf("%s: %v", recorder.Body, err)
			return nil
		}
		return answer.Response.Warnings
	}
	first := make(chan []string)
	go func() { first <- ask(5 * time.Second) }()
	<-s.counting
	if diff := cmp.Diff([]string{"how many ApiKeys lose their grants by this could not be counted in time"}, ask(10*time.Millisecond)); diff != "" {
		t.Errorf("the second is told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"at least 3 ApiKeys lose their grants" + undo}, <-first); diff != "" {
		t.Errorf("the first is told (-want +got):\n%s", diff)
	}
	if n := len(s.counting); n != 0 {
		t.Errorf("%d more counts were begun", n)
	}
}
