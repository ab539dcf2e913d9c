package cluster

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/cluster/traffic"
)

const (
	release      = "apikey-operator"
	presentChart = "charts/apikey-operator"
)

// installRelease installs a chart with helm, which returns when the pods are ready by their probes.
func installRelease(t *testing.T, chart string, values ...string) {
	t.Helper()
	mustHelm(t, append([]string{"install", release, chart}, releaseArgs(values)...)...)
}

// releaseArgs are what installing and upgrading have in common; values are such as verifier.replicas=3.
func releaseArgs(values []string) []string {
	args := []string{"--namespace", systemNamespace, "--wait", "--timeout", podTimeout.String(), "--set-string", "image.tag=" + env.version}
	for _, value := range values {
		args = append(args, "--set", value)
	}
	return args
}

// restrictedNamespace makes a namespace that takes no pod that Pod Security does not call restricted.
func restrictedNamespace(t *testing.T, name string) {
	t.Helper()
	apply(t, fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {pod-security.kubernetes.io/enforce: restricted}}}", name))
}

func installs(t *testing.T) {
	restrictedNamespace(t, systemNamespace)
	restrictedNamespace(t, appsNamespace)
	installRelease(t, presentChart)
	awaitDefinitions(t)

	applyFile(t, "keys.yaml")
	mustKubectl(t, "wait", "--for=condition=Ready", "apikey", "--all", "--namespace", appsNamespace, "--timeout="+podTimeout.String())
	configureNginx(t, func(_, text string) string { return text })
	applyFile(t, "apps.yaml")
	mustKubectl(t, "wait", "--for=condition=Ready", "pod", "--all", "--namespace", appsNamespace, "--timeout="+podTimeout.String())
}

// awaitDefinitions waits until the API server takes ApiKeys: it reads their schema for a MutatingAdmissionPolicy every 5 seconds
// only, and answers that it is not available before (docs/troubleshooting.md).
func awaitDefinitions(t *testing.T) {
	t.Helper()
	probe := fmt.Sprintf("{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: probe, namespace: %s}, spec: {permissions: [\"reports:read\"]}}", appsNamespace)
	await(t, "the API server to take ApiKeys", time.Minute, func(ctx context.Context) error {
		_, err := kubectl(ctx, probe, "apply", "--dry-run=server", "-f", "-")
		if err != nil && !strings.Contains(err.Error(), "Kind=ApiKey not found") {
			return nil // it was looked at, whatever became of it
		}
		return err
	})
}

func runsAsTheChartSays(t *testing.T) {
	for component, want := range map[string]int{"manager": 1, "verifier": 2} {
		if pods := podNames(t, systemNamespace, component); len(pods) != want {
			t.Errorf("pods of the %s are %q, want %d", component, pods, want)
		}
	}
	started := mustKubectl(t, "get", "pods", "--namespace", systemNamespace,
		`--output=jsonpath={range .items[*]}{.status.containerStatuses[*].restartCount} {.spec.containers[*].image}{"\n"}{end}`)
	for line := range strings.Lines(started) {
		if want := "0 ghcr.io/apikey-operator/apikey-operator:" + env.version; strings.TrimSpace(line) != want {
			t.Errorf("restarts and image of a pod are %q, want %q", line, want)
		}
	}
	spread := mustKubectl(t, "get", "deployment", "apikey-operator-verifier", "--namespace", systemNamespace,
		"--output=jsonpath={.spec.template.spec.topologySpreadConstraints[*].topologyKey}")
	if !strings.Contains(spread, "kubernetes.io/hostname") {
		t.Errorf("verifiers are spread over %q, want over nodes", spread)
	}
	await(t, "the disruption budget to count the verifiers", podTimeout, func(ctx context.Context) error {
		budget, err := kubectl(ctx, "", "get", "poddisruptionbudget", "apikey-operator-verifier", "--namespace", systemNamespace,
			"--output=jsonpath={.status.currentHealthy} healthy, {.status.disruptionsAllowed} may go")
		if want := "2 healthy, 1 may go"; err == nil && budget != want {
			err = fmt.Errorf("it says %q, want %q", budget, want)
		}
		return err
	})
}

func decides(t *testing.T) {
	awaitTraffic(t, traffic.Report{})
	for name, c := range map[string]struct {
		path, key string
		want      int
	}{
		"a key with the permission":                     {"/reports/1", "steady", http.StatusOK},
		"a key with another permission":                 {"/reports/1", "narrow", http.StatusForbidden},
		"a key on a route that demands more":            {"/admin/1", "steady", http.StatusForbidden},
		"no key":                                        {"/reports/1", "", http.StatusUnauthorized},
		"no key where something else would be demanded": {"/admin/1", "", http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) { expectAnswer(t, c.path, c.key, c.want) })
	}
	_, arrived, err := send(t.Context(), "/reports/1?from=2026", "steady")
	if err != nil {
		t.Fatal(err)
	}
	if want := "/reports/1?from=2026"; arrived.URI != want {
		t.Errorf("the application was asked for %q, want %q", arrived.URI, want)
	}
	for header, want := range map[string]string{
		"X-Apikey-Namespace": appsNamespace, "X-Apikey-Name": "steady", "X-Apikey-Permissions": "reports:read", "X-Apikey-Revision": "1", "X-Api-Key": "",
	} {
		if got := arrived.Headers.Get(header); got != want {
			t.Errorf("the application was told %s %q, want %q", header, got, want)
		}
	}

	// What is changed with kubectl reaches the verifiers' pods.
	patchKey(t, "narrow", `{"spec":{"permissions":["reports:read"]}}`)
	awaitAnswer(t, "/reports/1", "narrow", http.StatusOK)
	patchKey(t, "narrow", `{"spec":{"suspended":true}}`)
	awaitAnswer(t, "/reports/1", "narrow", http.StatusUnauthorized)
}

func patchKey(t *testing.T, name, patch string) {
	t.Helper()
	mustKubectl(t, "patch", "apikey", name, "--namespace", appsNamespace, "--type=merge", "--patch", patch)
}

func expectAnswer(t *testing.T, path, key string, want int) {
	t.Helper()
	answer, _, err := send(t.Context(), path, key)
	if err != nil || answer.Status != want {
		t.Errorf("%s with key %q was answered %d (%v), want %d", path, key, answer.Status, err, want)
	}
}

func awaitAnswer(t *testing.T, path, key string, want int) {
	t.Helper()
	await(t, fmt.Sprintf("%s with key %q to be answered %d", path, key, want), time.Minute, func(ctx context.Context) error {
		answer, _, err := send(ctx, path, key)
		if err == nil && answer.Status != want {
			err = fmt.Errorf("it was answered %d", answer.Status)
		}
		return err
	})
}

// refusesAtOnce rests on the webhook's failure policy, Ignore: a refusal can come from the manager's pod alone.
func refusesAtOnce(t *testing.T) {
	const refused = `{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: refused, namespace: apps}, spec: {permissions: [admin]}}`
	await(t, "an ApiKey to be refused", time.Minute, func(ctx context.Context) error {
		_, err := kubectl(ctx, refused, "apply", "--dry-run=server", "-f", "-")
		if err == nil {
			return fmt.Errorf("it was taken")
		}
		for _, want := range []string{`admission webhook "apikeys.apikey-operator.dev" denied the request`, `"admin"`} {
			if !strings.Contains(err.Error(), want) {
				return fmt.Errorf("it was refused without %q: %w", want, err)
			}
		}
		return nil
	})
	const allowed = `{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKey, metadata: {name: allowed, namespace: apps}, spec: {permissions: ["reports:read"]}}`
	if _, err := kubectl(t.Context(), allowed, "apply", "--dry-run=server", "-f", "-"); err != nil {
		t.Errorf("an ApiKey that the policy allows was refused: %v", err)
	}
}
