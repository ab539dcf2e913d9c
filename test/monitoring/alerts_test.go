package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// rule is an alert, or the record of an expression.
type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

func readRules(t *testing.T) (alerts, records []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	readYAML(t, alertsFile, &file)
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			if r.Alert != "" {
				alerts = append(alerts, r)
			} else {
				records = append(records, r)
			}
		}
	}
	if len(alerts) == 0 {
		t.Fatal("there are no alerts")
	}
	return alerts, records
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), tools.Promtool, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

func TestTheRulesAreSound(t *testing.T) {
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", alertsFile)
}

func unitTests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no unit tests of alerts: %v", err)
	}
	return files
}

func TestAlertsFireWhenTheyShouldAndNotWhenTheyShouldNot(t *testing.T) {
	promtool(t, append([]string{"test", "rules"}, unitTests(t)...)...)
}

func TestEveryAlertIsTriedBothWays(t *testing.T) {
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, path := range unitTests(t) {
		var file struct {
			Tests []struct {
				Name string
				Expr []struct {
					Expr    string
					Samples []struct{ Labels string } `json:"exp_samples"`
				} `json:"promql_expr_test"`
			}
		}
		readYAML(t, path, &file)
		for _, test := range file.Tests {
			alert, _, _ := strings.Cut(test.Name, " ")
			if len(test.Expr) != 1 || test.Expr[0].Expr != `ALERTS{alertname="`+alert+`", alertstate="firing"}` {
				t.Errorf("%s: the test %q asks something else than whether its alert fires", path, test.Name)
				continue
			}
			if len(test.Expr[0].Samples) > 0 {
				fires[alert] = true
			} else {
				quiet[alert] = true
			}
		}
	}
	alerts, _ := readRules(t)
	for _, a := range alerts {
		if !fires[a.Alert] || !quiet[a.Alert] {
			t.Errorf("%s: a test in which it fires: %t, one in which it does not: %t; want both", a.Alert, fires[a.Alert], quiet[a.Alert])
		}
	}
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	text, err := os.ReadFile(guideFile)
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (\w+)$`).FindAllStringSubmatch(string(text), -1) {
		headings = append(headings, heading[1])
	}
	const guide = "https://github.com/apikey-operator/apikey-operator/blob/main/docs/monitoring.md#"
	alerts, _ := readRules(t)
	for _, a := range alerts {
		if !slices.Contains([]string{"info", "warning", "critical"}, a.Labels["severity"]) {
			t.Errorf("%s: its severity is %q", a.Alert, a.Labels["severity"])
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s: no summary or no description", a.Alert)
		}
		// A heading's anchor on GitHub is its text in lower case.
		if a.Annotations["runbook_url"] != guide+strings.ToLower(a.Alert) || !slices.Contains(headings, a.Alert) {
			t.Errorf("%s: runbook_url is %q; want the heading of its name in docs/monitoring.md, which is there: %t",
				a.Alert, a.Annotations["runbook_url"], slices.Contains(headings, a.Alert))
		}
	}
	for _, heading := range headings {
		if strings.HasPrefix(heading, "ApiKey") && !slices.ContainsFunc(alerts, func(a rule) bool { return a.Alert == heading }) {
			t.Errorf("docs/monitoring.md tells of %s, which is no alert", heading)
		}
	}
}
