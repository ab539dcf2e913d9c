package stack

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// redisStartTimeout is more than a redis-server with nothing to load takes on a busy machine.
const redisStartTimeout = 15 * time.Second

// Redis is a redis-server that keeps nothing on disk, or a Sentinel.
type Redis struct {
	*Process

	Address string // host:port

	binary, dir string
	args        []string // after the configuration
}

// clusterLine makes a server a node of a cluster, which listens on a second port, that much higher, for the other nodes.
const (
	clusterLine   = "cluster-enabled yes"
	clusterOffset = 10_000
)

// NewRedis starts the program below a directory, with lines for its configuration beside ours. The line "tls-port" alone
// makes it speak TLS and nothing else. It returns when connections are accepted.
func NewRedis(ctx context.Context, binary, dir string, lines ...string) (*Redis, error) {
	r := &Redis{binary: binary, dir: dir}
	return r, r.begin(ctx, append([]string{`save ""`, "appendonly no"}, lines...))
}

// NewSentinel starts the program as a Sentinel, which tells where the server is that is called name.
func NewSentinel(ctx context.Context, binary, dir, name string, server *Redis) (*Redis, error) {
	r := &Redis{binary: binary, dir: dir, args: []string{"--sentinel"}}
	host, port, err := net.SplitHostPort(server.Address)
	if err != nil {
		return nil, err
	}
	return r, r.begin(ctx, []string{strings.Join([]string{"sentinel monitor", name, host, port, "1"}, " ")})
}

func (r *Redis) begin(ctx context.Context, lines []string) error {
	second := 0
	if slices.Contains(lines, clusterLine) {
		second = clusterOffset
	}
	var err error
	if r.Address, err = freeAddress(second); err != nil {
		return err
	}
	if err := os.WriteFile(r.config(), []byte(r.configuration(lines)), 0o600); err != nil {
		return fmt.Errorf("write the configuration of Redis: %w", err)
	}
	return r.Start(ctx)
}

func (r *Redis) config() string { return filepath.Join(r.dir, "redis.conf") }

func (r *Redis) configuration(more []string) string {
	_, port, _ := net.SplitHostPort(r.Address) // made by FreeAddress
	lines := []string{"bind 127.0.0.1", "port " + port, "daemonize no", "dir " + r.dir}
	for _, line := range more {
		if line == "tls-port" {
			line += " " + port + "\nport 0"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}

// Start starts the program again, on the same port, after it was killed or stopped.
func (r *Redis) Start(ctx context.Context) error {
	var err error
	args := append([]string{r.config()}, r.args...)
	if r.Process, err = startProcess("redis", filepath.Join(r.dir, "redis.log"), r.binary, args...); err != nil {
		return err
	}
	return r.await(ctx, "redis to listen", redisStartTimeout, func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
