// Package chart tests the chart as it is rendered by Helm: against what kustomize renders from config/, against the flags of
// the built program, and by installing it on a real API server. What single options do is in the chart's own suites,
// charts/apikey-operator/tests.
package chart

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

const (
	chartDir  = "../../charts/apikey-operator"
	configDir = "../../config"
	// release is the name of the release, which names of objects do not depend on.
	release = "apikey-operator"
	// kubeVersion is the Kubernetes that is rendered for, since Helm would otherwise take that which it is built for.
	kubeVersion = "1.37.0"
	// prometheusOperator is what has the chart make objects for it.
	prometheusOperator = "--api-versions=monitoring.coreos.com/v1"
)

// tools are paths that `make chart-test` sets in variables.
var tools = map[string]string{"HELM": "", "KUBECTL": "", "LOCALCLUSTER": "", "APIKEY_OPERATOR": ""}

func TestMain(m *testing.M) {
	for variable := range tools {
		path, err := exec.LookPath(os.Getenv(variable))
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v: run make chart-test, which builds and sets it\n", variable, err)
			os.Exit(1)
		}
		tools[variable] = path
	}
	os.Exit(m.Run())
}

// result is what a program printed, and whether it failed.
type result struct {
	stdout, stderr string
	err            error
}

func run(t *testing.T, stdin, program string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatalf("run %s: %v", program, err)
	}
	return result{stdout.String(), stderr.String(), err}
}

// render has Helm render the chart with some values, a YAML document.
func render(t *testing.T, values string, flags ...string) result {
	t.Helper()
	args := []string{"template", release, chartDir, "--namespace", stack.SystemNamespace, "--kube-version", kubeVersion, "--values", "-"}
	return run(t, values, tools["HELM"], append(args, flags...)...)
}

func mustRender(t *testing.T, values string, flags ...string) string {
	t.Helper()
	r := render(t, values, flags...)
	if r.err != nil {
		t.Fatalf("the chart is not rendered with these values:\n%s\n%s", values, r.stderr)
	}
	return r.stdout
}

// object is a manifest.
type object map[string]any

func (o object) get(path ...string) any {
	var at any = map[string]any(o)
	for _, name := range path {
		fields, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = fields[name]
	}
	return at
}

func (o object) text(path ...string) string {
	text, _ := o.get(path...).(string)
	return text
}

// id tells objects apart.
func (o object) id() string {
	return strings.Join([]string{o.text("kind"), o.text("metadata", "namespace"), o.text("metadata", "name")}, "/")
}

// parse reads a stream of manifests.
func parse(t *testing.T, stream string) []object {
	t.Helper()
	var objects []object
	for document := range strings.SplitSeq(stream, "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(o) > 0 {
			objects = append(objects, o)
		}
	}
	return objects
}

// arguments are those of a program's only container with some values.
func arguments(t *testing.T, values, program string) []string {
	t.Helper()
	deployment := mustRender(t, values, "--show-only", "templates/"+program+"-deployment.yaml")
	var parsed struct {
		Spec struct {
			Template struct {
				Spec struct{ Containers []struct{ Args []string } }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(deployment), &parsed); err != nil {
		t.Fatal(err)
	}
	containers := parsed.Spec.Template.Spec.Containers
	if len(containers) != 1 || len(containers[0].Args) == 0 || containers[0].Args[0] != program {
		t.Fatalf("the containers of the %s have the arguments %q, want one that runs it", program, containers)
	}
	return containers[0].Args
}

// nested is a document of YAML with one value, at a path such as verifier.tls.secretName, given as YAML itself.
func nested(path, value string) string {
	names := strings.Split(path, ".")
	return strings.Join(names, ": {") + ": " + value + strings.Repeat("}", len(names)-1) + "\n"
}

// merged is a document of YAML with all values of both; the second one's count.
func merged(t *testing.T, first, second string) string {
	t.Helper()
	var into, from map[string]any
	if err := errors.Join(yaml.Unmarshal([]byte(first), &into), yaml.Unmarshal([]byte(second), &from)); err != nil {
		t.Fatalf("%v in\n%s\n%s", err, first, second)
	}
	text, err := yaml.Marshal(merge(into, from))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func merge(into, from map[string]any) map[string]any {
	if into == nil {
		return from
	}
	for name, value := range from {
		below, isMap := value.(map[string]any)
		old, wasMap := into[name].(map[string]any)
		if isMap && wasMap {
			value = merge(old, below)
		}
		into[name] = value
	}
	return into
}

func readFile(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
