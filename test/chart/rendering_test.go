package chart

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// everything has all options on that go together.
const everything = `
imagePullSecrets: [{name: registry}]
commonLabels: {team: platform}
restoreIdentities: ["system:serviceaccount:velero:velero"]
manager:
  replicas: 2
  restoreMode: true
  extraEnv: [{name: GOMEMLIMIT, value: 900MiB}]
  priorityClassName: system-cluster-critical
  tolerations: [{operator: Exists}]
  podLabels: {tier: control}
  podAnnotations: {example.com/note: manager}
  serviceAccount: {annotations: {example.com/note: manager}}
  extraVolumes: [{name: scratch, emptyDir: {}}]
  extraVolumeMounts: [{name: scratch, mountPath: /scratch}]
webhook: {stamp: webhook, certManager: {enabled: true}}
verifier:
  autoscaling: {enabled: true, behavior: {scaleDown: {stabilizationWindowSeconds: 600}}}
  service: {annotations: {example.com/note: verifier}, trafficDistribution: PreferSameZone}
  maxStaleness: 5m
  decisionLog: {mode: all, sample: 100}
  trustedProxies: [10.0.0.0/8, "2001:db8::/32"]
  credential: {query: api_key, cookie: api_key, body: api_key, realm: "keys, please"}
  tls: {secretName: verifier-tls, clientCA: {configMapName: proxies}, clientNames: [proxy.example, "spiffe://example/proxy"]}
  rateLimit:
    store: redis
    redis:
      addresses: ["redis-0.redis:6379", "[2001:db8::1]:6379"]
      masterName: main
      username: limits
      passwordSecret: {name: redis}
      tls: {enabled: true, caSecret: {name: redis-ca}}
  tracing: {endpoint: "collector.observability:4317", insecure: true, sampleRatio: 0.00001}
  affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: rack, labelSelector: {}}}]}}
starterPolicy: {enabled: true}
networkPolicy:
  enabled: true
  proxies: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]
  monitoring: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  apiServers: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}]
  egress: {enabled: true, extra: [{to: [{podSelector: {matchLabels: {app: redis}}}], ports: [{port: 6379}]}]}
monitoring:
  podMonitor: {enabled: true, interval: 30s, labels: {release: prometheus}}
  prometheusRule: {enabled: true, labels: {release: prometheus}}
  dashboard: {enabled: true, annotations: {grafana_folder: Security}}
`

// namespaced has a Roles-only installation.
const namespaced = "watchNamespaces: [team-a, team-b]"

// Tools that compare would see drift for ever if anything were random, or taken from the clock.
func TestTheSameValuesAreRenderedTheSameEachTime(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]string{"the defaults": "{}", "everything": everything, "Roles only": namespaced} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := mustRender(t, values, prometheusOperator), mustRender(t, values, prometheusOperator)
			if diff := cmp.Diff(first, second); diff != "" {
				t.Errorf("rendered again it is different:\n%s", diff)
			}
		})
	}
}

func TestEveryObjectIsNamedOnceAndInTheReleasesNamespace(t *testing.T) {
	t.Parallel()
	const longer = stack.SystemNamespace + "-team"
	for name, c := range map[string]struct{ values, namespace string }{
		"the defaults":                         {"{}", "elsewhere"},
		"everything":                           {everything, "elsewhere"},
		"Roles only":                           {namespaced, "elsewhere"},
		"where its name holds that of config/": {everything, longer},
		"Roles only, where it does":            {namespaced, longer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			rendered := mustRender(t, c.values, prometheusOperator, "--namespace", c.namespace)
			if strings.Contains(strings.ReplaceAll(rendered, c.namespace, ""), stack.SystemNamespace) || strings.Contains(rendered, c.namespace+"-team") {
				t.Error("some name of a namespace is not the release's")
			}
			for _, o := range parse(t, rendered) {
				if seen[o.id()] {
					t.Errorf("%s is rendered twice", o.id())
				}
				seen[o.id()] = true
				if namespace := o.text("metadata", "namespace"); namespace != "" && namespace != c.namespace && !strings.HasPrefix(namespace, "team-") {
					t.Errorf("%s is not in the release's namespace", o.id())
				}
				if strings.Contains(o.text("metadata", "name"), "apikey-operator") && o.text("metadata", "labels", "app.kubernetes.io/managed-by") != "Helm" {
					t.Errorf("%s lacks the labels of the release", o.id())
				}
			}
		})
	}
}

// Another installation in the same Prometheus does not stand in for one that is gone.
func TestAlertsOfWhatIsAbsentAreOfTheReleasesNamespace(t *testing.T) {
	t.Parallel()
	const rule = "monitoring: {prometheusRule: {enabled: true}"
	watched := mustRender(t, rule+", podMonitor: {enabled: true}}", prometheusOperator, "--namespace", "elsewhere")
	for _, want := range []string{
		`absent(apikey_operator_verifier_ready{namespace="elsewhere"} == 1)`,
		`absent(apikey_operator_clock_offset_seconds{namespace="elsewhere"})`,
	} {
		if !strings.Contains(watched, want) {
			t.Errorf("there is no alert by %s", want)
		}
	}
	// Who scrapes without our PodMonitors has labels of their own.
	if scraped := mustRender(t, rule+"}", prometheusOperator, "--namespace", "elsewhere"); strings.Contains(scraped, `{namespace="elsewhere"}`) {
		t.Error("a label is asked for that nobody is known to set")
	}
}

func TestTheAlertOfSlowPropagationFollowsThePublishDelay(t *testing.T) {
	t.Parallel()
	for delay, want := range map[string]string{"0s": "3", "2s": "3", "3s": "5", "4s": "5", "4500ms": "10", "9s": "10", "20s": "30"} {
		rendered := mustRender(t, "manager: {publishDelay: "+delay+"}\nmonitoring: {prometheusRule: {enabled: true}}", prometheusOperator)
		for _, line := range []string{`{le=~"` + want + "|" + want + `.0"}`, "more than " + want + " seconds to reach a verifier"} {
			if strings.Count(rendered, line) != 1 {
				t.Errorf("with a publish delay of %s there is not one %q", delay, line)
			}
		}
	}
}

func TestARolesOnlyInstallationHasNothingClusterScoped(t *testing.T) {
	t.Parallel()
	for _, o := range parse(t, mustRender(t, namespaced)) {
		if o.text("metadata", "namespace") == "" && o.text("kind") != "CustomResourceDefinition" {
			t.Errorf("there is %s", o.id())
		}
	}
}

// A pod is replaced where a setting has changed that it runs with, and not where something else has.
func TestPodsAreReplacedForChangedSettingsAlone(t *testing.T) {
	t.Parallel()
	template := func(values string) map[string]any {
		pods := map[string]any{}
		for _, program := range programs {
			deployment := mustRender(t, values, "--show-only", "templates/"+program+"-deployment.yaml")
			pods[program] = parse(t, deployment)[0].get("spec", "template")
		}
		return pods
	}
	cases := map[string]struct {
		values, want string
	}{
		"what is beside the pods":       {"verifier: {replicas: 5, service: {annotations: {a: b}}, podDisruptionBudget: {enabled: false}}\nnetworkPolicy: {enabled: true, proxies: [{podSelector: {}}]}\nwebhook: {failurePolicy: Fail}\nmonitoring: {dashboard: {enabled: true}}", ""},
		"a setting of the verifier":     {"verifier: {drainDelay: 6s}", "verifier"},
		"a setting of the manager":      {"manager: {publishDelay: 3s}", "manager"},
		"certificates by cert-manager":  {"webhook: {certManager: {enabled: true}}", "manager"},
		"who restores, told to the API": {"restoreIdentities: [velero]", ""},
	}
	before := template("{}")
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var changed []string
			for program, pod := range template(c.values) {
				if !cmp.Equal(before[program], pod) {
					changed = append(changed, program)
				}
			}
			if got := strings.Join(changed, ","); got != c.want {
				t.Errorf("the pods of %q are replaced, want %q", got, c.want)
			}
		})
	}
}

func TestAKubernetesThatIsTooOldIsRefused(t *testing.T) {
	t.Parallel()
	r := render(t, "{}", "--kube-version", "1.31.9")
	const want = "chart requires kubeVersion: >=1.32.0-0 which is incompatible with Kubernetes v1.31.9"
	if r.err == nil || !strings.Contains(r.stderr, want) {
		t.Errorf("Helm says %q, want %q", r.stderr, want)
	}
	for _, version := range []string{"1.32.0", "v1.32.4-gke.100", "1.38.0-alpha.1"} {
		if r := render(t, "{}", "--kube-version", version); r.err != nil {
			t.Errorf("on Kubernetes %s: %s", version, r.stderr)
		}
	}
}
