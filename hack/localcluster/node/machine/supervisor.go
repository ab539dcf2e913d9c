//go:build linux

package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/supervise"
)

// SuperviseCommand is the first argument with which the node's first process runs Supervise.
const SuperviseCommand = "supervise"

// Supervise starts the components inside the node, says so on stdout when all run, and returns when one has died.
func Supervise(line string, stdout, progress io.Writer) error {
	var b boot
	if err := json.Unmarshal([]byte(line), &b); err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	timeout, err := time.ParseDuration(b.StartTimeout)
	if err != nil {
		return fmt.Errorf("read the time-out: %w", err)
	}
	// kube-proxy looks for nft, and containerd for its shim.
	if err := os.Setenv("PATH", b.Programs+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
		return fmt.Errorf("set PATH: %w", err)
	}
	group, err := supervise.NewGroup(inside.logDir(), timeout, func(format string, args ...any) { say(progress, format, args...) })
	if err != nil {
		return err
	}
	components, err := components(programs(b.Programs), newSubnet(b.Second))
	if err != nil {
		return err
	}
	ctx := context.Background() // the whole node is killed, never asked
	for _, component := range components {
		if err := group.Start(ctx, component); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(stdout, readyLine); err != nil {
		return fmt.Errorf("say that everything runs: %w", err)
	}
	return group.Wait(ctx)
}
