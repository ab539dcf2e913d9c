package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// demoTimeout bounds one run of the demo, which takes 10 s on an idle machine.
const demoTimeout = 3 * time.Minute

func TestTheDemoShowsEveryStepAndNoKey(t *testing.T) {
	t.Parallel()
	printed, err := runDemo(t, buildDemo(t), tools)
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	if want := "All 11 steps saw what they should"; !strings.Contains(printed, want) {
		t.Errorf("it does not say %q:\n%s", want, printed)
	}
	// A hint shows 4 characters of the random part.
	if key := regexp.MustCompile(`(sk_live_|ak_)[0-9A-Za-z]{5,}`).FindString(printed); key != "" {
		t.Errorf("it shows more of a key than its hint: %.12s…", key)
	}
}

// TestTheDemoFailsWhereAStepDoesNotSeeWhatItShould breaks what the demo is about.
func TestTheDemoFailsWhereAStepDoesNotSeeWhatItShould(t *testing.T) {
	t.Parallel()
	demo := buildDemo(t)
	for name, c := range map[string]struct {
		breakIt   func(t *testing.T, broken *stack.Tools)
		wantWords string
	}{
		"the verifier does not start": {
			func(t *testing.T, broken *stack.Tools) {
				broken.Operator = script(t, `if [ "$1" = verifier ]; then echo "not today" >&2; exit 3; fi; exec `+tools.Operator+` "$@"`)
			},
			"not today",
		},
		"the verifier looks for keys elsewhere": {
			func(t *testing.T, broken *stack.Tools) {
				broken.Operator = script(t, `if [ "$1" = verifier ]; then set -- "$@" --credential-header=X-Other-Key; fi; exec `+tools.Operator+` "$@"`)
			},
			"expected: 200 OK",
		},
		"nobody guards the routes": {
			func(t *testing.T, broken *stack.Tools) { broken.Nginx = nginxWithout(t, `/auth_request  /d`) },
			"expected: X-Apikey-Namespace: phoenix",
		},
		"a route demands too little": {
			func(t *testing.T, broken *stack.Tools) {
				broken.Nginx = nginxWithout(t, `s/permission=admin/permission=read/`)
			},
			"expected: 403 Forbidden",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := tools
			c.breakIt(t, &broken)
			printed, err := runDemo(t, demo, broken)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("it ended with %v, want exit status 1", err)
			}
			if !strings.Contains(printed, c.wantWords) {
				t.Errorf("it does not say %q:\n%s", c.wantWords, printed)
			}
		})
	}
}

// buildDemo returns the path of the demo as it stands in the checkout.
func buildDemo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "demo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./hack/demo")
	build.Dir = shared.Root()
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the demo: %v\n%s", err, output)
	}
	return path
}

// runDemo runs the demo with some tools and returns what it printed.
func runDemo(t *testing.T, demo string, with stack.Tools) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), demoTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, demo)
	cmd.Dir = shared.Root()
	// What it leaves for people to look at after a failure goes with the test.
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "KEEP=", "NGINX="+with.Nginx, "APIKEY_OPERATOR="+with.Operator)
	printed, err := cmd.CombinedOutput()
	return string(printed), err
}

// script is a program that stands in for one of the tools.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// nginxWithout is an nginx that edits its configuration before it reads it.
func nginxWithout(t *testing.T, edit string) string {
	t.Helper()
	return script(t, fmt.Sprintf(`for file; do case $file in */nginx.conf)
  edited=$(sed '%s' "$file") && printf '%%s\n' "$edited" >"$file" ;; esac; done
exec %s "$@"`, edit, tools.Nginx))
}
