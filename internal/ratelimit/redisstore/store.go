// Package redisstore counts requests in Redis, so that all replicas share one count: one script for each decision, by
// the clock of Redis.
package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

//go:embed take.lua
var source string

// answers is how many numbers the script returns.
const answers = 6

// Store counts in Redis 6.2 or newer. Each subject is a key PREFIX{NAMESPACE/NAME}, which goes when its burst is whole
// again.
type Store struct {
	client  redis.UniversalClient
	script  *redis.Script
	prefix  string
	timeout time.Duration
}

var _ ratelimit.Store = (*Store)(nil)

// New makes a store. It does not connect yet, and an address where nothing listens is no error: Take says so. What is
// wrong with the options, and a file that cannot be read, is.
func New(o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	settings, err := o.universal()
	if err != nil {
		return nil, err
	}
	return &Store{
		client:  redis.NewUniversalClient(settings),
		script:  redis.NewScript(source),
		prefix:  o.KeyPrefix,
		timeout: o.Timeout,
	}, nil
}

// Close closes the connections.
func (s *Store) Close() error { return s.client.Close() }

// Take counts in Redis, by its clock and not by the given time. It takes no longer than the time-out. After an error it
// is not known whether the request was counted.
func (s *Store) Take(subject ratelimit.Subject, l ratelimit.Limit, _ time.Time) (ratelimit.Verdict, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	l = l.Bounded()
	keys := []string{s.prefix + "{" + subject.Namespace + "/" + subject.Name + "}"}
	got, err := s.script.Run(ctx, s.client, keys, l.Requests, int64(l.Period/time.Second), l.Burst).Int64Slice()
	if err != nil {
		return ratelimit.Verdict{}, fmt.Errorf("count in Redis: %w", err)
	}
	if len(got) != answers {
		return ratelimit.Verdict{}, errors.New("count in Redis: the script returned something else")
	}
	return ratelimit.Verdict{
		Allowed:    got[0] == 1,
		Remaining:  got[1],
		RetryAfter: duration(got[2], got[3]),
		Reset:      duration(got[4], got[5]),
	}, nil
}

// duration is the longest there is where seconds and nanoseconds are more.
func duration(sec, nano int64) time.Duration {
	if sec >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(sec)*time.Second + time.Duration(nano)
}
