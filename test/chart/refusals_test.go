package chart

import (
	"strings"
	"testing"
)

// What the schema refuses is named by its place in the values; what makes no sense together, in a sentence of the chart.
func TestValuesThatMakeNoSenseAreRefusedWithAReason(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		values string
		want   string // in Helm's message
	}{
		"a value that is misspelled":               {"verifer: {replicas: 3}", "additional properties 'verifer' not allowed"},
		"a value that is misspelled further down":  {"verifier: {tls: {secret: x}}", "at '/verifier/tls': additional properties 'secret' not allowed"},
		"a number as text":                         {"verifier: {replicas: '3'}", "at '/verifier/replicas': got string, want integer"},
		"half a replica":                           {"verifier: {replicas: 1.5}", "at '/verifier/replicas': got number, want integer"},
		"fewer than no replicas":                   {"manager: {replicas: -1}", "at '/manager/replicas': minimum: got -1, want 0"},
		"text as a truth":                          {"crds: {keep: 'yes'}", "at '/crds/keep': got string, want boolean"},
		"a duration without a unit":                {"verifier: {drainDelay: 5}", "at '/verifier/drainDelay': got number, want string"},
		"a unit that Go does not know":             {"manager: {expiringWindow: 30d}", "at '/manager/expiringWindow': '30d' does not match pattern"},
		"an unknown failure policy":                {"webhook: {failurePolicy: Warn}", "at '/webhook/failurePolicy': value must be one of 'Ignore', 'Fail'"},
		"an unknown way to stamp":                  {"webhook: {stamp: on}", "at '/webhook/stamp'"},
		"a webhook that is waited for too long":    {"webhook: {timeoutSeconds: 31}", "at '/webhook/timeoutSeconds': maximum: got 31, want 30"},
		"memory that is none":                      {"verifier: {resources: {limits: {memory: much}}}", "at '/verifier/resources/limits/memory': 'much' does not match pattern"},
		"no memory":                                {"verifier: {resources: {limits: {memory: 0}}}", "at '/verifier/resources/limits/memory'"},
		"a digest that is too short":               {"image: {digest: 'sha256:abc'}", "at '/image/digest': 'sha256:abc' does not match pattern"},
		"a tag with a blank":                       {"image: {tag: 'a b'}", "at '/image/tag'"},
		"a label that selects pods":                {"commonLabels: {app.kubernetes.io/name: other}", "commonLabels: app.kubernetes.io/name is for the chart to set"},
		"a label that selects pods, on pods":       {"verifier: {podLabels: {app.kubernetes.io/component: other}}", "verifier.podLabels: app.kubernetes.io/component is for the chart to set"},
		"a label that gives rights away":           {"commonLabels: {rbac.authorization.k8s.io/aggregate-to-edit: 'true'}", "commonLabels: rbac.authorization.k8s.io/aggregate-to-edit would give the rights of the manager"},
		"a label with a blank":                     {"commonLabels: {a team: b}", "at '/commonLabels': additional properties 'a team' not allowed"},
		"a value that is taken away":               {"verifier: {replicas: null}", "at '/verifier': missing property 'replicas'"},
		"a group of values that is taken away":     {"verifier: {tls: null}", "at '/verifier': missing property 'tls'"},
		"a label whose value is no text":           {"commonLabels: {team: 7}", "at '/commonLabels/team': got number, want string"},
		"a namespace that cannot be":               {"watchNamespaces: [Team_A]", "at '/watchNamespaces/0': 'Team_A' does not match pattern"},
		"a namespace that is named twice":          {"watchNamespaces: [a, a]", "watchNamespaces: a namespace is named twice"},
		"a restorer that would end the expression": {`restoreIdentities: ['a"]']`, "at '/restoreIdentities/0'"},
		"an argument that is no flag":              {"manager: {extraArgs: [verifier]}", "at '/manager/extraArgs/0': 'verifier' does not match pattern"},
		"a variable without a name":                {"verifier: {extraEnv: [{value: x}]}", "at '/verifier/extraEnv/0': missing property 'name'"},
		"a peer that names nobody":                 {"networkPolicy: {enabled: true, proxies: [{}]}", "at '/networkPolicy/proxies/0'"},
		"a peer with two addresses for one":        {"networkPolicy: {enabled: true, proxies: [{ipBlock: {cidr: 10.0.0.1}}]}", "at '/networkPolicy/proxies/0/ipBlock/cidr'"},
		"a port that cannot be":                    {"networkPolicy: {egress: {apiServerPorts: [65536]}}", "at '/networkPolicy/egress/apiServerPorts/0': maximum"},
		"a policy for no namespaces":               {"starterPolicy: {enabled: true, spec: null}", "at '/starterPolicy': missing property 'spec'"},
		"a Redis that is no address":               {"verifier: {rateLimit: {store: redis, redis: {addresses: [redis]}}}", "at '/verifier/rateLimit/redis/addresses/0': 'redis' does not match pattern"},

		"namespaces and a webhook":            {"watchNamespaces: [a]\nwebhook: {enabled: true}", "webhook.enabled: with watchNamespaces there are Roles only, and a webhook configuration is cluster-scoped"},
		"namespaces and admission policies":   {"watchNamespaces: [a]\nadmissionPolicies: {enabled: true}", "admissionPolicies.enabled: with watchNamespaces there are Roles only"},
		"namespaces and a starter policy":     {"watchNamespaces: [a]\nstarterPolicy: {enabled: true}", "starterPolicy.enabled: with watchNamespaces there are Roles only, and an ApiKeyPolicy is cluster-scoped"},
		"namespaces where nothing is granted": {"watchNamespaces: [a]\nmanager: {defaultPolicy: deny}", "manager.defaultPolicy: with watchNamespaces no ApiKeyPolicy can be read, so deny would refuse every key"},
		"namespaces and restorers":            {"watchNamespaces: [a]\nrestoreIdentities: [b]", "restoreIdentities: with watchNamespaces there is no admission policy"},
		"namespaces and cert-manager":         {"watchNamespaces: [a]\nwebhook: {certManager: {enabled: true}}", "webhook.certManager.enabled: there is no webhook to have a certificate"},
		"a starter policy nobody lets in":     {"webhook: {failurePolicy: Fail}\nstarterPolicy: {enabled: true}", "starterPolicy.enabled: with webhook.failurePolicy Fail the policy is refused until a manager is ready"},
		"a stamp by no webhook":               {"webhook: {enabled: false, stamp: webhook}", "webhook.stamp: there is no webhook to stamp"},
		"a stamp by no policy":                {"admissionPolicies: {enabled: false}\nwebhook: {stamp: policy}", "webhook.stamp: policy is one of the admission policies, and there are none"},
		"fewer replicas than at least":        {"verifier: {autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 3}}", "verifier.autoscaling: minReplicas 5 is more than maxReplicas 3"},
		"a part of nothing":                   {"verifier: {autoscaling: {enabled: true}, resources: {requests: {cpu: null}}}", "verifier.autoscaling: utilization is a part of verifier.resources.requests.cpu"},
		"a budget of no pod":                  {"verifier: {podDisruptionBudget: {maxUnavailable: 0}}", "verifier.podDisruptionBudget.maxUnavailable: 0 lets no pod be evicted"},
		"a budget of no part":                 {"verifier: {podDisruptionBudget: {maxUnavailable: 0%}}", "verifier.podDisruptionBudget.maxUnavailable: 0% lets no pod be evicted"},
		"a budget that keeps all":             {"manager: {replicas: 2, podDisruptionBudget: {minAvailable: 2}}", "manager.podDisruptionBudget.minAvailable: 2 of 2 lets no pod be evicted"},
		"a budget that keeps the only one":    {"verifier: {replicas: 1, podDisruptionBudget: {minAvailable: 1}}", "verifier.podDisruptionBudget.minAvailable: 1 of 1 lets no pod be evicted"},
		"a budget that keeps half of one":     {"verifier: {replicas: 1, podDisruptionBudget: {minAvailable: 50%}}", "verifier.podDisruptionBudget.minAvailable: 50% of 1 lets no pod be evicted"},
		"a budget that keeps all at least":    {"verifier: {autoscaling: {enabled: true, minReplicas: 3}, podDisruptionBudget: {minAvailable: 3}}", "verifier.podDisruptionBudget.minAvailable: 3 of 3 lets no pod be evicted"},
		"a budget of nothing":                 {"verifier: {podDisruptionBudget: {maxUnavailable: null}}", "verifier.podDisruptionBudget: neither maxUnavailable nor minAvailable is given"},
		"a load balancer for everybody":       {"verifier: {service: {type: LoadBalancer}}", "verifier.service.loadBalancerSourceRanges: whoever reaches the load balancer could try keys"},
		"ranges of no load balancer":          {"verifier: {service: {loadBalancerSourceRanges: [10.0.0.0/8]}}", "verifier.service.loadBalancerSourceRanges: there is no load balancer"},
		"names of clients without their CA":   {"verifier: {tls: {secretName: a, clientNames: [b]}}", "verifier.tls.clientNames: names are taken from certificates of proxies: give verifier.tls.clientCA too"},
		"a CA of clients without TLS":         {"verifier: {tls: {clientCA: {secretName: a}}}", "verifier.tls.clientCA: proxies show certificates over TLS alone"},
		"two CAs of clients":                  {"verifier: {tls: {secretName: a, clientCA: {secretName: b, configMapName: c}}}", "verifier.tls.clientCA: secretName and configMapName are given"},
		"Redis without an address":            {"verifier: {rateLimit: {store: redis}}", "verifier.rateLimit.redis.addresses: requests are to be counted in Redis: say where it is"},
		"a Redis that is not used":            {"verifier: {rateLimit: {redis: {passwordSecret: {name: a}}}}", "verifier.rateLimit.redis: requests are counted in memory"},
		"a CA of Redis without TLS":           {"verifier: {rateLimit: {store: redis, redis: {addresses: ['a:1'], tls: {caSecret: {name: a}}}}}", "verifier.rateLimit.redis.tls.caSecret: there is no certificate to check without TLS"},
		"no traces, and those without TLS":    {"verifier: {tracing: {insecure: true}}", "verifier.tracing.insecure: nothing is traced without verifier.tracing.endpoint"},
		"a header with another meaning":       {"verifier: {credential: {header: X-Forwarded-Key}}", "verifier.credential.header: X-Forwarded-Key has another meaning"},
		"a network without proxies":           {"networkPolicy: {enabled: true}", "networkPolicy.proxies: nobody could ask the verifiers: say where the proxies run"},
		"monitors that reach nothing":         {"networkPolicy: {enabled: true, proxies: [{podSelector: {}}]}\nmonitoring: {podMonitor: {enabled: true}}", "networkPolicy.monitoring: there are to be PodMonitors, and nobody could read the metrics"},
		"a Redis that is out of reach":        {"networkPolicy: {enabled: true, proxies: [{podSelector: {}}], egress: {enabled: true}}\nverifier: {rateLimit: {store: redis, redis: {addresses: ['a:1']}}}", "networkPolicy.egress.extra: verifiers could reach neither Redis nor a collector of traces"},
		"a collector that is out of reach":    {"networkPolicy: {enabled: true, proxies: [{podSelector: {}}], egress: {enabled: true}}\nverifier: {tracing: {endpoint: 'a:1'}}", "networkPolicy.egress.extra: verifiers could reach neither Redis nor a collector of traces"},
		"proxies that are named for nothing":  {"networkPolicy: {proxies: [{podSelector: {}}]}", "networkPolicy: it says who may connect, and is not enabled"},
		"a flag that a value sets":            {"verifier: {extraArgs: [--drain-delay=7s]}", "verifier.extraArgs: --drain-delay is for the chart to set"},
		"a flag that a value would set":       {"manager: {extraArgs: [--restore-mode]}", "manager.extraArgs: --restore-mode is for the chart to set"},
		"a flag of Redis":                     {"verifier: {extraArgs: [--redis-username=a]}", "verifier.extraArgs: --redis-username is for the chart to set"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := render(t, c.values)
			if r.err == nil || !strings.Contains(r.stderr, c.want) {
				t.Errorf("with\n%s\nHelm says\n%s\nwant %q in it", c.values, r.stderr, c.want)
			}
		})
	}
}

// All of it is told at once, or whoever mends it has to try as many times as there are mistakes.
func TestEverythingThatMakesNoSenseTogetherIsToldAtOnce(t *testing.T) {
	t.Parallel()
	r := render(t, "watchNamespaces: [a]\nstarterPolicy: {enabled: true}\nwebhook: {enabled: true}\nverifier: {rateLimit: {store: redis}, drainDelay: 6m}")
	for _, want := range []string{"starterPolicy.enabled:", "webhook.enabled:", "verifier.rateLimit.redis.addresses:", "verifier.drainDelay: 6m is out of range: give 0s to 5m"} {
		if !strings.Contains(r.stderr, "\n  - "+want) {
			t.Errorf("Helm says\n%s\nwant a line with %q", r.stderr, want)
		}
	}
}

func TestAPolicyCannotStampOnAnOlderKubernetes(t *testing.T) {
	t.Parallel()
	r := render(t, "webhook: {stamp: policy}", "--kube-version", "1.35.2")
	if want := "webhook.stamp: policy needs Kubernetes 1.36, and this is v1.35.2"; r.err == nil || !strings.Contains(r.stderr, want) {
		t.Errorf("Helm says %q, want %q", r.stderr, want)
	}
}

func TestTrafficStaysInAZoneOnlyWhereKubernetesKnowsHow(t *testing.T) {
	t.Parallel()
	const values = "verifier: {service: {trafficDistribution: PreferSameZone}}"
	r := render(t, values, "--kube-version", "1.33.5-gke.100")
	if want := "verifier.service.trafficDistribution: PreferSameZone needs Kubernetes 1.34, and this is v1.33.5-gke.100: give PreferClose"; r.err == nil || !strings.Contains(r.stderr, want) {
		t.Errorf("Helm says %q, want %q", r.stderr, want)
	}
	if r := render(t, values, "--kube-version", "1.34.0"); r.err != nil {
		t.Errorf("with Kubernetes 1.34: %s", r.stderr)
	}
}

// What makes no sense together Helm's linter only notes: it lets templates fail, since it may lack values.
func TestLintRefusesWhatTheSchemaRefuses(t *testing.T) {
	t.Parallel()
	r := run(t, "verifier: {replicas: many}", tools["HELM"], "lint", chartDir, "--values", "-")
	if want := "at '/verifier/replicas': got string, want integer"; r.err == nil || !strings.Contains(r.stdout+r.stderr, want) {
		t.Errorf("helm lint says\n%s%s\nwant %q", r.stdout, r.stderr, want)
	}
}
