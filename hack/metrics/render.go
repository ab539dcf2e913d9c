package main

import (
	"fmt"
	"slices"
	"strings"
)

const head = `# Metrics

<!-- Written by "make generate" from what the code registers (hack/metrics); changes here are lost. -->

Both programs serve these at ` + "`/metrics` of `--metrics-bind-address`" + ` (:8080), in the text format of Prometheus.
All labels are bounded, by the lists below or by the numbers in the descriptions. How to scrape them, what to be alerted of
and a dashboard are in [monitoring.md](../monitoring.md).

Beside them both serve those of the Go runtime and the process (` + "`go_…`, `process_…`" + `), and the manager those of
controller-runtime and of the Kubernetes client: ` + "`controller_runtime_…`, `workqueue_…`, `rest_client_…`, `certwatcher_…`" + `, and
` + "`leader_election_master_status{name=\"apikey-operator-manager\"}`" + `, which is 1 of the manager that leads.

Every replica of the manager tells of the same ApiKeys, one that does not lead where it serves the webhook, and every verifier
holds all of them: take ` + "`max`" + ` of those gauges, not ` + "`sum`" + `. What a process counts (` + "`…_total`" + `) is its own: take ` + "`sum`" + ` of the rates.
`

// render writes the page.
func render(sections []section) (string, error) {
	var b strings.Builder
	b.WriteString(head)
	seen := map[string]string{}
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | |\n| --- | --- | --- | --- |\n", s.title)
		for _, m := range s.metrics {
			if other, twice := seen[m.name]; twice {
				return "", fmt.Errorf("%s is in two sections: %s, %s", m.name, other, s.title)
			}
			seen[m.name] = s.title
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, labelsText(m.labels), escape(m.help))
		}
	}
	return b.String(), nil
}

// named are labels that hold the name of an object; what stands there is none of ours.
var named = []string{"namespace", "name"}

func labelsText(labels []label) string {
	var all []string
	for _, l := range labels {
		if slices.Contains(named, l.name) {
			all = append(all, "`"+l.name+"` of the ApiKey")
			continue
		}
		all = append(all, "`"+l.name+"`: "+strings.Join(l.values, ", "))
	}
	return strings.Join(all, "; ")
}

// escape keeps a text within its cell.
func escape(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
