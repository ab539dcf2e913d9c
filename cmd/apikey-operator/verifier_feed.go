package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/serverclock"
)

// minMaxStaleness leaves room for bookmarks, which come once a minute or so, and for a watch that is opened anew.
const minMaxStaleness = 2 * time.Minute

func registerMaxStaleness(flags *pflag.FlagSet, d *time.Duration) {
	flags.DurationVar(d, "max-staleness", 0,
		"say not to be ready when the API server was last heard from so long ago, 2m or more; questions are answered as before. 0 for never")
}

func validateMaxStaleness(d time.Duration) error {
	if d != 0 && d < minMaxStaleness {
		return usagef("--max-staleness: %s is too short, since a quiet cluster is heard from once a minute or so: give %s or more, or 0 for never", d, minMaxStaleness)
	}
	return nil
}

// observed is a configuration whose client notes by how much the API server's clock is ahead of ours.
func observed(config *rest.Config, offset *serverclock.Offset) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(offset.Observe(clock.RealClock{}))
	return config
}

// checkStaleness is an error where the feed is staler than allowed.
func checkStaleness(staleness, allowed time.Duration) error {
	if allowed == 0 || staleness <= allowed {
		return nil
	}
	return fmt.Errorf("stale: the API server was last heard from %s ago", staleness.Round(time.Second))
}
