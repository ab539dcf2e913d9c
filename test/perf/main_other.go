//go:build !linux

// Command perf measures how quickly the verifier answers. It needs Linux: epoll, and processes kept on processors.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "perf: make bench needs Linux")
	os.Exit(1)
}
