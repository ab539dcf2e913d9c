package gitops

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// yamlBlock is a manifest in the docs; those of other projects' kinds are marked yml.
var yamlBlock = regexp.MustCompile("(?s)```yaml[^\n]*\n(.*?)```")

// applyModes are the ways to apply, by names that fit into a namespace's.
var applyModes = map[string][]string{
	"client": {},
	"server": {"--server-side", "--field-manager=gitops"},
}

// TestApplyingTheSameAgainChangesNothing applies what we publish, lets the manager do its work, and applies it again.
func TestApplyingTheSameAgainChangesNothing(t *testing.T) {
	t.Parallel()
	published := batches(manifests(t))
	for mode, flags := range applyModes {
		for i, batch := range published {
			t.Run(fmt.Sprintf("%s-side, part %d", mode, i+1), func(t *testing.T) {
				t.Parallel()
				applyTwice(t, flags, rewrite(t, batch, fmt.Sprintf("%s-%d", mode, i)))
			})
		}
	}
}

// TestInstallingAgainChangesNothing does the same with what installs the operator, by kustomize and as Argo CD renders the
// chart: the manager puts its certificate into the webhook configuration, and nobody takes it out again.
func TestInstallingAgainChangesNothing(t *testing.T) {
	certificate := caBundle(t)
	for name, render := range map[string]func() string{
		"kustomize": func() string { return shared.kubectl(t, "", "kustomize", "config/default") },
		"helm":      func() string { return renderChart(t) },
	} {
		for mode, flags := range map[string][]string{
			"client-side": nil,
			// As Argo CD, where it is told to, and Flux do. What others applied is theirs with the first time.
			"server-side with force": {"--server-side", "--force-conflicts", "--field-manager=argocd-controller"},
		} {
			t.Run(name+" "+mode, func(t *testing.T) {
				shared.kubectl(t, render(), append([]string{"apply", "-f", "-"}, flags...)...)
				applyAgain(t, flags, parse(t, render()))
				if now := caBundle(t); now != certificate {
					t.Errorf("the webhook's caBundle is %q now, want what the manager put there", now)
				}
			})
		}
	}
}

// renderChart renders the chart as Argo CD does, which knows nothing of the cluster but its version.
func renderChart(t *testing.T) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Getenv("HELM"), "template", "apikey-operator", "charts/apikey-operator",
		"--namespace", stack.SystemNamespace, "--kube-version", "1.37.0")
	command.Dir = shared.Root()
	printed, err := command.Output()
	if err != nil {
		t.Fatalf("helm template: %v: %s", err, printed)
	}
	return string(printed)
}

// caBundle waits until the manager has put its certificate into the webhook configuration, and returns it.
func caBundle(t *testing.T) (bundle string) {
	t.Helper()
	configurations := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"}
	shared.await(t, "the manager's certificate", configurations, "", "apikey-operator", func(object *unstructured.Unstructured) error {
		webhooks, _, _ := unstructured.NestedSlice(object.Object, "webhooks")
		for _, webhook := range webhooks {
			if bundle, _, _ = unstructured.NestedString(webhook.(map[string]any), "clientConfig", "caBundle"); bundle == "" {
				return errors.New("a webhook has no caBundle")
			}
		}
		return nil
	})
	return bundle
}

// applyTwice applies, waits until the manager has done what there is to do, and holds that applying again changes nothing.
func applyTwice(t *testing.T, flags []string, objects []*unstructured.Unstructured) {
	t.Helper()
	shared.kubectl(t, toYAML(t, objects), append([]string{"apply", "-f", "-"}, flags...)...)
	for _, object := range objects {
		awaitQuiet(t, object)
	}
	applyAgain(t, flags, objects)
}

func applyAgain(t *testing.T, flags []string, objects []*unstructured.Unstructured) {
	t.Helper()
	input := toYAML(t, objects)
	before := fingerprints(t, objects)
	shared.kubectl(t, input, append([]string{"diff", "-f", "-"}, flags...)...) // fails where there is a difference
	shared.kubectl(t, input, append([]string{"apply", "-f", "-"}, flags...)...)
	if diff := cmp.Diff(before, fingerprints(t, objects)); diff != "" {
		t.Errorf("applying the same again changed something (-before +after):\n%s", diff)
	}
}

// awaitQuiet waits until the manager has looked at an object and is not about to write it again.
func awaitQuiet(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	resource := resourceOf(t, object)
	if resource.Group != apiKeys.Group {
		return
	}
	shared.await(t, object.GetName()+" to be settled", resource, object.GetNamespace(), object.GetName(), func(object *unstructured.Unstructured) error {
		if reason := conditions(object)["Reconciling"]["reason"]; observed(object) != object.GetGeneration() || (reason != nil && reason != "SecretNotFound") {
			return errors.New(summary(object))
		}
		return nil
	})
}

// fingerprints are the objects as they stand in the API server, without what others than appliers write at any time: a
// policy's status counts ApiKeys, and an ApiKey's follows the policies. Nor is it of interest that the API server begins and ends to keep an account of who
// owns a bare Namespace, of which an applier owns nothing.
func fingerprints(t *testing.T, objects []*unstructured.Unstructured) map[string]any {
	t.Helper()
	found := map[string]any{}
	for _, object := range objects {
		stored := shared.get(t, resourceOf(t, object), object.GetNamespace(), object.GetName())
		delete(stored.Object, "status")
		switch stored.GetKind() {
		case "Namespace":
			stored.SetResourceVersion("")
			stored.SetManagedFields(nil)
		case "ApiKey", "ApiKeyPolicy":
			stored.SetResourceVersion("")
			stored.SetManagedFields(slices.DeleteFunc(stored.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool { return entry.Subresource == "status" }))
		}
		found[identity(stored)] = stored.Object
	}
	return found
}

// manifests are those that we publish: the samples, and every one in the docs whose kind is served here: the guides have
// some of proxies, too.
func manifests(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, samples := range []string{"config/samples", "config/samples/imports"} {
		found = append(found, parse(t, shared.kubectl(t, "", "kustomize", samples))...)
	}
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/*/*.md"} {
		guides, err := filepath.Glob(filepath.Join(shared.Root(), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, guide := range guides {
			text, err := os.ReadFile(guide)
			if err != nil {
				t.Fatal(err)
			}
			for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
				found = append(found, parse(t, block[1])...)
			}
		}
	}
	found = slices.DeleteFunc(found, func(object *unstructured.Unstructured) bool {
		kind := object.GroupVersionKind()
		_, err := shared.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		return meta.IsNoMatchError(err)
	})
	ours := 0
	for _, object := range found {
		if object.GroupVersionKind().Group == apiKeys.Group {
			ours++
		}
	}
	const least = 30
	if ours < least {
		t.Errorf("%d ApiKeys and policies were found, want %d at least", ours, least)
	}
	return found
}

// batches puts objects that are the same one into different batches, each of which can be applied as a whole.
func batches(objects []*unstructured.Unstructured) (found [][]*unstructured.Unstructured) {
	times := map[string]int{}
	for _, object := range objects {
		n := times[identity(object)]
		times[identity(object)]++
		if n == len(found) {
			found = append(found, nil)
		}
		found[n] = append(found[n], object)
	}
	return found
}

// rewrite gives a batch namespaces of its own, and its cluster-scoped objects names of their own; its policies select no
// others' namespaces.
func rewrite(t *testing.T, batch []*unstructured.Unstructured, suffix string) []*unstructured.Unstructured {
	t.Helper()
	var spaces, objects []*unstructured.Unstructured
	made := map[string]bool{}
	space := func(name string) string {
		name += "-" + suffix
		if !made[name] {
			made[name] = true
			spaces = append(spaces, &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name, "labels": map[string]any{"part": suffix}},
			}})
		}
		return name
	}
	for _, original := range batch {
		object := original.DeepCopy()
		switch {
		case object.GetKind() == "Namespace":
			space(object.GetName())
			continue
		case object.GetNamespace() != "":
			object.SetNamespace(space(object.GetNamespace()))
		case namespaced(t, object):
			object.SetNamespace(space("default"))
		default:
			object.SetName(object.GetName() + "-" + suffix)
		}
		if object.GetKind() == "ApiKeyPolicy" {
			if err := unstructured.SetNestedField(object.Object, suffix, "spec", "namespaceSelector", "matchLabels", "part"); err != nil {
				t.Fatal(err)
			}
		}
		objects = append(objects, object)
	}
	return append(spaces, objects...)
}

func identity(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}

func parse(t *testing.T, text string) (objects []*unstructured.Unstructured) {
	t.Helper()
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := map[string]any{}
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(object) > 0 {
			objects = append(objects, &unstructured.Unstructured{Object: object})
		}
	}
	if len(objects) == 0 {
		t.Fatalf("there is no object in %q", text)
	}
	return objects
}

func toYAML(t *testing.T, objects []*unstructured.Unstructured) string {
	t.Helper()
	var text strings.Builder
	for _, object := range objects {
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString("---\n" + string(document))
	}
	return text.String()
}
