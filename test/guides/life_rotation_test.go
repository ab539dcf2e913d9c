package guides

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// followRotation is a consumer that reads its key from a file, through a rotation by hand, the early end of the old key, and
// a leak.
func followRotation(t *testing.T, l *lab) {
	g := readGuide(t, "guides/rotation.md")
	l.namespace(t, "phoenix")
	l.apply(t, `{apiVersion: apikey-operator.dev/v1alpha1, kind: ApiKeyPolicy, metadata: {name: phoenix}, spec: {
		namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: phoenix}}, permissions: ["stock:*"]}}`)
	l.apply(t, g.block(t, "yaml", "file").text)

	talkative, err := l.StartVerifier(t.Context(), stack.Options{Name: "talkative", Args: []string{"--drain-delay=0s", "--decision-log=all"}})
	if err != nil {
		t.Fatal(err)
	}
	proxy := l.nginx(t, "rotation", stack.Route{Path: "/", Requirement: "permission=stock:view"})
	mounted := filepath.Join(t.TempDir(), "api-key") // as the kubelet keeps it
	c := l.newConsole(t, proxy, map[string]string{"API_KEY_FILE": mounted})
	mount := func() string {
		key := l.key(t, "phoenix", "stock-sync")
		if err := os.WriteFile(mounted, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		return key
	}
	play := func(name string) { c.play(t, l.Root(), g.block(t, "console", name)) }

	first := mount()
	play("read")
	play("now")
	play("read") // the old key, while the kubelet takes its time
	second := mount()
	if first == second {
		t.Fatal("there is no new key")
	}
	play("read")
	for revision, key := range map[string]string{"1": first, "2": second} {
		status, echo := sendKey(t, proxy, "/stock", key)
		if status != http.StatusOK || echo.Headers.Get("X-Apikey-Revision") != revision {
			t.Errorf("the key of revision %s is answered %d, and the upstream sees %v", revision, status, echo.Headers)
		}
	}
	expectAnswer(t, talkative, first, "the old key", allowed)
	l.expectLogged(t, "talkative", `"reason":"allowed".*"namespace":"phoenix","name":"stock-sync".*"revision":1,.*"client":"192.0.2.1"`)

	expired := answer{http.StatusUnauthorized, "expired"}
	play("end-early")
	expectAnswer(t, l.verifier, first, "the old key after its early end", expired)
	expectAnswer(t, l.verifier, second, "the current key after the early end of the old one", allowed)
	if l.key(t, "phoenix", "stock-sync") != second {
		t.Error("the early end of the old key has brought a new one")
	}

	play("leaked")
	expectAnswer(t, l.verifier, second, "the leaked key", expired)
	expectAnswer(t, talkative, second, "the leaked key", expired)
	l.expectLogged(t, "talkative", `"reason":"expired".*"name":"stock-sync","hint":"ak_....…","revision":2,.*"client":"192.0.2.1"`)
	third := mount()
	expectAnswer(t, l.verifier, third, "the key after the leak", allowed)
	play("read")
}

// stopLeakedUnstamped stops an ApiKey by the commands for a leaked key, where nobody stamps and somebody else was the last to
// change it: the first is refused, and the one beside it is not.
func (l *lab) stopLeakedUnstamped(t *testing.T, name string) {
	t.Helper()
	g, c := readGuide(t, "guides/rotation.md"), l.newConsole(t, "", nil)
	play := func(block string) (string, error) {
		return c.run(t, strings.ReplaceAll(g.block(t, "console", block).script(), "stock-sync", name))
	}
	if printed, err := play("leaked"); err == nil || !strings.Contains(printed, "changed-by names another user") {
		t.Errorf("where nobody stamps, the command for a leaked key ends with %v:\n%s", err, printed)
	}
	if printed, err := play("leaked-unstamped"); err != nil {
		t.Errorf("where nobody stamps, the command that removes a name ends with %v:\n%s", err, printed)
	}
}
