package chart

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

var programs = []string{"manager", "verifier"}

// start runs a program with the arguments of its container, far from any cluster: what it says last of all that it can tell
// without one is that there is no such kubeconfig.
func start(t *testing.T, args []string) result {
	t.Helper()
	args = append(slices.Clone(args), "--kubeconfig=/nowhere/at/all")
	if args[0] == "manager" {
		args = append(args, "--leader-election-namespace=apikey-operator-system") // which it would be told by its pod
	}
	return run(t, "", tools["APIKEY_OPERATOR"], args...)
}

func isAccepted(r result) bool { return strings.HasPrefix(r.stderr, "apikey-operator: --kubeconfig: ") }

func TestTheProgramsTakeWhatTheChartTellsThem(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]string{
		"the defaults": "{}", "everything": everything, "Roles only": namespaced,
		"little": "webhook: {enabled: false}\nverifier: {grpc: {enabled: false}}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, program := range programs {
				args := arguments(t, values, program)
				if r := start(t, args); !isAccepted(r) {
					t.Errorf("the %s refuses %q: %s", program, args, r.stderr)
				}
			}
		})
	}
}

// usage finds a flag and its default in what --help prints.
var usage = regexp.MustCompile(`(?m)^ +--([a-z0-9-]+)[^\n]*?(?:\(default "?([^")]*)"?\))?$`)

func TestTheDefaultsOfTheChartAreThoseOfThePrograms(t *testing.T) {
	t.Parallel()
	for _, program := range programs {
		defaults := map[string]string{}
		for _, found := range usage.FindAllStringSubmatch(run(t, "", tools["APIKEY_OPERATOR"], program, "--help").stdout, -1) {
			defaults[found[1]] = found[2]
		}
		for _, arg := range arguments(t, "{}", program)[1:] {
			flag, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			standard, known := defaults[flag]
			if !known {
				t.Errorf("the %s has no flag --%s", program, flag)
			}
			if canonical(value) != canonical(standard) {
				t.Errorf("the chart has the %s run with %s, whose default is %q", program, arg, standard)
			}
		}
	}
}

// canonical writes durations one way, and what is nothing, which --help leaves out, as nothing.
func canonical(value string) string {
	if d, err := time.ParseDuration(value); err == nil {
		value = d.String()
	}
	if slices.Contains([]string{"0s", "false", "[]"}, value) {
		return ""
	}
	return value
}

// The chart refuses what its program would refuse to start with, and nothing else: so nobody learns it from a pod that crashes.
func TestTheChartAndTheProgramsRefuseTheSame(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		program      string
		with         string // what has to be given besides
		flag         string
		good, bad    []string // as YAML
		chartRefuses []string // which the program would take
	}{
		"manager.publishDelay":                   {program: "manager", flag: "publish-delay", good: []string{"0s", "20s"}, bad: []string{"20001ms", "-1s", "5"}},
		"manager.expiringWindow":                 {program: "manager", flag: "expiring-window", good: []string{"0s", "8760h"}, bad: []string{"8760h1s"}},
		"manager.kubeApiQps":                     {program: "manager", flag: "kube-api-qps", good: []string{"20", "10000"}, bad: []string{"19", "10001"}},
		"manager.kubeApiBurst":                   {program: "manager", flag: "kube-api-burst", good: []string{"1", "10000"}, bad: []string{"0", "10001"}},
		"manager.defaultPolicy":                  {program: "manager", flag: "default-policy", good: []string{"allow"}, bad: []string{"Allow"}},
		"manager.logLevel":                       {program: "manager", flag: "log-level", good: []string{"WARN"}, bad: []string{"TRACE"}, chartRefuses: []string{"debug"}},
		"verifier.drainDelay":                    {program: "verifier", flag: "drain-delay", good: []string{"0s", "5m"}, bad: []string{"5m1s", "a while"}},
		"verifier.maxStaleness":                  {program: "verifier", flag: "max-staleness", good: []string{"0s", "2m", "3h"}, bad: []string{"119s"}},
		"verifier.decisionLog.mode":              {program: "verifier", flag: "decision-log", good: []string{"all", `"off"`}, bad: []string{"some"}},
		"verifier.decisionLog.sample":            {program: "verifier", flag: "decision-log-sample", good: []string{"1", "1000000"}, bad: []string{"0", "-1"}},
		"verifier.trustedProxies":                {program: "verifier", flag: "trusted-proxies", good: []string{"[10.0.0.0/8, 192.0.2.1, '2001:db8::/32']"}, bad: []string{"[proxy.example]"}},
		"verifier.credential.header":             {program: "verifier", flag: "credential-header", good: []string{"X-Key"}, bad: []string{"X_Key", "Cookie", "x-forwarded-key", "Traceparent", "''"}},
		"verifier.credential.query":              {program: "verifier", flag: "credential-query", good: []string{"api.key"}, bad: []string{"'api key'"}},
		"verifier.credential.cookie":             {program: "verifier", flag: "credential-cookie", good: []string{"api_key"}, bad: []string{"'a;b'"}},
		"verifier.credential.body":               {program: "verifier", flag: "credential-body", good: []string{"api-key"}, bad: []string{"'{}'"}},
		"verifier.credential.realm":              {program: "verifier", flag: "realm", good: []string{"'The keys, of us'"}, bad: []string{`'a"b'`, "''", `'a\b'`}},
		"verifier.connections.max":               {program: "verifier", flag: "max-connections", good: []string{"1", "1048576"}, bad: []string{"0", "1048577"}},
		"verifier.connections.maxHeaderBytes":    {program: "verifier", flag: "max-header-bytes", good: []string{"4096", "1048576"}, bad: []string{"4095", "1048577"}},
		"verifier.connections.maxBodyBytes":      {program: "verifier", flag: "max-body-bytes", good: []string{"1", "1048576"}, bad: []string{"0", "1048577"}},
		"verifier.connections.readTimeout":       {program: "verifier", flag: "read-timeout", good: []string{"10ms", "1h"}, bad: []string{"9ms", "1h1s"}},
		"verifier.connections.writeTimeout":      {program: "verifier", flag: "write-timeout", good: []string{"10ms", "1h"}, bad: []string{"9ms", "1h1s"}},
		"verifier.connections.idleTimeout":       {program: "verifier", flag: "idle-timeout", good: []string{"10ms", "1h"}, bad: []string{"9ms", "1h1s"}},
		"verifier.grpc.maxMessageBytes":          {program: "verifier", flag: "grpc-max-message-bytes", good: []string{"65536", "67108864"}, bad: []string{"65535", "67108865"}},
		"verifier.rateLimit.store":               {program: "verifier", flag: "rate-limit-store", good: []string{"memory"}, bad: []string{"disk"}},
		"verifier.rateLimit.redis.timeout":       {program: "verifier", with: redis, flag: "redis-timeout", good: []string{"1ms", "1s"}, bad: []string{"0s", "1001ms"}},
		"verifier.rateLimit.redis.keyPrefix":     {program: "verifier", with: redis, flag: "redis-key-prefix", good: []string{"'a b:'"}, bad: []string{"''", "'{a}'"}},
		"verifier.rateLimit.redis.addresses":     {program: "verifier", with: redis, flag: "redis-address", good: []string{"['redis:6379', '[2001:db8::1]:6379']"}, chartRefuses: []string{"[redis]", "[]"}},
		"verifier.tracing.sampleRatio":           {program: "verifier", with: "verifier: {tracing: {endpoint: 'collector:4317'}}", flag: "tracing-sample-ratio", good: []string{"0", "1", "0.00001"}, bad: []string{"-0.1", "1.1"}},
		"verifier.tracing.endpoint":              {program: "verifier", flag: "tracing-endpoint", good: []string{"'collector:4317'", "'[2001:db8::1]:4317'"}, bad: []string{"collector", "'collector:0'"}},
		"verifier.tls.clientNames":               {program: "verifier", with: "verifier: {tls: {secretName: tls, clientCA: {secretName: ca}}}", flag: "tls-client-names", good: []string{"[proxy.example, 'spiffe://example/proxy']"}, bad: []string{"['*.example']", "['not a name']"}},
		"verifier.rateLimit.redis.failurePolicy": {program: "verifier", with: redis, flag: "redis-failure-policy", good: []string{"deny"}, bad: []string{"ignore"}},
		"watchNamespaces":                        {program: "verifier", flag: "watch-namespaces", good: []string{"[a, b-1]"}, bad: []string{"[A]", "[a, a]", "[a_b]"}},
	}
	for path, c := range cases {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			standard := arguments(t, c.with+"\n", c.program)
			for _, value := range c.good {
				args := arguments(t, merged(t, c.with, nested(path, value)), c.program)
				if r := start(t, args); !isAccepted(r) {
					t.Errorf("the chart takes %s, and the program refuses it: %s", value, r.stderr)
				}
			}
			for _, value := range append(c.bad, c.chartRefuses...) {
				if render(t, merged(t, c.with, nested(path, value))).err == nil {
					t.Errorf("the chart takes %s", value)
				}
			}
			for _, value := range c.bad {
				if r := start(t, append(slices.Clone(standard), "--"+c.flag+"="+asFlag(t, value))); isAccepted(r) {
					t.Errorf("the program takes --%s=%s, and the chart refuses it", c.flag, value)
				}
			}
		})
	}
}

// redis has requests counted in Redis.
const redis = "verifier: {rateLimit: {store: redis, redis: {addresses: ['redis:6379']}}}"

// asFlag writes a value of YAML as the chart does on a command line.
func asFlag(t *testing.T, value string) string {
	t.Helper()
	var parsed any
	if err := yaml.Unmarshal([]byte(value), &parsed); err != nil {
		t.Fatal(err)
	}
	list, isList := parsed.([]any)
	if !isList {
		list = []any{parsed}
	}
	words := make([]string, 0, len(list))
	for _, word := range list {
		words = append(words, fmt.Sprint(word))
	}
	return strings.Join(words, ",")
}
