// Package monitoring shows that what is to be scraped, alerted of and looked at is really there: it runs manager and
// verifiers on a real control plane, has a real Prometheus scrape them and evaluate the rules of the chart, and asks it
// everything that the dashboard asks. The alerts are tried by promtool, one by one.
//
// The programs come from variables that "make test-monitoring" sets. With DASHBOARD_PICTURE= the requests go on for
// some minutes, and the dashboard is drawn into that file.
package monitoring

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// What the tests read.
const (
	alertsFile    = "../../charts/apikey-operator/files/alerts.yaml"
	dashboardFile = "../../charts/apikey-operator/files/dashboard.json"
	referenceFile = "../../docs/reference/metrics.md"
	guideFile     = "../../docs/monitoring.md"
)

// tools are the programs under test and those around them.
var tools stack.Tools

func TestMain(m *testing.M) {
	stack.QuietLibraries()
	flag.Parse()
	var err error
	tools, err = stack.ToolsFromEnv()
	if err := errors.Join(err, tools.AddRedis(), tools.AddPrometheus()); err != nil {
		fmt.Fprintf(os.Stderr, "monitoring: %v: run make test-monitoring, which builds and sets them\n", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
