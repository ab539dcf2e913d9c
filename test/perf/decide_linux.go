package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"github.com/apikey-operator/apikey-operator/test/perf/serve"
)

// decide has a process of its own measure decisions, on the processor of the servers.
func decide(b *bench) ([]result, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(b.ctx, program, serving{kind: decideKind, keys: many}.args()...)
	cmd.Stdout, cmd.Stderr = &output, os.Stderr
	if err := b.spawner.Start(cmd); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("measure decisions: %w", err)
	}
	var measured serve.Decisions
	if err := json.Unmarshal(output.Bytes(), &measured); err != nil {
		return nil, fmt.Errorf("measure decisions: %w", err)
	}
	const exactly = 0 // what is counted, and not timed, has no noise
	return []result{
		atMost("decide_ns", "ns", median(measured.Nanoseconds), 500, b.noise),
		atMost("decide_allocs", "allocations", measured.Allocations, 0, exactly),
		atMost("bytes_per_key", "bytes", measured.BytesPerKey, 300, exactly),
	}, nil
}
