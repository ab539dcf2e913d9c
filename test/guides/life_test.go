package guides

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// TestTheLifeOfKeysGoesAsTheGuidesTell follows the guides for those who make, use and administer keys. They have a lab of
// their own, since their policies are part of what they tell.
func TestTheLifeOfKeysGoesAsTheGuidesTell(t *testing.T) {
	t.Parallel()
	l := ownLab(t)
	guides := map[string]func(*testing.T, *lab){
		"rotation.md":       followRotation,
		"importing-keys.md": followImport,
		"many-tenants.md":   followTenants,
	}
	for name, follow := range guides {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			follow(t, l)
		})
	}
}

var (
	someEnd = regexp.MustCompile(`20[0-9]{2}-[0-9]{2}-[0-9]{2}T23:59:59Z`)
	// oneEnd is in the time that the policies of the guides allow.
	oneEnd = time.Now().AddDate(0, 9, 0).UTC().Format("2006-01-02") + "T23:59:59Z"
)

// dated has what a guide dates end some months from now, whenever that is.
func dated(text string) string { return someEnd.ReplaceAllString(text, oneEnd) }

// script is all commands of a console block in one, so that they share variables. Requests go to an nginx without TLS.
func (b block) script() string {
	var lines []string
	for _, c := range b.commands() {
		lines = append(lines, strings.ReplaceAll(c.text, "https://", "http://"))
	}
	return dated(strings.Join(lines, "\n"))
}

// play runs a console block as one script in a directory, and looks that it prints what the guide shows.
func (c *console) play(t *testing.T, dir string, b block) string {
	t.Helper()
	output, err := c.run(t, "cd '"+dir+"'\n"+b.script())
	if err != nil {
		t.Fatalf("%s:%d: %v\n%s", b.guide, b.line, err, output)
	}
	b.mustShow(t, output)
	return output
}

// mustShow looks that all lines that the guide shows stand in the output, in their order.
func (b block) mustShow(t *testing.T, output string) {
	t.Helper()
	var shown []string
	for _, c := range b.commands() {
		shown = append(shown, c.expect...)
	}
	if missing := firstMissing(shown, output); missing != "" {
		t.Errorf("%s:%d: the line\n%s\nis not printed but\n%s", b.guide, b.line, missing, output)
	}
}

// answer is what a verifier says: a status, and the reason where it refuses.
type answer struct {
	status int
	reason string
}

var allowed = answer{status: http.StatusOK}

// ask asks a verifier itself about a key, as nginx would.
func ask(ctx context.Context, v *stack.Verifier, requirement, key string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.Address+"/auth/nginx?"+requirement, nil)
	if err != nil {
		return answer{}, err
	}
	for name, value := range map[string]string{
		"X-API-Key": key, "X-Original-Method": "GET", "X-Original-URL": "http://api.phoenix.example/", "X-Real-IP": "192.0.2.1",
	} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	return answer{response.StatusCode, response.Header.Get("X-Apikey-Reason")}, response.Body.Close()
}

// expectAnswer waits until a verifier says that of a key.
func expectAnswer(t *testing.T, v *stack.Verifier, key, which string, want answer) {
	t.Helper()
	await(t, fmt.Sprintf("%s to be answered %v", which, want), func(ctx context.Context) error {
		got, err := ask(ctx, v, "", key)
		if err == nil && got != want {
			err = fmt.Errorf("it is answered %v", got)
		}
		return err
	})
}

// sendKey sends a key through a proxy, and returns its status and, where it was allowed, what the upstream saw.
func sendKey(t *testing.T, proxy, path, key string) (int, stack.Echo) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+proxy+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var echo stack.Echo
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &echo); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
	return response.StatusCode, echo
}

// waitFor waits for what "kubectl wait" calls forWhat, which watches and does not poll.
func (l *lab) waitFor(t *testing.T, namespace, object, forWhat string) {
	t.Helper()
	l.kubectl(t, "wait", object, "--for="+forWhat, "--namespace="+namespace, "--timeout="+patience.String())
}

// expectLogged waits until a program's log has a line that matches.
func (l *lab) expectLogged(t *testing.T, program, pattern string) {
	t.Helper()
	line := regexp.MustCompile("(?m)^.*" + pattern + ".*$")
	await(t, "a line in the log of "+program+" that matches "+pattern, func(context.Context) error {
		text, err := os.ReadFile(filepath.Join(l.LogDir(), program+".log"))
		if err == nil && !line.Match(text) {
			err = fmt.Errorf("there is none")
		}
		return err
	})
}
