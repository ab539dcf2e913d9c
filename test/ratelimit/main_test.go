// Package ratelimit tests the stores of internal/ratelimit: both by one contract, and the one in Redis against a real
// redis-server that is killed, stopped and brought back.
package ratelimit

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit/redisstore"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// patience is the time-out of stores that are to answer: a busy machine may be slow.
const patience = 5 * time.Second

// shared is a server for all tests that do it no harm; each test has a key prefix of its own.
var shared *stack.Redis

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if os.Getenv("REDIS_SERVER") == "" {
		return 1, fmt.Errorf("REDIS_SERVER is not set: run make test-ratelimit")
	}
	dir, err := os.MkdirTemp("", "ratelimit")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if shared, err = stack.NewRedis(context.Background(), os.Getenv("REDIS_SERVER"), dir); err != nil {
		return 1, err
	}
	code = m.Run()
	return code, shared.Stop(patience)
}

// newRedis starts a server that a test may do harm to.
func newRedis(t *testing.T, lines ...string) *stack.Redis {
	t.Helper()
	server, err := stack.NewRedis(t.Context(), os.Getenv("REDIS_SERVER"), t.TempDir(), lines...)
	if err != nil {
		t.Fatal(err)
	}
	killAtTheEnd(t, server)
	return server
}

func killAtTheEnd(t *testing.T, server *stack.Redis) {
	t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
	})
}

func newStore(t *testing.T, o redisstore.Options) *redisstore.Store {
	t.Helper()
	if o.KeyPrefix == "" {
		o.KeyPrefix = t.Name() + ":"
	}
	store, err := redisstore.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// newClient is a client to look into a server with.
func newClient(t *testing.T, server *stack.Redis) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Address})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func take(t *testing.T, store ratelimit.Store, s ratelimit.Subject, l ratelimit.Limit) ratelimit.Verdict {
	t.Helper()
	verdict, err := store.Take(s, l, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}
