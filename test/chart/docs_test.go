package chart

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// examples are the blocks of docs/install.md that are no manifests.
var examples = regexp.MustCompile("(?s)```yml\n(.*?)```")

// example is the one of docs/install.md that has some text in it.
func example(t *testing.T, part string) string {
	t.Helper()
	var found []string
	for _, block := range examples.FindAllStringSubmatch(readFile(t, "../../docs/install.md"), -1) {
		if strings.Contains(block[1], part) {
			found = append(found, block[1])
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d examples have %q, want 1", len(found), part)
	}
	return found[0]
}

func TestTheValuesForProductionAreTaken(t *testing.T) {
	t.Parallel()
	values := strings.ReplaceAll(example(t, "networkPolicy:"), "sha256:…", "sha256:"+strings.Repeat("0", 64))
	for _, program := range programs {
		if r := start(t, arguments(t, values, program)); !isAccepted(r) {
			t.Errorf("the %s is not started with them: %s", program, r.stderr)
		}
	}
}

func TestTheGuideNamesEveryComponentInAnOrderThatWorks(t *testing.T) {
	t.Parallel()
	var kustomization struct{ Components []string }
	if err := yaml.Unmarshal([]byte(example(t, "components:")), &kustomization); err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, path := range kustomization.Components {
		named = append(named, strings.TrimPrefix(path, "../config/components/"))
	}
	kustomize(t, named)
	missing := map[string]bool{}
	for _, name := range componentNames(t) {
		missing[name] = true
	}
	for _, name := range named {
		delete(missing, name)
	}
	if diff := cmp.Diff(map[string]bool{}, missing); diff != "" {
		t.Errorf("docs/install.md leaves components out:\n%s", diff)
	}
}
