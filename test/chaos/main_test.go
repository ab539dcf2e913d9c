// Package chaos shows with the real processes what test/sim shows by search: while managers and verifiers are
// killed and stopped at random moments, revisions are raised and Secrets deleted, no key that was read from a
// Secret is refused, none is refused before its promised end, and none is accepted after it.
//
// Managers are killed (SIGKILL) and stopped for up to 28 s (SIGSTOP, then SIGCONT), longer than their lease, so
// that one wakes up after another has taken over. Verifiers are killed and never stopped: what is promised holds
// for verifiers that have the events of two seconds ago, and one that has slept has not for an instant after it
// wakes, whatever the manager does. A load balancer would have taken it out by then, since it answers no probe.
//
// nginx opens a connection for each request and reaches the verifiers by one address, as ingress-nginx does by
// that of a Service. A verifier stands behind it while it is ready. Requests that are under way when it is
// killed fail with a 5xx: these are errors, are counted and told, and are no refusals.
//
// CHAOS= says how long it goes on, SEED= which faults and edits are drawn; when requests fall between them is
// the machine's choice. The programs come from variables that "make chaos" sets.
package chaos

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// tools are the programs under test and those around them.
var tools stack.Tools

// settings are what the environment's variables say.
var settings struct {
	length time.Duration
	seed   uint64
}

func TestMain(m *testing.M) {
	stack.QuietLibraries()
	flag.Parse()
	if err := readSettings(); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func readSettings() (err error) {
	if tools, err = stack.ToolsFromEnv(); err != nil {
		return fmt.Errorf("%w: run make chaos, which builds and sets them", err)
	}
	settings.length, settings.seed = 2*time.Minute, uint64(time.Now().UnixNano())
	if text := os.Getenv("CHAOS"); text != "" {
		if settings.length, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("CHAOS: %w", err)
		}
	}
	if text := os.Getenv("SEED"); text != "" {
		if settings.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			return fmt.Errorf("SEED: %w", err)
		}
	}
	return nil
}
