package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

// components are the options that an administrator puts on top of config/default.
var components = []string{
	"autoscaling", "cert-manager", "high-availability", "monitoring", "network-policies", "restricted-namespace", "stamp-by-webhook",
	"verifier-tls", "webhook-fail",
}

func TestEveryComponentCanBeAppliedOnTopOfTheDefault(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob("../../config/components/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(components) {
		t.Errorf("there are the components %v, and %v are looked at", found, components)
	}
	for _, component := range components {
		t.Run(component, func(t *testing.T) {
			t.Parallel()
			for _, document := range render(t, component) {
				if strings.Contains(document, "apiVersion: cert-manager.io/") || strings.Contains(document, "apiVersion: monitoring.coreos.com/") {
					continue // their kinds are not installed here
				}
				kubectl(t, document, "apply", "--dry-run=server", "-f", "-")
			}
		})
	}
}

func TestTheComponentsChangeWhatTheySay(t *testing.T) {
	t.Parallel()
	type facts struct {
		Kinds       []string
		Failure     []string
		Paths       []string
		CertManager bool
	}
	validating := []string{"/validate-apikey", "/validate-apikeypolicy"}
	cases := map[string]struct {
		components []string
		want       facts
	}{
		"the default": {
			nil, facts{Kinds: []string{"ValidatingWebhookConfiguration"}, Failure: []string{"Ignore", "Ignore"}, Paths: validating},
		},
		"webhook-fail": {
			[]string{"webhook-fail"},
			facts{Kinds: []string{"ValidatingWebhookConfiguration"}, Failure: []string{"Fail", "Fail"}, Paths: validating},
		},
		"all at once": {
			[]string{"stamp-by-webhook", "cert-manager", "webhook-fail"},
			facts{
				Kinds:   []string{"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"},
				Failure: []string{"Ignore", "Fail", "Fail"},
				Paths:   append([]string{"/mutate-apikey"}, validating...), CertManager: true,
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got facts
			for _, document := range render(t, c.components...) {
				configuration := &admissionv1.ValidatingWebhookConfiguration{} // the mutating kind has the same fields, as far as they count here
				if err := yaml.Unmarshal([]byte(document), configuration); err != nil {
					t.Fatal(err)
				}
				if !strings.HasSuffix(configuration.Kind, "WebhookConfiguration") {
					continue
				}
				got.Kinds = append(got.Kinds, configuration.Kind)
				got.CertManager = configuration.Annotations["cert-manager.io/inject-ca-from"] == systemNamespace+"/apikey-operator-webhook"
				for _, w := range configuration.Webhooks {
					got.Failure = append(got.Failure, string(*w.FailurePolicy))
					got.Paths = append(got.Paths, *w.ClientConfig.Service.Path)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("the webhooks are not as they should be (-want +got):\n%s", diff)
			}
		})
	}
}

// render is config/default with components, as documents of YAML.
func render(t *testing.T, components ...string) []string {
	t.Helper()
	config, err := filepath.Abs("../../config")
	if err != nil {
		t.Fatal(err)
	}
	// kustomize takes no absolute paths.
	dir := t.TempDir()
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(dir, config)
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
	return strings.Split(kubectl(t, "", "kustomize", dir), "\n---\n")
}
