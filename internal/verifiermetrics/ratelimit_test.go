package verifiermetrics_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

func TestASharedStoreTellsWhoCountedAndLogsAnOutageOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	var log bytes.Buffer
	store := verifiermetrics.NewRateLimitStore(registry, slog.New(slog.NewTextHandler(&log, nil)))
	store.Answered(ratelimit.FromShared)
	for range 3 {
		store.Failed(errors.New("connection refused"))
		store.Answered(ratelimit.FromLocal)
	}
	store.Answered(ratelimit.FromShared)
	store.Answered(ratelimit.FromShared)
	const want = `
# HELP apikey_operator_verifier_rate_limit_answers_total Requests that were counted, by who counted them: the shared store, or a failure policy in its stead.
# TYPE apikey_operator_verifier_rate_limit_answers_total counter
apikey_operator_verifier_rate_limit_answers_total{by="allow"} 0
apikey_operator_verifier_rate_limit_answers_total{by="deny"} 0
apikey_operator_verifier_rate_limit_answers_total{by="local"} 3
apikey_operator_verifier_rate_limit_answers_total{by="shared"} 3
# HELP apikey_operator_verifier_rate_limit_store_failures_total Failed attempts to count in the shared store: one a second while it is out; the log says why.
# TYPE apikey_operator_verifier_rate_limit_store_failures_total counter
apikey_operator_verifier_rate_limit_store_failures_total 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), "connection refused") {
		t.Errorf("the log says %q, want one line when it goes and one when it is back", log.String())
	}
}

func TestTheNumberOfCountedApiKeysIsAskedAtEachScrape(t *testing.T) {
	registry := prometheus.NewRegistry()
	subjects := 1
	verifiermetrics.RegisterRateLimitSubjects(registry, func() int { return subjects })
	subjects = 7
	const want = `
# HELP apikey_operator_verifier_rate_limit_subjects ApiKeys whose requests are counted in memory; without a shared store.
# TYPE apikey_operator_verifier_rate_limit_subjects gauge
apikey_operator_verifier_rate_limit_subjects 7
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
