package apikey

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
)

// cacheOf is a reader of a fixed list.
type cacheOf struct {
	client.Reader
	items []unstructured.Unstructured
}

// List implements client.Reader.
func (c cacheOf) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	into.(*unstructured.UnstructuredList).Items = c.items
	return nil
}

func inState(t *testing.T, state string) unstructured.Unstructured {
	t.Helper()
	return object(t, "k", fmt.Sprintf(`status: {state: %q}`, state))
}

// object is an ApiKey with the given further fields, YAML.
func object(t *testing.T, name, fields string) unstructured.Unstructured {
	t.Helper()
	return objectIn(t, "phoenix", name, fields)
}

func objectIn(t *testing.T, namespace, name, fields string) unstructured.Unstructured {
	t.Helper()
	o := apiobject.New()
	if err := yaml.Unmarshal([]byte(fields), &o.Object); err != nil {
		t.Fatal(err)
	}
	o.SetNamespace(namespace)
	o.SetName(name)
	return *o
}

// collectorAt is a collector over the given ApiKeys at noon of 2027-01-10.
func collectorAt(items ...unstructured.Unstructured) *Collector {
	noon := time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)
	return NewCollector(cacheOf{items: items}, clocktesting.NewFakePassiveClock(noon))
}

func TestApiKeysAreCountedByStateWhenAsked(t *testing.T) {
	collector := collectorAt(inState(t, "Active"), inState(t, "Active"), inState(t, "Revoked"), inState(t, ""), inState(t, "Nonsense"))
	const want = `
# HELP apikey_operator_apikeys ApiKeys by state; Unknown are those that the manager has not looked at.
# TYPE apikey_operator_apikeys gauge
apikey_operator_apikeys{state="Active"} 2
apikey_operator_apikeys{state="Denied"} 0
apikey_operator_apikeys{state="Expired"} 0
apikey_operator_apikeys{state="Expiring"} 0
apikey_operator_apikeys{state="Pending"} 0
apikey_operator_apikeys{state="Revoked"} 1
apikey_operator_apikeys{state="Suspended"} 0
apikey_operator_apikeys{state="Unknown"} 2
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want), "apikey_operator_apikeys"); err != nil {
		t.Error(err)
	}
}

func TestApiKeysThatEndAreToldOfByNameUntilTheyHaveEnded(t *testing.T) {
	collector := collectorAt(
		object(t, "never", `spec: {}`),
		object(t, "asked", `{spec: {expiresAt: "2027-01-10T14:00:00+01:00"}, status: {state: Active}}`),
		object(t, "granted-less", `{spec: {expiresAt: "2027-02-01T00:00:00Z"}, status: {state: Expiring, grant: {expiresAt: "2027-01-11T00:00:00Z"}}}`),
		object(t, "granted-more", `{spec: {expiresAt: "2027-01-12T00:00:00Z"}, status: {state: Suspended, grant: {expiresAt: "2027-02-01T00:00:00Z"}}}`),
		object(t, "just-over", `{spec: {expiresAt: "2027-01-10T12:00:00Z"}, status: {state: Active}}`),
		object(t, "over", `{spec: {expiresAt: "2027-02-01T00:00:00Z"}, status: {state: Expired}}`),
		object(t, "revoked", `{spec: {expiresAt: "2027-02-01T00:00:00Z"}, status: {state: Revoked}}`),
		object(t, "denied", `{spec: {expiresAt: "2027-01-10T13:00:00Z"}, status: {state: Denied}}`),
		object(t, "going", `{metadata: {deletionTimestamp: "2027-01-10T11:00:00Z"}, spec: {expiresAt: "2027-02-01T00:00:00Z"}}`),
		object(t, "nonsense", `{spec: {expiresAt: tomorrow}}`),
	)
	const want = `
# HELP apikey_operator_apikey_expiry_timestamp_seconds When ApiKeys end, of the 100 that end next, 20 of a namespace at most. Those that were revoked, are denied or have ended are left out.
# TYPE apikey_operator_apikey_expiry_timestamp_seconds gauge
apikey_operator_apikey_expiry_timestamp_seconds{name="asked",namespace="phoenix"} 1.799586e+09
apikey_operator_apikey_expiry_timestamp_seconds{name="granted-less",namespace="phoenix"} 1.7996256e+09
apikey_operator_apikey_expiry_timestamp_seconds{name="granted-more",namespace="phoenix"} 1.799712e+09
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want), "apikey_operator_apikey_expiry_timestamp_seconds"); err != nil {
		t.Error(err)
	}
}

func TestNoMoreThanTheHundredApiKeysThatEndNextAreToldOf(t *testing.T) {
	var items []unstructured.Unstructured
	for i := range 130 {
		day := 130 - i // the last ones end first
		at := time.Date(2027, 1, 10+day, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
		items = append(items, objectIn(t, fmt.Sprint("team-", i%10), fmt.Sprintf("key-%03d", day), fmt.Sprintf(`spec: {expiresAt: %q}`, at)))
	}
	families, err := testutil.CollectAndFormat(collectorAt(items...), expfmt.TypeTextPlain, "apikey_operator_apikey_expiry_timestamp_seconds")
	if err != nil {
		t.Fatal(err)
	}
	text := string(families)
	if n := strings.Count(text, "{name="); n != 100 {
		t.Errorf("%d are told of, want 100", n)
	}
	if !strings.Contains(text, `"key-001"`) || !strings.Contains(text, `"key-100"`) || strings.Contains(text, `"key-101"`) {
		t.Errorf("told of are\n%s\nwant the first 100", text)
	}
}

func TestANamespaceKeepsNoOthersFromBeingToldOfByManyApiKeysThatEndSooner(t *testing.T) {
	ending := func(namespace, name string, at time.Time) unstructured.Unstructured {
		return objectIn(t, namespace, name, fmt.Sprintf(`{spec: {expiresAt: %q}, status: {state: Active}}`, at.Format(time.RFC3339)))
	}
	noon := time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)
	var items []unstructured.Unstructured
	for i := range 120 {
		items = append(items, ending("greedy", fmt.Sprintf("key-%03d", i), noon.Add(time.Duration(i+1)*time.Minute)))
	}
	items = append(items,
		ending("phoenix", "monitor", noon.Add(24*time.Hour)),
		ending("greedy", "last-that-ends-soon", noon.Add(14*24*time.Hour)),
		ending("greedy", "later", noon.Add(14*24*time.Hour+time.Second)))
	const expiry, omitted = "apikey_operator_apikey_expiry_timestamp_seconds", "apikey_operator_apikey_expiries_omitted"
	families, err := testutil.CollectAndFormat(collectorAt(items...), expfmt.TypeTextPlain, expiry, omitted)
	if err != nil {
		t.Fatal(err)
	}
	text := string(families)
	if n := strings.Count(text, `namespace="greedy"`); n != 20 {
		t.Errorf("%d of the namespace with many are told of, want 20", n)
	}
	for _, want := range []string{`{name="key-019",namespace="greedy"}`, `{name="monitor",namespace="phoenix"}`, "\n" + omitted + " 101\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("told is\n%s\nwithout %s", text, want)
		}
	}
}

func TestDeniedApiKeysAreCountedByReason(t *testing.T) {
	denied := func(reason string) unstructured.Unstructured {
		return object(t, "k", fmt.Sprintf(`status: {state: Denied, conditions: [{type: Ready, reason: Misleading}, {type: Accepted, reason: %s}]}`, reason))
	}
	collector := collectorAt(
		denied("NoPolicy"), denied("NoPolicy"), denied("DuplicateKey"), denied("OfALaterVersion"), inState(t, "Denied"),
		object(t, "not-denied", `status: {state: Active, conditions: [{type: Accepted, reason: WeakKey}]}`),
	)
	text, err := testutil.CollectAndFormat(collector, expfmt.TypeTextPlain, "apikey_operator_apikeys_denied")
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]bool{
		`{reason="NoPolicy"} 2`: true, `{reason="DuplicateKey"} 1`: true, `{reason="Other"} 2`: true, `{reason="WeakKey"} 0`: true, "OfALaterVersion": false,
	} {
		if got := strings.Contains(string(text), line); got != want {
			t.Errorf("%s is in it: %t, want %t\n%s", line, got, want, text)
		}
	}
}

func TestRotationsThatAreDueAndNotDoneAreCounted(t *testing.T) {
	const overdue = `nextRotationTime: "2027-01-10T11:58:00Z"`
	tests := map[string]struct {
		status    string
		wantCount int
	}{
		"no rotation":                      {`{state: Active}`, 0},
		"due later":                        {`{state: Active, nextRotationTime: "2027-01-10T12:01:00Z"}`, 0},
		"due now":                          {`{state: Active, nextRotationTime: "2027-01-10T12:00:00Z"}`, 0},
		"overdue":                          {`{state: Active, ` + overdue + `}`, 1},
		"overdue, of one that is expiring": {`{state: Expiring, ` + overdue + `}`, 1},
		"overdue, of one that is stopped for now":                     {`{state: Suspended, ` + overdue + `}`, 1},
		"overdue for so long that policy denies":                      {`{state: Denied, conditions: [{type: Accepted, reason: RotationOverdue}], ` + overdue + `}`, 1},
		"denied for another reason, so that nothing is rotated":       {`{state: Denied, conditions: [{type: Accepted, reason: NoPolicy}], ` + overdue + `}`, 0},
		"revoked, where a time should not stand but may be left over": {`{state: Revoked, ` + overdue + `}`, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := fmt.Sprintf(`
# HELP apikey_operator_rotation_overdue_seconds How long ago the rotation was due that has waited for longest; 0 where none is.
# TYPE apikey_operator_rotation_overdue_seconds gauge
apikey_operator_rotation_overdue_seconds %d
# HELP apikey_operator_rotations_overdue ApiKeys whose rotation is due and not done. It takes some seconds, and waits its turn where many are due.
# TYPE apikey_operator_rotations_overdue gauge
apikey_operator_rotations_overdue %d
`, 120*test.wantCount, test.wantCount)
			collector := collectorAt(object(t, "k", "status: "+test.status), object(t, "another", `status: {state: Active}`))
			err := testutil.CollectAndCompare(collector, strings.NewReader(want), "apikey_operator_rotations_overdue", "apikey_operator_rotation_overdue_seconds")
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheGaugesOverApiKeysKeepThePrometheusConventions(t *testing.T) {
	problems, err := testutil.CollectAndLint(collectorAt(object(t, "k", `spec: {expiresAt: "2027-02-01T00:00:00Z"}`)))
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}
