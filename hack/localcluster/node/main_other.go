//go:build !linux

// Command nodecluster runs a Kubernetes cluster of one node for tests, on Linux only.
package main

import (
	"fmt"
	"os"
)

func main() {
	_, _ = fmt.Fprintln(os.Stderr, "nodecluster needs Linux: elsewhere, kind (https://kind.sigs.k8s.io) gives a node in Docker")
	os.Exit(1)
}
