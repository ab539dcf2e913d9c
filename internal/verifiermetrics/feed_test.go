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
# HELP apikey_operator_verifier_clock_offset_seconds By how much the API server's clock was ahead of the verifier's when it last answered; 0 before.
# TYPE apikey_operator_verifier_clock_offset_seconds gauge
apikey_operator_verifier_clock_offset_seconds -2
# HELP apikey_operator_verifier_staleness_seconds How long ago the API server was last heard from, bookmarks included.
# TYPE apikey_operator_verifier_staleness_seconds gauge
apikey_operator_verifier_staleness_seconds 1.5
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
