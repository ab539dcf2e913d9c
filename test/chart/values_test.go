package chart

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// wholes are maps that are given as a whole: nothing in them has a meaning to the chart.
var wholes = []string{
	"manager.resources", "manager.nodeSelector", "verifier.resources", "verifier.nodeSelector", "starterPolicy.spec", "monitoring.dashboard.labels",
}

// Whoever sets a value is to see that it does something.
func TestEveryValueIsRead(t *testing.T) {
	t.Parallel()
	all, leaves := changes(), leavesOf(t)
	for path := range all {
		if _, is := leaves[path]; !is {
			t.Errorf("there is no value %s", path)
		}
	}
	standardRenderings := map[string]string{}
	for _, c := range all {
		if standardRenderings[c.with] == "" {
			standardRenderings[c.with] = mustRender(t, c.with+"\n", prometheusOperator)
		}
	}
	for path, standard := range leaves {
		c, known := all[path]
		if !known {
			t.Errorf("nothing is known of what %s does", path)
			continue
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			changed := merged(t, c.with, nested(path, c.value))
			if standard == asJSON(t, c.value) {
				t.Fatalf("%s is the default", c.value)
			}
			before, after := standardRenderings[c.with], mustRender(t, changed, prometheusOperator)
			if c.want != "" && strings.Count(after, c.want) <= strings.Count(before, c.want) {
				t.Errorf("with\n%s%q is not rendered more often than without", changed, c.want)
			}
			if c.gone != "" && strings.Count(after, c.gone) >= strings.Count(before, c.gone) {
				t.Errorf("with\n%s%q is not rendered less often than without", changed, c.gone)
			}
			if c.want+c.gone == "" {
				t.Errorf("nothing is said of what %s changes", path)
			}
		})
	}
}

// leavesOf are the paths of all values, with their defaults as JSON.
func leavesOf(t *testing.T) map[string]string {
	t.Helper()
	var values map[string]any
	if err := yaml.Unmarshal([]byte(readFile(t, chartDir, "values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	leaves := map[string]string{}
	collectLeaves(values, "", leaves)
	return leaves
}

func collectLeaves(values map[string]any, prefix string, leaves map[string]string) {
	for name, value := range values {
		path := prefix + name
		below, isMap := value.(map[string]any)
		if isMap && len(below) > 0 && !slices.Contains(wholes, path) {
			collectLeaves(below, path+".", leaves)
			continue
		}
		text, _ := json.Marshal(value) // it was read from YAML
		leaves[path] = string(text)
	}
}

func asJSON(t *testing.T, value string) string {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(value))
	if err != nil {
		return "" // more than a value
	}
	return string(text)
}

var row = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.+?) \\| (.*) \\|$")

func TestEveryValueIsDescribed(t *testing.T) {
	t.Parallel()
	described := map[string]bool{}
	for _, found := range row.FindAllStringSubmatch(readFile(t, chartDir, "README.md"), -1) {
		described[found[1]] = strings.TrimSpace(found[3]) != ""
	}
	leaves := leavesOf(t)
	for path := range leaves {
		if !described[path] {
			t.Errorf("%s has no description: write one above it in values.yaml, after \"# -- \"", path)
		}
	}
	for path := range described {
		if _, is := leaves[path]; !is {
			t.Errorf("%s is described, and there is no such value", path)
		}
	}
}

// schema is what is looked at of a JSON schema.
type schema struct {
	Ref                  string            `json:"$ref"`
	Properties           map[string]schema `json:"properties"`
	AdditionalProperties any               `json:"additionalProperties"`
	Defs                 map[string]schema `json:"$defs"`
}

func TestTheSchemaKnowsEveryValueAndNoOther(t *testing.T) {
	t.Parallel()
	var root schema
	if err := json.Unmarshal([]byte(readFile(t, chartDir, "values.schema.json")), &root); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	collectProperties(t, root, root, "", known)
	delete(known, "global") // which Helm adds where this is a part of another chart
	leaves := leavesOf(t)
	for _, path := range slices.Sorted(maps.Keys(leaves)) {
		if !known[path] {
			t.Errorf("the schema does not know %s", path)
		}
		delete(known, path)
	}
	for path := range known {
		t.Errorf("the schema knows %s, and there is no such value", path)
	}
}

func collectProperties(t *testing.T, root, s schema, prefix string, known map[string]bool) {
	t.Helper()
	for name, property := range s.Properties {
		path := prefix + name
		if property.Ref != "" {
			property = root.Defs[strings.TrimPrefix(property.Ref, "#/$defs/")]
		}
		if len(property.Properties) == 0 || slices.Contains(wholes, path) {
			known[path] = true
			continue
		}
		if fmt.Sprint(property.AdditionalProperties) != "false" {
			t.Errorf("the schema lets anything pass in %s", path)
		}
		collectProperties(t, root, property, path+".", known)
	}
}
