package guides

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sigsyaml "sigs.k8s.io/yaml"
)

func TestTraefikGuideProtectsARoute(t *testing.T) {
	t.Parallel()
	l, g := exampleLab(t), readGuide(t, "guides/traefik.md")
	l.namespace(t, "traefik")
	l.apply(t, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: traefik, namespace: traefik}}", g.block(t, "yaml", "rights").text)
	proxy := l.traefik(t, "guide-traefik", g.block(t, "yml", "static"), "traefik", "web")
	l.applyAskingHere(t, g.block(t, "yaml", "middleware"))

	for _, kind := range []string{"ingressroute", "ingress"} {
		route := g.block(t, "yaml", kind)
		l.apply(t, route.text)
		awaitAnswer(t, proxy, http.StatusUnauthorized)
		printed := l.newConsole(t, proxy, nil).follow(t, g.block(t, "console", "requests"))
		for _, allowed := range printed[1:3] {
			expectUpstream(t, g.block(t, "http", "upstream"), allowed)
		}
		if kind == "ingress" {
			break
		}
		l.kubectl(t, "delete", kind, "api", "--namespace", exampleNamespace)
		awaitAnswer(t, proxy, http.StatusNotFound)
	}
	l.kubectl(t, "delete", "middleware", "apikey", "--namespace", exampleNamespace)
	awaitAnswer(t, proxy, http.StatusNotFound)
}

// traefik starts a Traefik with a guide's static configuration and the rights of a ServiceAccount that has its name, and
// returns where an entry point listens.
func (l *lab) traefik(t *testing.T, name string, static block, namespace, entryPoint string) string {
	t.Helper()
	config, err := l.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	authority, token := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "token")
	writeFile(t, authority, config.CAData)
	writeFile(t, token, []byte(l.kubectl(t, "create", "token", "traefik", "--namespace", namespace, "--duration=24h")))

	var settings struct {
		EntryPoints map[string]map[string]any `json:"entryPoints"`
		Providers   map[string]map[string]any `json:"providers"`
		Global      map[string]any            `json:"global"`
		Log         map[string]any            `json:"log"`
	}
	if err := sigsyaml.UnmarshalStrict([]byte(static.text), &settings); err != nil {
		t.Fatalf("%s:%d: %v", static.guide, static.line, err)
	}
	address := freeAddress(t)
	settings.EntryPoints[entryPoint]["address"] = address
	for _, provider := range settings.Providers {
		provider["endpoint"], provider["token"], provider["certAuthFilePath"] = config.Host, token, authority
	}
	settings.Global, settings.Log = map[string]any{"checkNewVersion": false, "sendAnonymousUsage": false}, map[string]any{"level": "WARN"}
	text, err := sigsyaml.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "traefik.yaml")
	writeFile(t, path, text)
	l.run(t, name, tools.Traefik, "--configFile="+path)
	return address
}

// applyAskingHere applies a guide's manifest with the verifier's address in the place of its Service's name.
func (l *lab) applyAskingHere(t *testing.T, b block) {
	t.Helper()
	if !strings.Contains(b.text, verifierHTTP) {
		t.Fatalf("%s:%d: nobody at %s is asked", b.guide, b.line, verifierHTTP)
	}
	l.apply(t, strings.ReplaceAll(b.text, verifierHTTP, l.verifier.Address))
}

// run starts a program that ends with the test.
func (l *lab) run(t *testing.T, name, program string, args ...string) {
	t.Helper()
	process, err := l.Run(name, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(process.LogPath)
			t.Logf("%s wrote:\n%s", name, log[max(0, len(log)-4000):])
		}
		if err := process.Stop(patience); err != nil {
			t.Error(err)
		}
	})
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// awaitAnswer waits until a proxy answers a request without a key by a status.
func awaitAnswer(t *testing.T, proxy string, want int) {
	t.Helper()
	awaitAnswerOver(t, http.DefaultTransport, "http://"+proxy, want)
}

func awaitAnswerOver(t *testing.T, transport http.RoundTripper, proxy string, want int) {
	t.Helper()
	await(t, fmt.Sprintf("%d from %s", want, proxy), func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, proxy+"/reports", nil)
		if err != nil {
			return err
		}
		request.Host = "api.phoenix.example"
		response, err := transport.RoundTrip(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			return fmt.Errorf("it answers %s", response.Status)
		}
		return nil
	})
}
