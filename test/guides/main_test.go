// Package guides does what docs/guides tell a reader to do, out of the guides' own text: it applies their manifests to a
// real API server, strictly, has real proxies read their configurations, and runs their commands, whose output has to be
// what the guide shows. A guide that is wrong fails here.
//
// How a guide is written so that it can be followed by a program is told in guide_test.go. The programs come from
// variables that "make test-guides" sets.
package guides

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// tools are the programs under test and those around them.
var tools stack.Tools

// shared is the lab of all tests that do not ask for one of their own. It starts when the first asks for it.
var shared = sync.OnceValues(func() (*lab, error) { return startLab(context.Background()) })

// sharedStarted says whether there is a shared lab to end.
var sharedStarted bool

func TestMain(m *testing.M) {
	stack.QuietLibraries()
	var err error
	tools, err = stack.ToolsFromEnv()
	if err = errors.Join(err, tools.AddProxies()); err != nil {
		fmt.Fprintf(os.Stderr, "guides: %v: run make test-guides, which builds and sets them\n", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, "guides:", err)
		code = 1
	}
	os.Exit(code)
}

// closeShared ends the shared lab if a test has asked for it.
func closeShared() error {
	if !sharedStarted {
		return nil
	}
	l, err := shared()
	if err != nil {
		return nil // told by every test that asked
	}
	return l.Close()
}
