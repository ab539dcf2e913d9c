package structure

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// setValue finds the values of the chart that commands of the documentation set.
var setValue = regexp.MustCompile(`--set(?:-json|-string)?[ =]'?([A-Za-z][A-Za-z0-9.]*)=`)

// TestEveryValueThatTheDocsSetIsTheCharts, since Helm would refuse the command only when somebody needs it.
func TestEveryValueThatTheDocsSetIsTheCharts(t *testing.T) {
	text, err := os.ReadFile("../../charts/apikey-operator/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range documents(t) {
		text, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range setValue.FindAllStringSubmatch(string(text), -1) {
			found++
			if !hasValue(values, strings.Split(match[1], ".")) {
				t.Errorf("%s sets %s, which is no value of the chart", name, match[1])
			}
		}
	}
	const least = 5
	if found < least {
		t.Errorf("%d values are set, want %d at least", found, least)
	}
}

// hasValue says whether there is a value at a path.
func hasValue(values map[string]any, path []string) bool {
	value, ok := values[path[0]]
	if !ok || len(path) == 1 {
		return ok
	}
	below, ok := value.(map[string]any)
	return ok && hasValue(below, path[1:])
}
