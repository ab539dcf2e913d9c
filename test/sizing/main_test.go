// Package sizing measures what manager and verifier take for so many ApiKeys: memory, time to start, and processor with
// nothing to do; with the built binary on a real control plane, as docs/sizing.md has it.
//
// KEYS= lists the numbers of ApiKeys, rising, such as "1000 10000 100000"; IDLE= says for how long a program is watched
// that has nothing to do. The programs come from variables that "make
// sizing" sets. ApiKeys are stored with the status and the Secret that a manager would have given them, so that
// 100,000 take minutes; that a manager finds nothing to do about them is checked.
package sizing

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// tools are the programs under test and those around them.
var tools stack.Tools

// sizes are the numbers of ApiKeys, and idleFor how long a program is watched that has nothing to do.
var (
	sizes   []int
	idleFor = 15 * time.Second
)

func TestMain(m *testing.M) {
	stack.QuietLibraries()
	flag.Parse()
	if err := readSettings(); err != nil {
		fmt.Fprintln(os.Stderr, "sizing:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func readSettings() (err error) {
	if tools, err = stack.ToolsFromEnv(); err != nil {
		return fmt.Errorf("%w: run make sizing, which builds and sets them", err)
	}
	if text := os.Getenv("IDLE"); text != "" {
		if idleFor, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("IDLE: %w", err)
		}
	}
	for _, text := range strings.Fields(os.Getenv("KEYS")) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("KEYS: %q is no number of ApiKeys", text)
		}
		sizes = append(sizes, n)
	}
	if len(sizes) == 0 || !slices.IsSorted(sizes) {
		return fmt.Errorf("KEYS: %q: give numbers of ApiKeys, rising, such as \"1000 10000\"", os.Getenv("KEYS"))
	}
	return nil
}
