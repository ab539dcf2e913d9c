package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/policy"
	"github.com/apikey-operator/apikey-operator/internal/admission"
	policyengine "github.com/apikey-operator/apikey-operator/internal/policy"
)

var judgementDay = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

// ledger is what a reader knows: policies, and one namespace with its labels.
type ledger struct {
	policies []unstructured.Unstructured
	labels   map[string]string
}

func (l ledger) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	namespace, ok := into.(*metav1.PartialObjectMetadata)
	if !ok {
		return fmt.Errorf("a %T is read", into)
	}
	namespace.Labels = l.labels
	return nil
}

func (l ledger) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	list, ok := into.(*unstructured.UnstructuredList)
	if !ok || list.GetKind() != "ApiKeyPolicyList" {
		return fmt.Errorf("%T are listed", into)
	}
	list.Items = l.policies
	return nil
}

// noDuplicates are none, which is not a matter of policy.
type noDuplicates struct{}

func (noDuplicates) Duplicate(context.Context, *v1alpha1.ApiKey) (string, error) { return "", nil }

// validator answers by a book over caches and the same book over the API server.
func validator(cached, live *policy.Book) http.Handler {
	return admission.Handlers(admission.Options{
		Cached:    admission.Look{Judge: cached, Duplicates: noDuplicates{}},
		Live:      admission.Look{Judge: live, Duplicates: noDuplicates{}},
		LiveLooks: rate.NewLimiter(rate.Inf, 0),
		Rotation:  cached.CheckRotation,
		Policies:  cached,
		Clock:     clocktesting.NewFakePassiveClock(judgementDay),
		Metrics:   admission.NewMetrics(prometheus.NewRegistry()),
	})[admission.ValidateApiKeyPath]
}

// create asks whether an ApiKey may be created.
func create(t *rapid.T, at http.Handler, key *unstructured.Unstructured) *admissionv1.AdmissionResponse {
	raw, err := key.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var review admissionv1.AdmissionReview
	review.SetGroupVersionKind(admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	review.Request = &admissionv1.AdmissionRequest{
		UID: "request", Operation: admissionv1.Create, Namespace: key.GetNamespace(), Name: key.GetName(), Object: runtime.RawExtension{Raw: raw},
	}
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, admission.ValidateApiKeyPath, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	at.ServeHTTP(w, r)
	review = admissionv1.AdmissionReview{}
	if err := json.Unmarshal(w.Body.Bytes(), &review); err != nil {
		t.Fatalf("the answer is %d: %s", w.Code, w.Body)
	}
	return review.Response
}

// judgement is what the controller makes of an ApiKey that is stored.
func judgement(t *rapid.T, book *policy.Book, stored *unstructured.Unstructured) policyengine.Verdict {
	key, err := apiobject.Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := book.Judge(context.Background(), key, judgementDay)
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

func TestWhatAdmissionAcceptsTheControllerAcceptsAndTheReverse(t *testing.T) {
	var accepted, refused int
	rapid.Check(t, func(t *rapid.T) {
		book := policy.NewBook(drawLedger(t), drawDefault(t))
		key := drawKey(t)
		answer, verdict := create(t, validator(book, book), key), judgement(t, book, key)
		if answer.Allowed != verdict.Admitted {
			t.Fatalf("admission says %t, %s; the controller says %+v", answer.Allowed, answer.Result.Message, verdict)
		}
		if answer.Allowed {
			accepted++
			return
		}
		refused++
		if want := string(verdict.Refusal.Code()) + ": " + verdict.Refusal.String(); answer.Result.Message != want {
			t.Fatalf("admission says %q, and the condition %q", answer.Result.Message, want)
		}
	})
	if accepted == 0 || refused == 0 {
		t.Errorf("%d were accepted and %d refused, so half of it was not tried", accepted, refused)
	}
}

// TestARefusalIsTrueHoweverStaleTheCachesAre has caches that know other policies than there are.
func TestARefusalIsTrueHoweverStaleTheCachesAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		byDefault, live := drawDefault(t), drawLedger(t)
		stale := policy.NewBook(drawLedger(t), byDefault)
		truth := policy.NewBook(live, byDefault)
		key := drawKey(t)
		answer := create(t, validator(stale, truth), key)
		if admits := judgement(t, truth, key).Admitted; admits && !answer.Allowed {
			t.Fatalf("what policy admits is refused: %s", answer.Result.Message)
		}
		if known := judgement(t, stale, key).Admitted; !known && answer.Allowed != judgement(t, truth, key).Admitted {
			t.Fatal("what the caches refuse is not decided by what there is")
		}
	})
}

func drawDefault(t *rapid.T) policyengine.Default {
	return rapid.SampledFrom([]policyengine.Default{policyengine.DenyByDefault, policyengine.AllowByDefault}).Draw(t, "default")
}

func drawLedger(t *rapid.T) ledger {
	l := ledger{labels: map[string]string{"team": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "team"), "tenant": "acme"}}
	for i := range rapid.IntRange(0, 3).Draw(t, "policies") {
		p := apiobject.NewPolicy()
		p.SetName(fmt.Sprintf("policy-%d", i))
		p.Object["spec"] = drawPolicy(t)
		l.policies = append(l.policies, *p)
	}
	return l
}

// field is one that may be left out, with the values to choose from.
type field struct {
	name   string
	values []any
}

func draw(t *rapid.T, fields []field) map[string]any {
	spec := map[string]any{}
	for _, f := range fields {
		if i := rapid.IntRange(-1, len(f.values)-1).Draw(t, f.name); i >= 0 {
			spec[f.name] = runtime.DeepCopyJSONValue(f.values[i])
		}
	}
	return spec
}

type (
	fields = map[string]any
	texts  = []any
)

func drawPolicy(t *rapid.T) map[string]any {
	spec := draw(t, []field{
		{"permissions", []any{texts{"*"}, texts{"*"}, texts{"payments:*", "read"}, texts{"read"}}},
		{"scopes", []any{fields{"*": texts{"*"}}, fields{"category": texts{"general"}}}},
		{"maxLifetime", []any{"240h"}},
		{"requireRotation", []any{fields{}, fields{"maxEvery": "720h", "maxGracePeriod": "24h"}}},
		{"maxRateLimit", []any{fields{"requests": int64(10), "period": "1s"}}},
		{"allowImport", []any{true, true, false}},
		{"format", []any{fields{"prefix": "sk_", "minBytes": int64(40)}}},
		{"enforcement", []any{"Deny", "Warn"}},
	})
	switch rapid.IntRange(0, 3).Draw(t, "tenants") {
	case 0:
		spec["tenants"] = texts{"*"}
	case 1:
		spec["tenants"] = texts{"acme"}
	case 2:
		spec["tenantFromNamespaceLabel"] = "tenant"
	}
	spec["namespaceSelector"] = rapid.SampledFrom([]any{
		fields{}, fields{}, fields{"matchLabels": fields{"team": "a"}}, fields{"matchExpressions": texts{fields{"key": "team", "operator": "NotIn", "values": texts{"a"}}}},
	}).Draw(t, "selector")
	return spec
}

func drawKey(t *rapid.T) *unstructured.Unstructured {
	key := apiobject.New()
	key.SetNamespace("phoenix")
	key.SetName("k")
	spec := draw(t, []field{
		{"permissions", []any{texts{"*"}, texts{"payments:*"}, texts{"payments:refund", "read"}, texts{"read"}}},
		{"tenant", []any{"acme", "umbrella"}},
		{"scopes", []any{fields{"category": texts{"general"}}, fields{"category": texts{"secret"}, "other": texts{"x"}}}},
		{"expiresAt", []any{"2027-01-15T00:00:00Z", "2027-01-20T12:00:00.5Z", "2027-01-20T12:00:01Z", "2029-01-01T00:00:00+02:00"}},
		{"rateLimit", []any{fields{"requests": int64(10), "period": "1s"}, fields{"requests": int64(11), "period": "1s"}, fields{"requests": int64(1), "period": "1s", "burst": int64(11)}}},
		{"allowedCIDRs", []any{texts{"0.0.0.0/0"}}},
	})
	if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
		spec["source"] = fields{"secretRef": fields{"name": "vault"}}
	} else {
		for name, value := range draw(t, []field{
			{"rotation", []any{fields{"every": "720h"}, fields{"schedule": "@weekly", "gracePeriod": "25h"}, fields{"schedule": "0 3 1 1 *", "timeZone": "Europe/Berlin"}, fields{"gracePeriod": "1h"}}},
			{"format", []any{fields{"prefix": "sk_"}, fields{"prefix": "ak_", "bytes": int64(32)}, fields{"bytes": int64(64)}}},
		}) {
			spec[name] = value
		}
	}
	key.Object["spec"] = spec
	return key
}
