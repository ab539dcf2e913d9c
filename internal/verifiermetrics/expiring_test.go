package verifiermetrics_test

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

const expiringKeyRequests = "apikey_operator_verifier_expiring_key_requests_total"

// expiringBench is the metrics of a verifier whose clock is in a test's hands.
type expiringBench struct {
	*verifiermetrics.Metrics

	registry *prometheus.Registry
	now      time.Time
}

func newExpiringBench() *expiringBench {
	b := &expiringBench{registry: prometheus.NewPedanticRegistry(), now: time.Unix(1_800_000_000, 0)}
	b.Metrics = verifiermetrics.New(b.registry, func() index.Stats { return index.Stats{} }, func() time.Time { return b.now })
	return b
}

func (b *expiringBench) end() int64 { return b.now.Add(time.Hour).UnixNano() }

func (b *expiringBench) expect(t *testing.T, series string) {
	t.Helper()
	want := `
# HELP ` + expiringKeyRequests + ` Allowed requests of ApiKeys that end within 14 days, those with a key in its grace period apart. Beyond 100 ApiKeys at a time, or 20 of a namespace, the labels are empty.
# TYPE ` + expiringKeyRequests + ` counter
` + series
	if err := testutil.GatherAndCompare(b.registry, strings.NewReader(want), expiringKeyRequests); err != nil {
		t.Error(err)
	}
}

func TestRequestsOfExpiringKeysAreCountedByNameUntilTheyEnd(t *testing.T) {
	b := newExpiringBench()
	b.ExpiringKeyUsed("phoenix", "monitor", b.end())
	b.ExpiringKeyUsed("phoenix", "monitor", b.end())
	b.ExpiringKeyUsed("phoenix", "export", b.end()+1)
	b.expect(t, `apikey_operator_verifier_expiring_key_requests_total{name="",namespace=""} 0
apikey_operator_verifier_expiring_key_requests_total{name="export",namespace="phoenix"} 1
apikey_operator_verifier_expiring_key_requests_total{name="monitor",namespace="phoenix"} 2
`)
	b.now = b.now.Add(time.Hour)
	b.expect(t, `apikey_operator_verifier_expiring_key_requests_total{name="",namespace=""} 0
apikey_operator_verifier_expiring_key_requests_total{name="export",namespace="phoenix"} 1
`)
}

func TestNoMoreThanAHundredApiKeysAreCountedByName(t *testing.T) {
	b := newExpiringBench()
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for i := range 103 {
				b.ExpiringKeyUsed(fmt.Sprint("team-", i%10), fmt.Sprint("key-", i), b.end())
			}
		})
	}
	workers.Wait()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != expiringKeyRequests {
			continue
		}
		total := 0.0
		for _, m := range family.GetMetric() {
			total += m.GetCounter().GetValue()
		}
		if series := len(family.GetMetric()); series != 101 || total != 4*103 {
			t.Errorf("%d series count %v requests, want 101 and %d", series, total, 4*103)
		}
	}
	b.now = b.now.Add(time.Hour) // all end, and those to come find a place
	b.expect(t, `apikey_operator_verifier_expiring_key_requests_total{name="",namespace=""} 12
`)
	b.ExpiringKeyUsed("phoenix", "another", b.end())
	b.expect(t, `apikey_operator_verifier_expiring_key_requests_total{name="",namespace=""} 12
apikey_operator_verifier_expiring_key_requests_total{name="another",namespace="phoenix"} 1
`)
}

func TestANamespaceKeepsNoOthersFromBeingCountedByManyApiKeysThatEnd(t *testing.T) {
	b := newExpiringBench()
	for i := range 120 {
		b.ExpiringKeyUsed("greedy", fmt.Sprint("key-", i), b.end())
	}
	for i := range 10 {
		b.ExpiringKeyUsed("phoenix", fmt.Sprint("key-", i), b.end()+1)
	}
	expectByNamespace := func(want map[string]int) {
		t.Helper()
		if got := b.seriesByNamespace(t); !maps.Equal(got, want) {
			t.Errorf("series by namespace: %v, want %v", got, want)
		}
	}
	expectByNamespace(map[string]int{"": 1, "greedy": 20, "phoenix": 10})
	b.now = b.now.Add(time.Hour) // those of the first end
	expectByNamespace(map[string]int{"": 1, "phoenix": 10})
	for i := range 30 {
		b.ExpiringKeyUsed("greedy", fmt.Sprint("another-", i), b.end())
		b.ExpiringKeyUsed("phoenix", fmt.Sprint("another-", i), b.end())
	}
	expectByNamespace(map[string]int{"": 1, "greedy": 20, "phoenix": 20})
}

// seriesByNamespace is how many series there are of each.
func (b *expiringBench) seriesByNamespace(t *testing.T) map[string]int {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, family := range families {
		if family.GetName() != expiringKeyRequests {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "namespace" {
					series[label.GetValue()]++
				}
			}
		}
	}
	return series
}

func TestCountingARequestOfAnExpiringKeyDoesNotAllocate(t *testing.T) {
	b := newExpiringBench()
	for i := range 20 {
		b.ExpiringKeyUsed("phoenix", fmt.Sprint("key-", i), b.end())
	}
	for _, name := range []string{"key-0", "one-too-many"} {
		if allocs := testing.AllocsPerRun(100, func() { b.ExpiringKeyUsed("phoenix", name, b.end()) }); allocs != 0 {
			t.Errorf("%v allocations for %s, want none", allocs, name)
		}
	}
}
