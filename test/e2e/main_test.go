// Package e2e tests the built binary as a user meets it: manager and verifier as processes with tokens
// of their ServiceAccounts, on a real control plane, behind a real nginx that sets, passes and drops what
// ingress-nginx's controller does. One table of requests goes through all the other proxies as well
// (proxies_test.go).
//
// Most tests share one stack and run side by side, each in a namespace of its own. Those that break
// something have a stack of their own. Whatever runs, the keys that were issued are searched for in all
// that was written meanwhile (test/stack/audit).
//
// The programs come from variables that "make test-e2e" sets.
package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// shared is what most tests use.
var shared *environment

// tools are the programs under test and those around them.
var tools stack.Tools

// parallel is how many tests run side by side, whatever the number of cores: most of their time they wait
// for the publish delay.
const parallel = 8

func TestMain(m *testing.M) {
	stack.QuietLibraries() // the witnesses' watches would complain of every API server that a test stops
	if err := flag.Set("test.parallel", strconv.Itoa(parallel)); err != nil {
		panic(err) // there is such a flag
	}
	code, err := runOnSharedStack(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func runOnSharedStack(m *testing.M) (code int, err error) {
	tools, err = stack.ToolsFromEnv()
	if err := errors.Join(err, tools.AddProxies(), tools.AddRedis()); err != nil {
		return 1, fmt.Errorf("%w: run make test-e2e, which builds and sets them", err)
	}
	shared, err = startShared(context.Background())
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, shared.Close()) }()
	code = m.Run()
	return code, shared.audit(context.Background(), os.Stdout)
}
