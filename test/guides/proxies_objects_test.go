package guides

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// What the guides for proxies have in common: the key of the README's first example, and where the verifier is found in a cluster.
const (
	exampleNamespace = "phoenix"
	exampleKey       = "site24x7-monitor"

	verifierHost = "apikey-operator-verifier.apikey-operator-system.svc.cluster.local"
	verifierHTTP = verifierHost + ":9090"
)

var (
	exampleOnce  sync.Mutex
	exampleReady bool
)

// exampleLab is the lab in which the README's first policy and ApiKey are applied, and the kinds of all proxies are known.
func exampleLab(t *testing.T) *lab {
	t.Helper()
	l := labWithKinds(t)
	exampleOnce.Lock()
	defer exampleOnce.Unlock()
	if exampleReady {
		return l
	}
	examples := readGuide(t, "../README.md").of("yaml")
	l.apply(t, strings.Join([]string{
		"{apiVersion: v1, kind: Namespace, metadata: {name: " + exampleNamespace + "}}", examples[0].text, examples[1].text,
		service(t, exampleNamespace, "api", map[int]string{80: l.upstream.Address}),
		service(t, stack.SystemNamespace, "apikey-operator-verifier", map[int]string{9090: l.verifier.Address, 9091: l.verifier.GRPC}),
	}, "\n---\n"))
	l.key(t, exampleNamespace, exampleKey)
	exampleReady = true
	return l
}

// annotation is one of an object's, by the end of its name behind the slash.
func (o object) annotation(t *testing.T, name string) string {
	t.Helper()
	metadata, _ := o["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	value, ok := annotations["nginx.ingress.kubernetes.io/"+name].(string)
	if !ok {
		t.Fatalf("%s %s has no annotation %s", o.kind(), o.metadata("name"), name)
	}
	return value
}

// ingressRoute is what ingress-nginx does with an Ingress of a guide, as a route of the nginx that is set up like it.
func ingressRoute(t *testing.T, o object) stack.Route {
	t.Helper()
	authURL, err := url.Parse(o.annotation(t, "auth-url"))
	if err != nil {
		t.Fatal(err)
	}
	if authURL.Host != verifierHTTP || authURL.Path != "/auth/nginx" {
		t.Errorf("%s is not where nginx is to ask", authURL)
	}
	listed := strings.Split(o.annotation(t, "auth-response-headers"), ",")
	others := slices.DeleteFunc(slices.Clone(listed), func(name string) bool { return slices.Contains(stack.IdentityHeaders, name) })
	if len(listed)-len(others) != len(stack.IdentityHeaders) {
		t.Errorf("%q lists not all of %q", listed, stack.IdentityHeaders)
	}
	return stack.Route{Path: "/", Requirement: authURL.RawQuery, Listed: others}
}

// expectUpstream looks that a service behind a proxy saw the headers that a guide shows, of those that tell who asks and
// hold a value, and none of the key. What it saw is at the end of what curl printed.
func expectUpstream(t *testing.T, b block, printed string) {
	t.Helper()
	var echo stack.Echo
	if err := json.Unmarshal([]byte(printed[max(strings.Index(printed, "\n{"), 0):]), &echo); err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	var got, want []string
	for _, name := range stack.IdentityHeaders {
		if value := strings.Join(echo.Headers[name], " AND "); value != "" {
			got = append(got, name+": "+value)
		}
	}
	want = strings.Split(strings.TrimSpace(b.text), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:%d: the service saw\n%s", b.guide, b.line, strings.Join(got, "\n"))
	}
	if strings.Contains(printed, "ak_") || strings.Contains(printed, "sk_live_") {
		t.Errorf("%s:%d: the service saw the key:\n%s", b.guide, b.line, printed)
	}
}
