package verifiermetrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

func TestWhatIsCountedIsExposedUnderItsName(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	stats := index.Stats{}
	m := verifiermetrics.New(registry, func() index.Stats { return stats }, time.Now)
	decided := m.Decisions("nginx")
	decided(authn.Allowed, 1500*time.Nanosecond)
	decided(authn.Allowed, 3*time.Microsecond)
	decided(authn.UnknownKey, time.Second)
	m.InvalidRequirement()
	m.Panicked()
	m.Panicked()
	m.EventSeen(1.5)
	m.Undecodable(4)
	m.Propagated(-time.Second)
	m.Propagated(2500 * time.Millisecond)
	m.Propagated(time.Hour)
	stats = index.Stats{Credentials: 3, APIKeys: 2, Bytes: 700} // asked for at the scrape, not before

	const want = `
# HELP apikey_operator_verifier_decision_duration_seconds Time from a request that has arrived to an answer that is ready to be sent.
# TYPE apikey_operator_verifier_decision_duration_seconds histogram
apikey_operator_verifier_decision_duration_seconds_bucket{le="1e-06"} 0
apikey_operator_verifier_decision_duration_seconds_bucket{le="2e-06"} 1
apikey_operator_verifier_decision_duration_seconds_bucket{le="5e-06"} 2
apikey_operator_verifier_decision_duration_seconds_bucket{le="1e-05"} 2
apikey_operator_verifier_decision_duration_seconds_bucket{le="2e-05"} 2
apikey_operator_verifier_decision_duration_seconds_bucket{le="5e-05"} 2
apikey_operator_verifier_decision_duration_seconds_bucket{le="0.0001"} 2
apikey_operator_verifier_decision_duration_seconds_bucket{le="0.0005"} 2
apikey_operator_verifier_decision_duration_seconds_bucket{le="0.001"} 2
apikey_operator_verifier_decision_duration_seconds_bucket{le="0.005"} 2
apikey_operator_verifier_decision_duration_seconds_bucket{le="0.01"} 2
apikey_operator_verifier_decision_duration_seconds_bucket{le="0.1"} 2
apikey_operator_verifier_decision_duration_seconds_bucket{le="+Inf"} 3
apikey_operator_verifier_decision_duration_seconds_sum 1.0000045
apikey_operator_verifier_decision_duration_seconds_count 3
# HELP apikey_operator_verifier_decisions_total Decisions made, by the dialect of the proxy and the reason; allowed is the reason of those that passed.
# TYPE apikey_operator_verifier_decisions_total counter
apikey_operator_verifier_decisions_total{dialect="nginx",reason="address_not_allowed"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="allowed"} 2
apikey_operator_verifier_decisions_total{dialect="nginx",reason="expired"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="invalid_requirement"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="malformed_credential"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="missing_credential"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="namespace_mismatch"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="not_granted"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="not_ready"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="permission_denied"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="rate_limited"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="revoked"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="scope_mismatch"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="suspended"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="tenant_mismatch"} 0
apikey_operator_verifier_decisions_total{dialect="nginx",reason="unknown_key"} 1
# HELP apikey_operator_verifier_expiring_key_requests_total Allowed requests of ApiKeys that end within 14 days, those with a key in its grace period apart. Beyond 100 ApiKeys at a time, or 20 of a namespace, the labels are empty.
# TYPE apikey_operator_verifier_expiring_key_requests_total counter
apikey_operator_verifier_expiring_key_requests_total{name="",namespace=""} 0
# HELP apikey_operator_verifier_index_apikeys ApiKeys in the index that have a credential.
# TYPE apikey_operator_verifier_index_apikeys gauge
apikey_operator_verifier_index_apikeys 2
# HELP apikey_operator_verifier_index_bytes Memory that look-ups in the index read.
# TYPE apikey_operator_verifier_index_bytes gauge
apikey_operator_verifier_index_bytes 700
# HELP apikey_operator_verifier_index_credentials Credentials in the index.
# TYPE apikey_operator_verifier_index_credentials gauge
apikey_operator_verifier_index_credentials 3
# HELP apikey_operator_verifier_invalid_requirements_total Requests refused because what their route demands is written wrongly; the log tells each once.
# TYPE apikey_operator_verifier_invalid_requirements_total counter
apikey_operator_verifier_invalid_requirements_total 1
# HELP apikey_operator_verifier_last_event_timestamp_seconds When the API server was last heard from, bookmarks included, so that it moves in a quiet cluster too.
# TYPE apikey_operator_verifier_last_event_timestamp_seconds gauge
apikey_operator_verifier_last_event_timestamp_seconds 1.5
# HELP apikey_operator_verifier_panics_total Requests refused because answering them failed; each is a bug.
# TYPE apikey_operator_verifier_panics_total counter
apikey_operator_verifier_panics_total 2
# HELP apikey_operator_verifier_propagation_seconds Time from the record of a new credential, which holds whole seconds, until this verifier accepts it. The key is published --publish-delay (2 s) after the record.
# TYPE apikey_operator_verifier_propagation_seconds histogram
apikey_operator_verifier_propagation_seconds_bucket{le="1"} 1
apikey_operator_verifier_propagation_seconds_bucket{le="2"} 1
apikey_operator_verifier_propagation_seconds_bucket{le="3"} 2
apikey_operator_verifier_propagation_seconds_bucket{le="5"} 2
apikey_operator_verifier_propagation_seconds_bucket{le="10"} 2
apikey_operator_verifier_propagation_seconds_bucket{le="30"} 2
apikey_operator_verifier_propagation_seconds_bucket{le="60"} 2
apikey_operator_verifier_propagation_seconds_bucket{le="300"} 2
apikey_operator_verifier_propagation_seconds_bucket{le="1800"} 2
apikey_operator_verifier_propagation_seconds_bucket{le="+Inf"} 3
apikey_operator_verifier_propagation_seconds_sum 3602.5
apikey_operator_verifier_propagation_seconds_count 3
# HELP apikey_operator_verifier_undecodable_apikeys ApiKeys that are refused because they cannot be read; the log names each once.
# TYPE apikey_operator_verifier_undecodable_apikeys gauge
apikey_operator_verifier_undecodable_apikeys 4
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

func TestCountingADecisionDoesNotAllocate(t *testing.T) {
	decided := verifiermetrics.New(prometheus.NewRegistry(), func() index.Stats { return index.Stats{} }, time.Now).Decisions("nginx")
	if allocs := testing.AllocsPerRun(100, func() { decided(authn.Allowed, time.Microsecond) }); allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}
