package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestProxiesUnderstandWhatTheGuidesHaveThemDo has Caddy and HAProxy read the configurations of docs/proxies.md, which are
// whole but for what is their reader's own.
func TestProxiesUnderstandWhatTheGuidesHaveThemDo(t *testing.T) {
	t.Parallel()
	t.Run("Caddy", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		config := "{\nstorage file_system " + dir + "\n}\n:80 {\n" + guideFor(t, "Caddy") + "\nreverse_proxy 127.0.0.1:1\n}\n"
		understood(t, filepath.Join(dir, "Caddyfile"), config, tools.Caddy, "validate", "--adapter", "caddyfile", "--config")
	})
	if tools.HAProxy == "" {
		t.Log("HAProxy is left out: there is none here, and HAPROXY names none")
		return
	}
	t.Run("HAProxy", func(t *testing.T) {
		t.Parallel()
		ours, elsewhere := filepath.Join(shared.Root(), "docs", "examples", "haproxy", "apikey.lua"), "/etc/haproxy/apikey.lua"
		config := guideFor(t, "HAProxy")
		if !strings.Contains(config, elsewhere) {
			t.Fatalf("the guide loads no %s:\n%s", elsewhere, config)
		}
		config = "defaults\n  mode http\n  timeout client 1s\n  timeout connect 1s\n  timeout server 1s\n" +
			strings.Replace(strings.Replace(config, elsewhere, ours, 1), "frontend web\n", "frontend web\n  bind 127.0.0.1:80\n", 1)
		understood(t, filepath.Join(t.TempDir(), "haproxy.cfg"), config, tools.HAProxy, "-c", "-f")
	})
}

// understood has a proxy check a configuration, whose path it is given last.
func understood(t *testing.T, path, config, program string, args ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.CommandContext(t.Context(), program, append(args, path)...).CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, output, config)
	}
}

// guideFor is the first example below a heading of docs/proxies.md.
func guideFor(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared.Root(), "docs", "proxies.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	_, example, begun := strings.Cut(section, "\n```\n")
	example, _, ended := strings.Cut(example, "\n```")
	if !found || !begun || !ended {
		t.Fatalf("docs/proxies.md has no example for %s", heading)
	}
	return example + "\n"
}
