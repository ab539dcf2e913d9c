package cluster

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Columns that `kubectl get apikeys` prints: the chart that is upgraded has another instead of the present one.
const (
	presentColumn  = "name: Hint"
	previousColumn = "name: Old hint"
)

const previousCommit = "HEAD~1"

// hasPreviousChart tells whether the previous commit is there and has a chart. Sources without a history have none, nor have
// those whose history was cut off: fetch two commits at least. The log says so.
func hasPreviousChart(t *testing.T) bool {
	t.Helper()
	if _, err := os.Stat(filepath.Join(projectDir, ".git")); errors.Is(err, fs.ErrNotExist) {
		t.Log("these sources have no history: upgrading from the present chart")
		return false
	}
	if _, err := run(t.Context(), "", "git", "rev-parse", "--verify", "--quiet", previousCommit+"^{commit}"); err != nil {
		t.Logf("there is no previous commit: upgrading from the present chart; fetch depth 2 at least for a real one: %v", err)
		return false
	}
	if _, err := run(t.Context(), "", "git", "cat-file", "-e", previousCommit+":"+presentChart+"/Chart.yaml"); err != nil {
		t.Logf("there is no chart in %s: upgrading from the present one: %v", previousCommit, err)
		return false
	}
	return true
}

// previousChart is a copy of the chart as the previous commit has it, or where there is none, as it is now. It runs with the
// present image, since there is no other. Its definition of ApiKeys is made to differ, so that it can be seen to be upgraded.
func previousChart(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	unpack := "git archive " + previousCommit + " " + presentChart + " | tar -x -C '" + dir + "'"
	if !hasPreviousChart(t) {
		unpack = "tar -c " + presentChart + " | tar -x -C '" + dir + "'"
	}
	if _, err := run(t.Context(), "", "bash", "-euo", "pipefail", "-c", unpack); err != nil {
		t.Fatal(err)
	}
	definition := filepath.Join(dir, presentChart, "files/crds/apikey-operator.dev_apikeys.yaml")
	content, err := os.ReadFile(definition)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(content), presentColumn, previousColumn, 1)
	if changed == string(content) {
		t.Fatalf("%s has no %q to change", definition, presentColumn)
	}
	if err := os.WriteFile(definition, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, presentChart)
}

// uninstall uninstalls the release and waits until its pods are gone.
func uninstall(t *testing.T) {
	t.Helper()
	mustHelm(t, "uninstall", release, "--namespace", systemNamespace, "--wait", "--timeout", podTimeout.String())
	await(t, "the release's pods to be gone", podTimeout, func(ctx context.Context) error {
		pods, err := kubectl(ctx, "", "get", "pods", "--namespace", systemNamespace, "--output=name")
		if err == nil && pods != "" {
			err = errors.New(pods)
		}
		return err
	})
}

// whatIsKept is all that makes up the keys of the applications.
func whatIsKept(t *testing.T) string {
	t.Helper()
	keys := mustKubectl(t, "get", "apikeys", "--namespace", appsNamespace,
		`--output=jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.credentials[*].hash}{"\n"}{end}`)
	secrets := mustKubectl(t, "get", "secrets", "steady", "narrow", "--namespace", appsNamespace,
		`--output=jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{"\n"}{end}`)
	return keys + "\n" + secrets
}

// findVerifiersAgain has nginx look up the verifiers' Service anew, which it does once, when it starts.
func findVerifiersAgain(t *testing.T) {
	t.Helper()
	mustKubectl(t, "rollout", "restart", "deployment/nginx", "--namespace", appsNamespace)
	mustKubectl(t, "rollout", "status", "deployment/nginx", "--namespace", appsNamespace, "--timeout="+podTimeout.String())
	awaitAnswer(t, "/reports/1", "steady", http.StatusOK)
}

func comesBack(t *testing.T) {
	before := whatIsKept(t)
	uninstall(t)
	if left := mustKubectl(t, "get", "deployments,services,roles,poddisruptionbudgets", "--namespace", systemNamespace, "--output=name"); left != "" {
		t.Errorf("the release has left %q", left)
	}
	mustKubectl(t, "get", "crd", "apikeys.apikey-operator.dev", "apikeypolicies.apikey-operator.dev")
	if kept := whatIsKept(t); kept != before {
		t.Errorf("kept are\n%s\nwant\n%s", kept, before)
	}
	installRelease(t, previousChart(t))
	findVerifiersAgain(t)
	awaitKept(t, before)
}

// awaitKept looks that the manager has gone on with the keys that were there before, once it has shown that it works.
func awaitKept(t *testing.T, before string) {
	t.Helper()
	mustKubectl(t, "wait", "--for=condition=Ready", "apikey/steady", "--namespace", appsNamespace, "--timeout=1m")
	if kept := whatIsKept(t); kept != before {
		t.Errorf("after it was installed again, there are\n%s\nwant\n%s", kept, before)
	}
}

func upgrades(t *testing.T) {
	expectColumn(t, previousColumn)
	before := whatIsKept(t)
	pods := podNames(t, systemNamespace, "verifier")
	withoutALostRequest(t, func() {
		// Values that bear on the pods, so that all of them are replaced.
		mustHelm(t, append([]string{"upgrade", release, presentChart}, releaseArgs([]string{"verifier.logLevel=DEBUG", "manager.logLevel=DEBUG", "manager.replicas=2"})...)...)
		awaitRollout(t, systemNamespace, "apikey-operator-verifier")
		awaitRollout(t, systemNamespace, "apikey-operator-manager")
	})
	if managers := podNames(t, systemNamespace, "manager"); len(managers) != 2 {
		t.Errorf("the managers are %q, want two of them", managers)
	}
	expectColumn(t, presentColumn)
	awaitKept(t, before)
	for _, pod := range podNames(t, systemNamespace, "verifier") {
		if pod == pods[0] || pod == pods[1] {
			t.Errorf("%s was there before the upgrade, so that nothing was replaced", pod)
		}
	}
}

// keepsKeysToItself has a key issued and refused by pods that write down more than they do otherwise, and looks at that.
func keepsKeysToItself(t *testing.T) {
	rotateByHand(t, "steady", 3)
	expectAnswer(t, "/admin/1", "steady", http.StatusForbidden)
	logs := mustKubectl(t, "logs", "--namespace", systemNamespace, "--selector=app.kubernetes.io/name=apikey-operator", "--tail=-1", "--max-log-requests=10")
	logs += mustKubectl(t, "logs", "--namespace", appsNamespace, "deployment/nginx")
	if !strings.Contains(logs, `"name":"steady"`) {
		t.Error("the logs do not name ApiKeys, so that keys could hardly be in them")
	}
	for _, name := range []string{"steady", "narrow"} {
		key := mustKubectl(t, "get", "secret", name, "--namespace", appsNamespace, `--output=go-template={{index .data "api-key" | base64decode}}`)
		if len(key) < 20 || strings.Contains(logs, key) {
			t.Errorf("the key of %s is in a log, or is none", name)
		}
	}
}

// expectColumn looks for a column of the definition of ApiKeys.
func expectColumn(t *testing.T, column string) {
	t.Helper()
	names := mustKubectl(t, "get", "crd", "apikeys.apikey-operator.dev",
		`--output=jsonpath={range .spec.versions[0].additionalPrinterColumns[*]}name: {.name}{"\n"}{end}`)
	if !strings.Contains(names, column) {
		t.Errorf("ApiKeys have the columns\n%s\nwant one with %q", names, column)
	}
}
