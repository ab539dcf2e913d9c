package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/apikey-operator/apikey-operator/test/perf/serve"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// server is a process that is measured.
type server struct {
	name    string
	address string // that is asked over HTTP
	grpc    string // that is asked over gRPC; empty for nginx
	about   string // that tells about the process; empty for nginx
	pids    []int  // whose time on the processor counts
	cmd     *exec.Cmd
}

// startTimeout is how long a server may take until it answers; filling an index takes seconds.
const startTimeout = 2 * time.Minute

// start starts the process of s, which ends with the bench.
func (b *bench) start(s *server) error {
	if err := b.spawner.Start(s.cmd); err != nil {
		return err
	}
	b.cleanup = append(b.cleanup, func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // it is gone already then
		_ = s.cmd.Wait()                          // how it ends does not matter any more
	})
	return nil
}

// startOwn starts this program as a server.
func (b *bench) startOwn(name string, what serving) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(program, what.args()...)
	cmd.Stderr = os.Stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s := &server{name: name, cmd: cmd}
	b.progress("starting %s", name)
	if err := b.start(s); err != nil {
		return nil, err
	}
	s.pids = []int{cmd.Process.Pid}
	reader := bufio.NewReader(output)
	line, err := reader.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("%s did not start: %w", name, err)
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }() // the decision log follows
	var addresses serve.Addresses
	if err := json.Unmarshal(line, &addresses); err != nil {
		return nil, fmt.Errorf("%s did not say where it is: %w", name, err)
	}
	if len(addresses.Servers) != 2 {
		return nil, fmt.Errorf("%s serves on %v, want two addresses", name, addresses.Servers)
	}
	s.address, s.grpc, s.about = addresses.Servers[0], addresses.Servers[1], addresses.About
	return s, nil
}

func awaitListening(ctx context.Context, address string) error {
	return stack.Await(ctx, "a server to listen", startTimeout, func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
