package monitoring

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/apikey-operator/apikey-operator/test/monitoring/dashboard"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// patience is how long data may take to come: a window of rates, and what a busy machine makes of it.
const patience = 90 * time.Second

func TestWhatIsAskedOfPrometheusIsThere(t *testing.T) {
	w := newWorld(t)
	w.ask(t)
	w.change(t)
	board, err := dashboard.Read(dashboardFile)
	must(t, err)
	t.Run("every query of the dashboard returns data", func(t *testing.T) { w.expectData(t, board) })
	t.Run("requests end in the ways that the dashboard tells apart", func(t *testing.T) { w.expectReasons(t) })
	t.Run("every rule evaluates", func(t *testing.T) { w.expectHealthyRules(t) })
	t.Run("an ApiKey that ends and is used is found by both, and no other", func(t *testing.T) { w.expectExpiring(t) })
	t.Run("every metric in dashboard and rules is one that is scraped", func(t *testing.T) { w.expectKnownMetrics(t, board) })
	t.Run("the reference names just what is scraped", func(t *testing.T) { w.expectReference(t) })
	if path := os.Getenv("DASHBOARD_PICTURE"); path != "" {
		w.draw(t, board, path)
	}
}

func (w *world) expectData(t *testing.T, board *dashboard.Dashboard) {
	t.Helper()
	asked := 0
	for _, panel := range board.Panels {
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("the panel %q asks nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			asked++
			err := stack.Await(t.Context(), panel.Title, patience, func(ctx context.Context) error {
				result, err := w.look(ctx, target, time.Now())
				if err == nil && !holdsNumber(result) {
					err = errors.New("no data")
				}
				return err
			})
			if err != nil {
				t.Errorf("%v\n%s", err, target.Expr)
			}
		}
	}
	if asked < 30 {
		t.Errorf("the dashboard asks %d questions only", asked)
	}
}

// points are as many as a chart needs.
const points = 100

// look asks what Grafana would: an instant, or all since the beginning.
func (w *world) look(ctx context.Context, target dashboard.Target, now time.Time) (model.Value, error) {
	query := target.Query(rateWindow)
	if target.Instant {
		result, warnings, _, err := w.prometheus.Query(ctx, query, now)
		return result, complaint(query, warnings, err)
	}
	result, warnings, _, err := w.prometheus.QueryRange(ctx, query, prometheusv1.Range{Start: w.began, End: now, Step: max(scrapeInterval, now.Sub(w.began)/points)})
	return result, complaint(query, warnings, err)
}

func complaint(query string, warnings []string, err error) error {
	if err == nil && len(warnings) > 0 {
		err = errors.New(strings.Join(warnings, "; "))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

// holdsNumber says whether a result holds any sample but NaN.
func holdsNumber(result model.Value) bool {
	isNumber := func(v model.SampleValue) bool { return !math.IsNaN(float64(v)) }
	switch r := result.(type) {
	case model.Vector:
		return slices.ContainsFunc(r, func(s *model.Sample) bool { return isNumber(s.Value) })
	case model.Matrix:
		return slices.ContainsFunc(r, func(s *model.SampleStream) bool {
			return slices.ContainsFunc(s.Values, func(p model.SamplePair) bool { return isNumber(p.Value) })
		})
	}
	return false
}

func (w *world) expectReasons(t *testing.T) {
	t.Helper()
	const query = "sum by (reason) (apikey_operator_verifier_decisions_total) > 0"
	for _, reason := range []string{
		"allowed", "missing_credential", "malformed_credential", "unknown_key", "suspended", "permission_denied", "tenant_mismatch", "namespace_mismatch", "rate_limited",
	} {
		must(t, stack.Await(t.Context(), "a request that ends in "+reason, patience, func(ctx context.Context) error {
			result, _, _, err := w.prometheus.Query(ctx, query, time.Now())
			if vector, ok := result.(model.Vector); ok && slices.ContainsFunc(vector, func(s *model.Sample) bool { return string(s.Metric["reason"]) == reason }) {
				return nil
			}
			return errors.Join(err, fmt.Errorf("there are %v", result))
		}))
	}
}

// expectHealthyRules has every rule evaluated by the Prometheus that loaded them, for some time already.
func (w *world) expectHealthyRules(t *testing.T) {
	t.Helper()
	alerts, records := readRules(t)
	result, err := w.prometheus.Rules(t.Context(), nil)
	must(t, err)
	healthy := 0
	for _, group := range result.Groups {
		for _, loaded := range group.Rules {
			switch r := loaded.(type) {
			case prometheusv1.AlertingRule:
				healthy += w.health(t, r.Name, r.Health, r.LastError)
			case prometheusv1.RecordingRule:
				healthy += w.health(t, r.Name, r.Health, r.LastError)
			}
		}
	}
	if want := len(alerts) + len(records); healthy != want {
		t.Errorf("%d rules evaluate, want %d", healthy, want)
	}
}

// expectExpiring looks for the alert that brings together what the manager and the verifiers tell of an ApiKey.
func (w *world) expectExpiring(t *testing.T) {
	t.Helper()
	const query = `sum by (namespace, name) (ALERTS{alertname="ApiKeyExpiringInUse"})`
	must(t, stack.Await(t.Context(), "the alert", patience, func(ctx context.Context) error {
		result, _, _, err := w.prometheus.Query(ctx, query, time.Now())
		want := model.Metric{"namespace": "phoenix", "name": "order-export"}
		if found, ok := result.(model.Vector); !ok || len(found) != 1 || !found[0].Metric.Equal(want) {
			return errors.Join(err, fmt.Errorf("of %v", result))
		}
		return nil
	}))
}

func (*world) health(t *testing.T, name string, health prometheusv1.RuleHealth, problem string) int {
	t.Helper()
	if health != prometheusv1.RuleHealthGood {
		t.Errorf("%s is %s: %s", name, health, problem)
		return 0
	}
	return 1
}

var (
	metricName = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)
	part       = regexp.MustCompile(`_(bucket|sum|count)$`)
	ourMetric  = regexp.MustCompile("(?m)^\\| `(apikey_operator_[a-z_]+)`")
)

// scraped are the names of all that the processes serve, histograms by their own.
func (w *world) scraped(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, address := range []string{w.manager.Metrics, w.shared.Metrics, w.local.Metrics} {
		text, err := stack.Fetch(t.Context(), "http://"+address+"/metrics")
		must(t, err)
		for line := range strings.Lines(text) {
			if fields := strings.Fields(line); len(fields) > 3 && fields[1] == "TYPE" {
				names[fields[2]] = true
			}
		}
	}
	return names
}

func (w *world) expectKnownMetrics(t *testing.T, board *dashboard.Dashboard) {
	t.Helper()
	known := w.scraped(t)
	alerts, records := readRules(t)
	var expressions []string
	for _, r := range append(alerts, records...) {
		expressions = append(expressions, r.Expr)
		known[r.Record] = true
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	asked := 0
	for _, expression := range expressions {
		for _, name := range metricName.FindAllString(expression, -1) {
			if !strings.Contains(name, "apikey_operator_") && !strings.HasPrefix(name, "leader_election_") {
				continue
			}
			asked++
			if !known[name] && !known[part.ReplaceAllString(name, "")] {
				t.Errorf("nobody serves %s, which is asked for by %s", name, expression)
			}
		}
	}
	if asked < len(expressions) {
		t.Errorf("%d metrics were found in %d expressions", asked, len(expressions))
	}
}

func (w *world) expectReference(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(referenceFile)
	must(t, err)
	named := map[string]bool{}
	for _, row := range ourMetric.FindAllStringSubmatch(string(text), -1) {
		named[row[1]] = true
	}
	scraped := w.scraped(t)
	for name := range scraped {
		if strings.HasPrefix(name, "apikey_operator_") && !named[name] {
			t.Errorf("%s is served and not in the reference", name)
		}
	}
	for name := range named {
		if !scraped[name] {
			t.Errorf("%s is in the reference, and nobody serves it", name)
		}
	}
}
