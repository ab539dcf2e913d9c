package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/cluster/traffic"
)

// enough is how many requests must have gone through after a disturbance for a test to say that they do.
const enough = 40

// report is what became of the requests that the client sends without a pause.
func report(ctx context.Context) (traffic.Report, error) {
	var r traffic.Report
	return r, askClient(ctx, "report", nil, &r)
}

// withoutALostRequest does something to the cluster and fails the test if any of the client's requests was not answered by the
// application meanwhile, or until enough of them were after that.
func withoutALostRequest(t *testing.T, disturb func()) {
	t.Helper()
	before := awaitTraffic(t, traffic.Report{})
	disturb()
	during, err := report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := awaitTraffic(t, during)
	if lost := after.Failed - before.Failed; lost > 0 {
		t.Errorf("%d requests were lost, and %d answered; the last:\n%s", lost, after.Allowed-before.Allowed, strings.Join(after.Failures, "\n"))
	}
	if during.Allowed == before.Allowed {
		t.Error("no request was answered meanwhile, so that none could be lost")
	}
}

// awaitTraffic waits until enough requests went through since a report.
func awaitTraffic(t *testing.T, since traffic.Report) traffic.Report {
	t.Helper()
	var now traffic.Report
	await(t, fmt.Sprintf("%d more requests to go through", enough), time.Minute, func(ctx context.Context) (err error) {
		now, err = report(ctx)
		if err == nil && now.Allowed < since.Allowed+enough {
			err = fmt.Errorf("%d have, and %d did not", now.Allowed-since.Allowed, now.Failed-since.Failed)
		}
		return err
	})
	return now
}
