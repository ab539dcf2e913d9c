package verifiermetrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

func TestStalenessAndClockOffsetAreAskedAtEachScrape(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	var staleness, offset time.Duration
	verifiermetrics.RegisterFeed(registry, func() time.Duration { return staleness }, func() time.Duration { return offset })
	staleness, offset = 1500*time.Millisecond, -2*time.Second
	const want = `
# HELP apikey_operator_verifier_clock_offset_seconds By how much the API server's clock was ahead of the verifier's, by which keys expire, when it last answered; 0 before.
# TYPE apikey_operator_verifier_clock_offset_seconds gauge
apikey_operator_verifier_clock_offset_seconds -2
# HELP apikey_operator_verifier_staleness_seconds How long ago the API server was last heard from, bookmarks included; above 120 it is lost, or the way to it.
# TYPE apikey_operator_verifier_staleness_seconds gauge
apikey_operator_verifier_staleness_seconds 1.5
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestWhetherItIsReadyIsAskedAtEachScrape(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	ready := false
	verifiermetrics.RegisterReady(registry, func() bool { return ready })
	for _, ready = range []bool{false, true} {
		value := map[bool]string{false: "0", true: "1"}[ready]
		want := `
# HELP apikey_operator_verifier_ready 1 where /readyz says so: all ApiKeys were seen, and the verifier is neither stale nor draining; else 0.
# TYPE apikey_operator_verifier_ready gauge
apikey_operator_verifier_ready ` + value + "\n"
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
}
