package chart

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// cluster is a control plane without nodes: what it takes is stored, and no pod runs.
type cluster struct {
	t          *testing.T
	kubeconfig string
}

// newCluster starts a control plane with the kinds of others that the chart makes objects of.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	s, err := stack.New(stack.Tools{LocalCluster: tools["LOCALCLUSTER"], Kubectl: tools["KUBECTL"]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.StartControlPlane(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := &cluster{t, s.AdminKubeconfig()}
	c.kubectl("", "apply", "-f", "testdata/foreign_definitions.yaml")
	c.kubectl("", "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
	return c
}

func (c *cluster) try(stdin, program string, args ...string) result {
	c.t.Helper()
	return run(c.t, stdin, tools[program], append(args, "--kubeconfig", c.kubeconfig)...)
}

func (c *cluster) must(stdin, program string, args ...string) string {
	c.t.Helper()
	r := c.try(stdin, program, args...)
	if r.err != nil {
		c.t.Fatalf("%s %s: %v\n%s%s", strings.ToLower(program), strings.Join(args, " "), r.err, r.stdout, r.stderr)
	}
	return r.stdout
}

func (c *cluster) kubectl(stdin string, args ...string) string {
	c.t.Helper()
	return c.must(stdin, "KUBECTL", args...)
}

// newNamespace makes a namespace that takes no pod which Pod Security's profile "restricted" forbids, and warns of Deployments of such.
func (c *cluster) newNamespace(name string) {
	c.t.Helper()
	c.kubectl("", "create", "namespace", name)
	c.kubectl("", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
}

// helm installs or upgrades the release.
func (c *cluster) helm(command, namespace, values string) string {
	c.t.Helper()
	return c.must(values, "HELM", command, release, chartDir, "--namespace", namespace, "--values", "-")
}

// versions tell of every object of the release what it is and how often it was changed.
func (c *cluster) versions() string {
	c.t.Helper()
	const kinds = "customresourcedefinitions,clusterroles,clusterrolebindings,validatingwebhookconfigurations,mutatingwebhookconfigurations," +
		"validatingadmissionpolicies,deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets,horizontalpodautoscalers," +
		"networkpolicies,configmaps,podmonitors,prometheusrules,certificates,issuers"
	return c.kubectl("", "get", kinds, "--all-namespaces", "--selector=app.kubernetes.io/instance="+release, "--sort-by=.metadata.uid",
		"-o=jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation} {.spec}{\"\\n\"}{end}")
}

func TestARealAPIServerTakesTheChart(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.newNamespace(stack.SystemNamespace)
	c.helm("install", stack.SystemNamespace, everything)
	rendered := c.must(everything, "HELM", "template", release, chartDir, "--namespace", stack.SystemNamespace, "--values", "-", "--validate")

	t.Run("with nothing to warn of", func(t *testing.T) {
		for _, values := range []string{everything, "{}", "webhook: {failurePolicy: Fail}"} {
			c.kubectl(mustRender(t, values, prometheusOperator), "apply", "--dry-run=server", "--server-side", "--force-conflicts", "--warnings-as-errors", "-f", "-")
		}
	})
	t.Run("with its pods, where Pod Security is restricted", func(t *testing.T) { testPods(t, c) })
	t.Run("as it is rendered, so that tools which compare see no drift", func(t *testing.T) {
		// The policy of the hook is the administrator's from the start.
		if r := c.try(withoutHooks(t, rendered), "KUBECTL", "diff", "--server-side", "--force-conflicts", "-f", "-"); r.err != nil {
			t.Errorf("what is stored differs from what is rendered:\n%s%s", r.stdout, r.stderr)
		}
	})
	t.Run("again, and changes nothing", func(t *testing.T) {
		before := c.versions()
		c.helm("upgrade", stack.SystemNamespace, everything)
		if diff := cmp.Diff(before, c.versions()); diff != "" {
			t.Errorf("upgrading to the same changed:\n%s", diff)
		}
	})
	t.Run("and the starter policy is then its administrator's", func(t *testing.T) {
		c.kubectl("", "patch", "apikeypolicy", "starter", "--type=merge", "--patch", `{"spec":{"permissions":["write"]}}`)
		c.helm("upgrade", stack.SystemNamespace, everything)
		if got := c.kubectl("", "get", "apikeypolicies", "-o=jsonpath={.items[*].spec.permissions}"); got != `["write"]` {
			t.Errorf("the policies allow %s after an upgrade, want [\"write\"] as they were changed to", got)
		}
		c.kubectl(`{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKeyPolicy, metadata: {name: ours}, spec: {namespaceSelector: {}}}`, "apply", "-f", "-")
		c.kubectl("", "delete", "apikeypolicy", "starter")
		c.helm("upgrade", stack.SystemNamespace, everything)
		if got := c.kubectl("", "get", "apikeypolicies", "-o=name"); got != "apikeypolicy.apikey-operator.dev/ours\n" {
			t.Errorf("there are the policies %q after an upgrade, want none that was deleted", got)
		}
	})
	t.Run("with as many verifiers as there were when an autoscaler takes over", func(t *testing.T) {
		const fixed, scaled = "verifier: {replicas: 3}", "verifier: {autoscaling: {enabled: true}}"
		c.helm("upgrade", stack.SystemNamespace, fixed)
		c.kubectl("", "scale", "deployment", "apikey-operator-verifier", "--replicas=4", "--namespace", stack.SystemNamespace) // as docs/install.md says
		c.helm("upgrade", stack.SystemNamespace, scaled)
		if got := c.kubectl("", "get", "deployment", "apikey-operator-verifier", "--namespace", stack.SystemNamespace, "-o=jsonpath={.spec.replicas}"); got != "4" {
			t.Errorf("%s verifiers are to run after the upgrade, want 4", got)
		}
	})
	t.Run("and leaves ApiKeys and policies when it is removed", func(t *testing.T) {
		c.kubectl(`{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: kept, namespace: default}, spec: {}}`, "apply", "-f", "-")
		c.must("", "HELM", "uninstall", release, "--namespace", stack.SystemNamespace, "--wait")
		const want = "apikey.apikey-operator.dev/kept\napikeypolicy.apikey-operator.dev/ours\n"
		if got := c.kubectl("", "get", "apikeys,apikeypolicies", "--all-namespaces", "-o=name"); got != want {
			t.Errorf("%q are left, want %q", got, want)
		}
		if left := c.versions(); strings.Count(left, "\n") != 2 || strings.Count(left, "CustomResourceDefinition") != 2 {
			t.Errorf("of the release there are left, beside two definitions:\n%s", left)
		}
	})
	t.Run("in some namespaces only, with rights in those alone", func(t *testing.T) { testNamespacedRights(t, c) })
}

// withoutHooks leaves out what Helm makes apart from the release.
func withoutHooks(t *testing.T, rendered string) string {
	t.Helper()
	var kept []string
	for document := range strings.SplitSeq(rendered, "\n---\n") {
		if !strings.Contains(document, "helm.sh/hook:") {
			kept = append(kept, document)
		}
	}
	return strings.Join(kept, "\n---\n")
}

func testNamespacedRights(t *testing.T, c *cluster) {
	for _, namespace := range []string{"elsewhere", "team-a", "team-b", "team-c"} {
		c.newNamespace(namespace)
	}
	c.helm("install", "elsewhere", namespaced+"\ncrds: {install: false}")
	cases := map[string]struct {
		account string
		args    []string
		want    string
	}{
		"write the status of ApiKeys there":     {"manager", []string{"update", "apikeys", "--subresource=status", "-n=team-b"}, "yes"},
		"write the status of ApiKeys elsewhere": {"manager", []string{"update", "apikeys", "--subresource=status", "-n=team-c"}, "no"},
		"watch Secrets there":                   {"manager", []string{"watch", "secrets", "-n=team-a"}, "yes"},
		"read Secrets where it runs":            {"manager", []string{"get", "secrets", "-n=elsewhere"}, "no"},
		"read policies":                         {"manager", []string{"list", "apikeypolicies"}, "no"},
		"read namespaces":                       {"manager", []string{"get", "namespaces"}, "no"},
		"hold its lease":                        {"manager", []string{"update", "leases/apikey-operator-manager", "-n=elsewhere"}, "yes"},
		"watch ApiKeys there":                   {"verifier", []string{"watch", "apikeys", "-n=team-a"}, "yes"},
		"watch ApiKeys elsewhere":               {"verifier", []string{"watch", "apikeys", "-n=team-c"}, "no"},
		"watch ApiKeys everywhere":              {"verifier", []string{"watch", "apikeys", "-A"}, "no"},
		"read Secrets there":                    {"verifier", []string{"get", "secrets", "-n=team-a"}, "no"},
	}
	for name, question := range cases {
		t.Run("the "+question.account+" may or may not "+name, func(t *testing.T) {
			r := c.try("", "KUBECTL", append([]string{"auth", "can-i", "--as=system:serviceaccount:elsewhere:apikey-operator-" + question.account}, question.args...)...)
			if got := strings.TrimSpace(r.stdout); got != question.want {
				t.Errorf("the API server says %s, want %s (%s)", got, question.want, r.stderr)
			}
		})
	}
}

// The control plane has no controller of Deployments, so their pods are asked for here.
func testPods(t *testing.T, c *cluster) {
	for name, values := range map[string]string{"the defaults": "{}", "everything": everything} {
		for _, o := range parse(t, mustRender(t, values)) {
			if o.text("kind") != "Deployment" {
				continue
			}
			pod, _ := o.get("spec", "template").(map[string]any)
			pod["apiVersion"], pod["kind"] = "v1", "Pod"
			metadata, _ := pod["metadata"].(map[string]any)
			metadata["name"], metadata["namespace"] = o.text("metadata", "name"), stack.SystemNamespace
			create := func(flags ...string) result {
				manifest, err := yaml.Marshal(pod)
				if err != nil {
					t.Fatal(err)
				}
				return c.try(string(manifest), "KUBECTL", append([]string{"create", "--dry-run=server", "-f", "-"}, flags...)...)
			}
			if r := create("--warnings-as-errors"); r.err != nil {
				t.Errorf("with %s: %s", name, r.stderr)
			}
			// And the API server does look.
			spec, _ := pod["spec"].(map[string]any)
			delete(spec, "securityContext")
			if r := create(); !strings.Contains(r.stderr, "violates PodSecurity") {
				t.Errorf("a pod that may run as root is taken: %s%s", r.stdout, r.stderr)
			}
		}
	}
}
