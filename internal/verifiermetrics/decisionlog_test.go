package verifiermetrics_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

// quota is a decision log that left out some of each reason.
type quota struct{ dropped uint64 }

func (q *quota) Suppressed(r authn.Reason) uint64 { return 10 + uint64(r) }
func (q *quota) Dropped() uint64                  { return q.dropped }

func TestWhatTheDecisionLogLeftOutIsAskedAtEachScrape(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	log := &quota{}
	verifiermetrics.RegisterDecisionLog(registry, log)
	log.dropped = 3

	var rows []string
	for r := range authn.ReasonCount {
		rows = append(rows, fmt.Sprintf("apikey_operator_verifier_decision_log_suppressed_total{reason=%q} %d\n", authn.Reason(r), 10+r))
	}
	slices.Sort(rows)
	want := `
# HELP apikey_operator_verifier_decision_log_dropped_total Lines of the decision log that were lost since its output was too slow or failed.
# TYPE apikey_operator_verifier_decision_log_dropped_total counter
apikey_operator_verifier_decision_log_dropped_total 3
# HELP apikey_operator_verifier_decision_log_suppressed_total Decisions that were not logged since there were more than 10 a second with their reason.
# TYPE apikey_operator_verifier_decision_log_suppressed_total counter
` + strings.Join(rows, "")
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
