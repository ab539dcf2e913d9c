package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/test/cluster/traffic"
)

const (
	systemNamespace = "apikey-operator-system"
	appsNamespace   = "apps"
	// podTimeout is how long pods may take to be as they are told, on a machine that has other things to do as well.
	podTimeout = 2 * time.Minute
)

// askClient gets something of the client in its pod, through the API server, which reaches pods wherever the test cannot.
func askClient(ctx context.Context, path string, query url.Values, into any) error {
	client, err := rest.HTTPClientFor(env.config)
	if err != nil {
		return err
	}
	address := env.config.Host + "/api/v1/namespaces/" + appsNamespace + "/pods/client:8080/proxy/" + path + "?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the client answered %s: %s", response.Status, body)
	}
	return json.Unmarshal(body, into)
}

// send has the client send a request with the key of a file, and returns what it was answered, and where that came from the
// application also what arrived there.
func send(ctx context.Context, path, key string) (answer traffic.Answer, arrived traffic.Request, err error) {
	if err := askClient(ctx, "ask", url.Values{"path": {path}, "key": {key}}, &answer); err != nil {
		return answer, arrived, err
	}
	if answer.Status == http.StatusOK {
		err = json.Unmarshal([]byte(answer.Body), &arrived)
	}
	return answer, arrived, err
}

// podNames are the names of the pods of a part of ours that are not ending.
func podNames(t *testing.T, namespace, component string) []string {
	t.Helper()
	output := mustKubectl(t, "get", "pods", "--namespace", namespace, "--selector=app.kubernetes.io/component="+component,
		`--output=jsonpath={range .items[*]}{.metadata.name}/{.metadata.deletionTimestamp}{"\n"}{end}`)
	var names []string
	for line := range strings.Lines(output) {
		if name, ends, _ := strings.Cut(strings.TrimSpace(line), "/"); ends == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// awaitRollout waits until all pods of a Deployment are its newest and ready, and its old ones have ended.
func awaitRollout(t *testing.T, namespace, deployment string) {
	t.Helper()
	mustKubectl(t, "rollout", "status", "deployment/"+deployment, "--namespace", namespace, "--timeout="+podTimeout.String())
	await(t, "the old pods of "+deployment+" to be gone", podTimeout, func(ctx context.Context) error {
		_, component, _ := strings.Cut(deployment, "apikey-operator-")
		pods, err := kubectl(ctx, "", "get", "pods", "--namespace", namespace, "--selector=app.kubernetes.io/component="+component,
			"--output=jsonpath={.items[*].metadata.deletionTimestamp}")
		if err == nil && pods != "" {
			err = errors.New("some are still ending")
		}
		return err
	})
}

// showWhatHappened prints what a failure can be understood by.
func showWhatHappened(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"get", "pods", "--all-namespaces", "--output=wide"},
		{"get", "apikeys,apikeypolicies", "--all-namespaces"},
		{"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
		{"logs", "--namespace", systemNamespace, "--selector=app.kubernetes.io/name=apikey-operator", "--prefix", "--tail=15"},
		{"logs", "--namespace", appsNamespace, "deployment/nginx", "--tail=30"},
	} {
		// The test's context is over by now.
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		output, err := kubectl(ctx, "", args...)
		cancel()
		t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, lastLines(output, 60))
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
