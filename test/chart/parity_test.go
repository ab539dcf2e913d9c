package chart

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// options are the components of kustomize, each with the values of the chart that mean the same.
var options = map[string]struct{ values string }{
	"autoscaling":          {"verifier: {autoscaling: {enabled: true}}"},
	"cert-manager":         {"webhook: {certManager: {enabled: true}}"},
	"high-availability":    {"manager: {replicas: 2}"},
	"monitoring":           {"monitoring: {podMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}"},
	"restricted-namespace": {""}, // Helm leaves the namespace to whoever installs
	"stamp-by-webhook":     {"webhook: {stamp: webhook}"},
	"verifier-tls":         {"verifier: {tls: {secretName: apikey-operator-verifier-tls}}"},
	"webhook-fail":         {"webhook: {failurePolicy: Fail}"},
	"network-policies": {`
networkPolicy:
  enabled: true
  proxies: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]
  monitoring: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
`},
}

func TestTheChartAndKustomizeInstallTheSame(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{"nothing": nil}
	var all []string
	for _, name := range componentNames(t) {
		if _, known := options[name]; !known {
			t.Errorf("config/components/%s is compared with no values of the chart", name)
			continue
		}
		cases[name] = []string{name}
		all = append(all, name)
	}
	// cert-manager's patch is for the webhook configurations that are there.
	slices.SortFunc(all, func(a, b string) int { return -strings.Compare(a, b) })
	cases["everything"] = all
	for name, components := range cases {
		t.Run("with "+name, func(t *testing.T) {
			t.Parallel()
			values := "{}"
			for _, component := range components {
				values = merged(t, values, options[component].values)
			}
			// kustomize, which may put all into another namespace, does not change what is within an expression.
			rendered := strings.ReplaceAll(mustRender(t, values, prometheusOperator), `{namespace="apikey-operator-system"}`, "")
			byChart := comparableByID(t, parse(t, rendered))
			byKustomize := comparableByID(t, parse(t, kustomize(t, components)))
			for _, id := range slices.Sorted(maps.Keys(merge(maps.Clone(byChart), byKustomize))) {
				if diff := cmp.Diff(byKustomize[id], byChart[id]); diff != "" {
					t.Errorf("%s differs between kustomize (-) and the chart (+):\n%s", id, diff)
				}
			}
		})
	}
}

func componentNames(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(configDir, "components"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// kustomize renders config/default with components.
func kustomize(t *testing.T, components []string) string {
	t.Helper()
	config, err := filepath.Abs(configDir)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(dir, config) // kustomize takes no absolute paths
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [%s/default]\ncomponents:\n", relative)
	for _, component := range components {
		text += fmt.Sprintf("- %s/components/%s\n", relative, component)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, "", tools["KUBECTL"], "kustomize", dir)
	if r.err != nil {
		t.Fatalf("kubectl kustomize: %s", r.stderr)
	}
	return r.stdout
}

// comparableByID takes away what only one of the two has to say, and says the rest the same way: as lines, by what objects are called.
func comparableByID(t *testing.T, objects []object) map[string]any {
	t.Helper()
	byID := map[string]any{}
	for _, o := range objects {
		if o.text("kind") == "Namespace" {
			continue
		}
		dropLabels(o)
		sortArguments(o)
		text, err := yaml.Marshal(oneSpaced(map[string]any(o)))
		if err != nil {
			t.Fatal(err)
		}
		byID[o.id()] = strings.Split(string(text), "\n")
	}
	return byID
}

// dropLabels takes away what Helm's conventions ask for. Those of pods, by which they are selected, stay.
func dropLabels(o object) {
	metadata, _ := o["metadata"].(map[string]any)
	for field, isConvention := range map[string]func(key, value string) bool{
		"labels": func(key, _ string) bool {
			return strings.HasPrefix(key, "app.kubernetes.io/") || strings.HasPrefix(key, "helm.sh/")
		},
		"annotations": func(key, value string) bool { return key == "helm.sh/resource-policy" && value == "keep" },
	} {
		entries, _ := metadata[field].(map[string]any)
		for key, value := range entries {
			if isConvention(key, fmt.Sprint(value)) {
				delete(entries, key)
			}
		}
		if len(entries) == 0 {
			delete(metadata, field)
		}
	}
}

// sortArguments orders flags, since components can only append theirs.
func sortArguments(o object) {
	containers, _ := o.get("spec", "template", "spec", "containers").([]any)
	for _, c := range containers {
		container, _ := c.(map[string]any)
		args, _ := container["args"].([]any)
		slices.SortFunc(args[min(1, len(args)):], func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
}

// oneSpaced has one blank where strings have several or line breaks: kustomize writes folded text with more line breaks than
// it read.
func oneSpaced(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, below := range v {
			v[name] = oneSpaced(below)
		}
	case []any:
		for i, below := range v {
			v[i] = oneSpaced(below)
		}
	case string:
		return strings.Join(strings.Fields(v), " ")
	}
	return value
}
