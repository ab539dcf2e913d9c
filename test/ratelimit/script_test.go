package ratelimit

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// clockOfRedis is what the script reads the clock with, and givenClock what the tests put in its place.
const (
	clockOfRedis = "redis.call('TIME')"
	givenClock   = "{ARGV[4], ARGV[5]}"
)

// scriptWithClock is the store's script, by a clock that the test sets.
func scriptWithClock(t *testing.T) *redis.Script {
	t.Helper()
	source, err := os.ReadFile("../../internal/ratelimit/redisstore/take.lua")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(source), clockOfRedis) != 1 {
		t.Fatalf("the script does not read the clock in one place with %s", clockOfRedis)
	}
	return redis.NewScript(strings.Replace(string(source), clockOfRedis, givenClock, 1))
}

// scripted takes requests by the script.
type scripted struct {
	client *redis.Client
	script *redis.Script
	key    string
}

// take returns the verdict as the script tells it.
func (s scripted) take(t *rapid.T, l ratelimit.Limit, now time.Duration) [6]int64 {
	got, err := s.script.Run(t.Context(), s.client, []string{s.key},
		l.Requests, int64(l.Period/time.Second), l.Burst, int64(now/time.Second), int64(now%time.Second/time.Microsecond)).Int64Slice()
	if err != nil {
		t.Fatal(err)
	}
	return [6]int64(got)
}

// asScripted is a counter's verdict as the script would tell it.
func asScripted(v ratelimit.Verdict) [6]int64 {
	told := [6]int64{0, v.Remaining, 0, 0, int64(v.Reset / time.Second), int64(v.Reset % time.Second)}
	if v.Allowed {
		told[0] = 1
	}
	told[2], told[3] = int64(v.RetryAfter/time.Second), int64(v.RetryAfter%time.Second)
	return told
}

func TestTheScriptCountsAsACounterDoes(t *testing.T) {
	client, script := newClient(t, shared), scriptWithClock(t)
	check := 0
	rapid.Check(t, func(t *rapid.T) {
		check++
		s := scripted{client: client, script: script, key: fmt.Sprintf("script:{%d}", check)}
		var counter ratelimit.Counter
		now := time.Duration(1_790_000_000) * time.Second
		limit := drawLimit(t)
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			switch rapid.IntRange(0, 19).Draw(t, "what happens") {
			case 0:
				limit = drawLimit(t)
			case 1:
				now -= time.Duration(rapid.Int64Range(0, int64(time.Hour/time.Microsecond)).Draw(t, "back")) * time.Microsecond
			default:
				now += drawPause(t, limit)
			}
			want, began := counter.Take(limit, now), time.Now()
			if got := s.take(t, limit, now); got != asScripted(want) {
				t.Fatalf("under %+v at %s: %v, want %v (%+v)", limit, now, got, asScripted(want), want)
			}
			left, err := client.PTTL(t.Context(), s.key).Result()
			if err != nil {
				t.Fatal(err)
			}
			if want.Allowed && (left < want.Reset-time.Since(began) || left > want.Reset+2*time.Second+time.Millisecond) {
				t.Fatalf("the key is kept for %s, and the burst is whole again in %s", left, want.Reset)
			}
		}
	})
}

func drawLimit(t *rapid.T) ratelimit.Limit {
	count := rapid.OneOf(rapid.Int64Range(1, 7), rapid.Int64Range(1, ratelimit.MaxRequests), rapid.Just[int64](ratelimit.MaxRequests))
	seconds := rapid.OneOf(rapid.IntRange(1, 3), rapid.IntRange(1, 86400), rapid.Just(86400))
	return ratelimit.Limit{
		Requests: count.Draw(t, "requests"),
		Period:   time.Duration(seconds.Draw(t, "seconds")) * time.Second,
		Burst:    count.Draw(t, "burst"),
	}
}

// drawPause is a time between two requests in microseconds, which is what the clock of Redis tells.
func drawPause(t *rapid.T, l ratelimit.Limit) time.Duration {
	interval := int64(l.Period/time.Duration(l.Requests)) / int64(time.Microsecond)
	return time.Microsecond * time.Duration(rapid.OneOf(
		rapid.Just(int64(0)),
		rapid.Int64Range(max(0, interval-2), interval+2),
		rapid.Int64Range(0, 2*interval),
		rapid.Int64Range(0, int64(l.Period/time.Microsecond)),
	).Draw(t, "pause"))
}
