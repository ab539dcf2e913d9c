package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACommandLineThatMakesNoSenseStopsWithOneLineAndExitCode2(t *testing.T) {
	cases := map[string]struct {
		args      []string
		wantWords string
	}{
		"no program":             {nil, "manager or verifier"},
		"an unknown program":     {[]string{"serve"}, `unknown program "serve"`},
		"an unknown flag":        {[]string{"manager", "--nope"}, "unknown flag: --nope"},
		"a word too many":        {[]string{"verifier", "now"}, `unexpected argument "now"`},
		"a value of no kind":     {[]string{"manager", "--publish-delay", "soon"}, "--publish-delay"},
		"a negative delay":       {[]string{"manager", "--publish-delay", "-1s"}, "give 0s to 20s"},
		"a delay past the fence": {[]string{"manager", "--publish-delay", "1m"}, "give 0s to 20s"},
		"a manager's address":    {[]string{"manager", "--metrics-bind-address", "8080"}, "give HOST:PORT or :PORT"},
		"a probe's address":      {[]string{"manager", "--health-probe-bind-address", "x"}, "give HOST:PORT or :PORT"},
		"a webhook's address":    {[]string{"manager", "--webhook-bind-address", "9443"}, "give HOST:PORT or :PORT"},
		"a webhook's port 0":     {[]string{"manager", "--leader-election-namespace=home", "--webhook-bind-address", ":0"}, "--webhook-bind-address: give a port"},
		"a Service of no name":   {[]string{"manager", "--leader-election-namespace=home", "--webhook-service", "a.b"}, "--webhook-service"},
		"a webhook on a probe":   {[]string{"manager", "--webhook-bind-address", ":8081"}, "--health-probe-bind-address already"},
		"a verifier's address":   {[]string{"verifier", "--bind-address", "9090"}, "give HOST:PORT or :PORT"},
		"a metrics address":      {[]string{"verifier", "--metrics-bind-address", "9090"}, "give HOST:PORT or :PORT"},
		"a drain of hours":       {[]string{"verifier", "--drain-delay", "2h"}, "give 0s to 5m0s"},
		"a header with a space":  {[]string{"verifier", "--credential-header", "a b"}, "credential header"},
		"a header of our own":    {[]string{"verifier", "--credential-header", "X-Apikey-Tenant"}, "another meaning"},
		"a cookie with a space":  {[]string{"verifier", "--credential-cookie", "a b"}, "cookie"},
		"a parameter with =":     {[]string{"verifier", "--credential-query", "a=b"}, "query parameter"},
		"a realm with a quote":   {[]string{"verifier", "--realm", `a"b`}, "realm"},
		"tiny headers":           {[]string{"verifier", "--max-header-bytes", "10"}, "header size"},
		"no connections":         {[]string{"verifier", "--max-connections", "0"}, "connections"},
		"a time-out of nothing":  {[]string{"verifier", "--idle-timeout", "0s"}, "idle time-out"},
		"an unknown kind of log": {[]string{"verifier", "--decision-log", "some"}, "--decision-log"},
		"a sample of nothing":    {[]string{"verifier", "--decision-log-sample", "0"}, "--decision-log-sample"},
		"a proxy of no range":    {[]string{"verifier", "--trusted-proxies", "10.0.0.0/33"}, "--trusted-proxies"},
		"an unknown store":       {[]string{"verifier", "--rate-limit-store", "disk"}, "--rate-limit-store"},
		"Redis without a word":   {[]string{"verifier", "--redis-address", "r:6379"}, "give redis"},
		"Redis nowhere":          {[]string{"verifier", "--rate-limit-store", "redis"}, "--redis-address"},
		"Redis for an hour":      {[]string{"verifier", "--rate-limit-store", "redis", "--redis-address", "r:1", "--redis-timeout", "1h"}, "--redis-timeout"},
		"Redis with braces":      {[]string{"verifier", "--rate-limit-store", "redis", "--redis-address", "r:1", "--redis-key-prefix", "{a}"}, "--redis-key-prefix"},
		"an unknown policy":      {[]string{"verifier", "--redis-failure-policy", "maybe"}, "--redis-failure-policy"},
		"a CA without TLS":       {[]string{"verifier", "--rate-limit-store", "redis", "--redis-address", "r:1", "--redis-tls-ca-file", "x"}, "--redis-tls"},
		"TLS without a key":      {[]string{"verifier", "--tls-cert-file", "tls.crt"}, "--tls-key-file: the key"},
		"names without a CA":     {[]string{"verifier", "--tls-cert-file=c", "--tls-key-file=k", "--tls-client-names=a"}, "give --tls-client-ca-file too"},
		"a name with a wildcard": {[]string{"verifier", "--tls-cert-file=c", "--tls-key-file=k", "--tls-client-ca-file=a", "--tls-client-names=*.b"}, "--tls-client-names"},
		"a collector by its URL": {[]string{"verifier", "--tracing-endpoint", "http://a:4317"}, "--tracing-endpoint"},
		"a ratio in percent":     {[]string{"verifier", "--tracing-sample-ratio", "10"}, "--tracing-sample-ratio"},
		"stale within a minute":  {[]string{"verifier", "--max-staleness", "1m"}, "give 2m0s or more"},
		"a negative staleness":   {[]string{"verifier", "--max-staleness", "-1h"}, "--max-staleness"},
		"an unknown log level":   {[]string{"verifier", "--log-level", "loud"}, "give DEBUG, INFO, WARN or ERROR"},
		"a level at which the client library logs the bodies of Secrets": {
			[]string{"manager", "--log-level", "DEBUG-6"}, "give DEBUG, INFO, WARN or ERROR",
		},
		"a port that is none":    {[]string{"verifier", "--bind-address", ":70000"}, "give HOST:PORT or :PORT"},
		"a port by another name": {[]string{"manager", "--metrics-bind-address", ":http-alt"}, "give HOST:PORT or :PORT"},
		"one address for two":    {[]string{"verifier", "--bind-address", ":8080"}, "--bind-address already"},
		"no namespace for the lease": {
			[]string{"manager", "--kubeconfig", kubeconfig(t)}, "--leader-election-namespace",
		},
		"no namespace for the webhook's certificates": {
			[]string{"manager", "--leader-elect=false", "--kubeconfig", kubeconfig(t)}, "--webhook-bind-address=0",
		},
		"a namespace of no name":  {[]string{"verifier", "--watch-namespaces", "team-a,Team_B"}, `"Team_B" is no name of a namespace`},
		"a namespace left out":    {[]string{"verifier", "--watch-namespaces", "team-a,,team-b"}, `"" is no name of a namespace`},
		"a namespace twice":       {[]string{"verifier", "--watch-namespaces", "a,b", "--watch-namespaces", "a"}, "a is listed twice"},
		"too many namespaces":     {[]string{"verifier", "--watch-namespaces", "n" + strings.Repeat(",n", 100)}, "101 are too many: give 100 at most"},
		"a manager's namespace":   {[]string{"manager", "--leader-elect=false", "--watch-namespaces", "*"}, `"*" is no name of a namespace`},
		"namespaces and policies": {[]string{"manager", "--leader-elect=false", "--watch-namespaces=a", "--webhook-bind-address=0"}, "--default-policy: give allow"},
		"namespaces and a webhook": {
			[]string{"manager", "--leader-elect=false", "--watch-namespaces=a", "--default-policy=allow"}, "--webhook-bind-address: give 0",
		},
		"namespaces and a webhook with certificates": {
			[]string{"manager", "--leader-elect=false", "--watch-namespaces=a", "--default-policy=allow", "--webhook-cert-dir=/certs"},
			"--webhook-bind-address: give 0",
		},
		"no such kubeconfig": {[]string{"verifier", "--kubeconfig", "/nowhere/kubeconfig"}, "--kubeconfig"},
		"a kubeconfig that is not one": {
			[]string{"manager", "--leader-elect=false", "--webhook-bind-address=0", "--kubeconfig", notAKubeconfig(t)}, "--kubeconfig",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(t.Context(), c.args, &stderr); code != exitUsage {
				t.Errorf("the exit code is %d, want %d", code, exitUsage)
			}
			said := stderr.String()
			if !strings.Contains(said, c.wantWords) {
				t.Errorf("it said %q, want it to contain %q", said, c.wantWords)
			}
			if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "apikey-operator: ") {
				t.Errorf("it said %q, want one line", said)
			}
		})
	}
}

func TestAPortThatIsTakenIsAFailureAndNoUsageError(t *testing.T) {
	taken, err := listen(t.Context(), "bind-address", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	var stderr bytes.Buffer
	code := run(t.Context(), []string{
		"verifier", "--kubeconfig", kubeconfig(t), "--bind-address", taken.Addr().String(), "--metrics-bind-address", "127.0.0.1:0",
	}, &stderr)
	if code != exitFailure || !strings.Contains(stderr.String(), "--bind-address") {
		t.Errorf("it ended with %d and said %q, want %d and the flag's name", code, stderr.String(), exitFailure)
	}
}

func TestFilesForTLSThatAreNotThereAreAFailureAtTheStart(t *testing.T) {
	var stderr bytes.Buffer
	code := run(t.Context(), []string{
		"verifier", "--kubeconfig", kubeconfig(t), "--bind-address", "127.0.0.1:0", "--metrics-bind-address", "127.0.0.1:0",
		"--tls-cert-file", "/nowhere/tls.crt", "--tls-key-file", "/nowhere/tls.key",
	}, &stderr)
	if code != exitFailure || !strings.Contains(stderr.String(), "--tls-cert-file: open /nowhere/tls.crt") {
		t.Errorf("it ended with %d and said %q, want %d and what is missing", code, stderr.String(), exitFailure)
	}
}

func notAKubeconfig(t *testing.T) string {
	t.Helper()
	return write(t, "these are no words of YAML: [")
}

// kubeconfig names an API server that nobody asks in these tests.
func kubeconfig(t *testing.T) string {
	t.Helper()
	return write(t, `{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],
"contexts":[{"name":"x","context":{"cluster":"c"}}],"current-context":"x"}`)
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
