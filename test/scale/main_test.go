// Package scale counts what the manager asks of the API server, with the built binary on a real control plane:
// when it restarts with many ApiKeys and nothing to do, and when many fall due at once.
//
// The manager reaches the API server through a proxy that writes down each request, so what is counted is what
// arrived there, by the manager alone. KEYS= says how many rotate, RESTART_KEYS= how many there are in all, GRACE=
// their grace period, QPS= and BURST= what the manager is started with instead of its own defaults. The programs come
// from variables that "make scale" sets.
package scale

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

// What the manager's flags are by default.
const (
	defaultQPS   = 200
	defaultBurst = 400
)

// settings are what the environment's variables say.
var settings struct {
	keys, restartKeys, qps, burst int
	grace                         time.Duration
}

func TestMain(m *testing.M) {
	stack.QuietLibraries()
	flag.Parse()
	if err := readSettings(); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func readSettings() (err error) {
	if tools, err = stack.ToolsFromEnv(); err != nil {
		return fmt.Errorf("%w: run make scale, which builds and sets them", err)
	}
	for variable, n := range map[string]struct {
		value    *int
		standard int
	}{
		"KEYS": {&settings.keys, 5000}, "RESTART_KEYS": {&settings.restartKeys, 10_000},
		"QPS": {&settings.qps, defaultQPS}, "BURST": {&settings.burst, defaultBurst},
	} {
		if *n.value, err = numberFrom(variable, n.standard); err != nil {
			return err
		}
	}
	settings.grace = time.Minute
	if text := os.Getenv("GRACE"); text != "" {
		if settings.grace, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("GRACE: %w", err)
		}
	}
	if settings.keys > settings.restartKeys {
		return fmt.Errorf("KEYS: %d is more than RESTART_KEYS, %d", settings.keys, settings.restartKeys)
	}
	return nil
}

func numberFrom(variable string, standard int) (int, error) {
	text := os.Getenv(variable)
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err == nil && n < 1 {
		err = fmt.Errorf("%d is too few", n)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", variable, err)
	}
	return n, nil
}
