package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit/redisstore"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

// rateLimitFlags say where requests are counted.
type rateLimitFlags struct {
	store         string
	failurePolicy string
	redis         redisstore.Options
}

const (
	inMemory = "memory"
	inRedis  = "redis"
)

func (f *rateLimitFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.store, "rate-limit-store", inMemory,
		"where requests of keys with a rate limit are counted: memory, each verifier for itself; or redis, all together")
	r := &f.redis
	flags.StringSliceVar(&r.Addresses, "redis-address", nil,
		"HOST:PORT of Redis; several are nodes of a Redis Cluster, or with --redis-master-name Sentinels")
	flags.StringVar(&r.MasterName, "redis-master-name", "", "what the Sentinels at --redis-address call the server; empty for no Sentinels")
	flags.BoolVar(&r.Cluster, "redis-cluster", false, "a single --redis-address is that of a Redis Cluster")
	flags.StringVar(&r.Username, "redis-username", "", "user of Redis; empty for its default user")
	flags.StringVar(&r.PasswordFile, "redis-password-file", "", "file with the password of Redis, read for each new connection; empty for none")
	flags.BoolVar(&r.TLS, "redis-tls", false, "encrypt connections to Redis, and check its certificate")
	flags.StringVar(&r.CAFile, "redis-tls-ca-file", "", "with --redis-tls, file with the certificates that Redis' is checked by; empty for the system's")
	flags.StringVar(&r.KeyPrefix, "redis-key-prefix", redisstore.DefaultKeyPrefix, "what stands before each key in Redis")
	flags.DurationVar(&r.Timeout, "redis-timeout", redisstore.DefaultTimeout, "how long a request waits for Redis at most; 1ms to 1s")
	flags.StringVar(&f.failurePolicy, "redis-failure-policy", ratelimit.Local.String(),
		"what becomes of requests while Redis cannot be reached: local, each verifier counts for itself; allow; or deny")
}

// maxRedisTimeout keeps an outage from holding up requests for longer than proxies wait.
const maxRedisTimeout = time.Second

func (f *rateLimitFlags) validate() error {
	if !slices.Contains([]string{inMemory, inRedis}, f.store) {
		return usagef("--rate-limit-store: %q is unknown: give %s or %s", f.store, inMemory, inRedis)
	}
	if _, err := ratelimit.ParseFailurePolicy(f.failurePolicy); err != nil {
		return usagef("--redis-failure-policy: %w", err)
	}
	if f.store == inRedis {
		return f.validateRedis()
	}
	if f.namesRedis() {
		return usagef("--rate-limit-store: flags of Redis are given, and requests are counted in memory: give %s", inRedis)
	}
	return nil
}

// namesRedis reports whether a flag is given that means nothing without Redis.
func (f *rateLimitFlags) namesRedis() bool {
	r := &f.redis
	return len(r.Addresses) > 0 || r.MasterName != "" || r.Cluster || r.Username != "" || r.PasswordFile != "" || r.TLS || r.CAFile != ""
}

func (f *rateLimitFlags) validateRedis() error {
	switch r := &f.redis; {
	case len(r.Addresses) == 0:
		return usagef("--redis-address: give HOST:PORT of Redis")
	case r.Timeout < time.Millisecond || r.Timeout > maxRedisTimeout:
		return usagef("--redis-timeout: %s is out of range: give 1ms to %s", r.Timeout, maxRedisTimeout)
	case r.CAFile != "" && !r.TLS:
		return usagef("--redis-tls-ca-file: it needs --redis-tls")
	case strings.ContainsAny(r.KeyPrefix, "{}") || r.KeyPrefix == "":
		return usagef("--redis-key-prefix: %q is empty or has braces, which choose a cluster's node", r.KeyPrefix)
	}
	return nil
}

// newStore makes the store, and what closes it.
func (f *rateLimitFlags) newStore(registerer prometheus.Registerer, logger *slog.Logger) (ratelimit.Store, io.Closer, error) {
	if f.store == inMemory {
		memory := ratelimit.NewMemory(time.Now())
		verifiermetrics.RegisterRateLimitSubjects(registerer, memory.Subjects)
		return memory, nothingToClose{}, nil
	}
	shared, err := redisstore.New(f.redis)
	if err != nil {
		return nil, nil, fmt.Errorf("count requests in Redis: %w", err)
	}
	policy, err := ratelimit.ParseFailurePolicy(f.failurePolicy)
	if err != nil {
		return nil, nil, err
	}
	store := ratelimit.NewFallback(ratelimit.FallbackOptions{
		Shared: shared, Policy: policy, Start: time.Now(), Observer: verifiermetrics.NewRateLimitStore(registerer, logger),
	})
	return store, shared, nil
}

type nothingToClose struct{}

func (nothingToClose) Close() error { return nil }
