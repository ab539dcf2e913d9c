package ratelimit_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// start has no monotonic reading, so that tests can set the clock as they like.
var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// take is Take of a store that never fails.
func take(t testing.TB, m *ratelimit.Memory, s ratelimit.Subject, l ratelimit.Limit, now time.Time) ratelimit.Verdict {
	t.Helper()
	verdict, err := m.Take(s, l, now)
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

func subject(i int) ratelimit.Subject {
	return ratelimit.Subject{Namespace: fmt.Sprint("team-", i%10), Name: fmt.Sprint("key-", i)}
}

func TestOfManyGoroutinesExactlyTheBurstPasses(t *testing.T) {
	const goroutines, each = 16, 500
	limit := ratelimit.Limit{Requests: 7, Period: time.Second, Burst: 1234}
	memory := ratelimit.NewMemory(start)
	var passed [3]atomic.Int64
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for i := range each * len(passed) {
				if verdict, err := memory.Take(subject(i%len(passed)), limit, start); err != nil {
					t.Error(err)
				} else if verdict.Allowed {
					passed[i%len(passed)].Add(1)
				}
			}
		})
	}
	group.Wait()
	for i := range passed {
		if got := passed[i].Load(); got != limit.Burst {
			t.Errorf("of %d requests of %v at the same time %d passed, want %d", goroutines*each, subject(i), got, limit.Burst)
		}
	}
}

func TestMemoryCountsEachSubjectAsACounterDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 500 // several in each shard, so that some take the places of those that are dropped
		memory := ratelimit.NewMemory(start)
		var counters [most]ratelimit.Counter
		var limits [5]ratelimit.Limit
		for i := range limits {
			limits[i] = drawLimit(t, "limit")
		}
		now := time.Duration(0)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now += drawPause(t, rapid.SampledFrom(limits[:]).Draw(t, "whose"))
			first := rapid.IntRange(0, most-1).Draw(t, "first")
			for i := range rapid.IntRange(1, most-first).Draw(t, "subjects") {
				i += first
				got, err := memory.Take(subject(i), limits[i%len(limits)], start.Add(now))
				if want := counters[i].Take(limits[i%len(limits)], now); err != nil || got != want {
					t.Fatalf("at %s, %v: %+v, %v, want %+v", now, subject(i), got, err, want)
				}
			}
		}
	})
}

func TestLateGoroutinesGainNothing(t *testing.T) {
	limit := ratelimit.Limit{Requests: 10, Period: time.Second, Burst: 10}
	memory := ratelimit.NewMemory(start)
	passed := 0
	for i := range 1000 {
		// Every other request comes with a time that is half a second old: were it taken for the time, the burst would
		// seem to fill again whenever the next one comes.
		now := start.Add(time.Minute)
		if i%2 == 1 {
			now = now.Add(-500 * time.Millisecond)
		}
		if take(t, memory, subject(1), limit, now).Allowed {
			passed++
		}
	}
	if passed != 10 {
		t.Errorf("%d requests passed in the same moment, want the burst of 10", passed)
	}
}

func TestMemoryIsHeldOfThoseAloneWhoUsedSomething(t *testing.T) {
	memory := ratelimit.NewMemory(start)
	limit := ratelimit.Limit{Requests: 1, Period: time.Second, Burst: 3}
	slow := ratelimit.Limit{Requests: 1, Period: 10 * time.Minute, Burst: 3}
	// A hundred subjects a second for ten minutes, each seen once: their burst is whole again after a second.
	for i := range 600 * 100 {
		now := start.Add(time.Duration(i) * 10 * time.Millisecond)
		if i == 0 {
			take(t, memory, subject(i), slow, now)
			take(t, memory, subject(i), slow, now)
		}
		take(t, memory, subject(i+1), limit, now)
	}
	if most, got := 20*64, memory.Subjects(); got > most {
		t.Errorf("%d subjects are held, of which 100 used something within a second; want at most %d", got, most)
	}
	if v := take(t, memory, subject(0), slow, start.Add(10*time.Minute)); v.Remaining != 1 {
		t.Errorf("of one that used 2 of 3 ten minutes ago, with one in that time, %d remain after another, want 1: it was forgotten", v.Remaining)
	}
}

func TestAKnownSubjectAllocatesNothing(t *testing.T) {
	memory := ratelimit.NewMemory(start)
	limit := ratelimit.Limit{Requests: 1000, Period: time.Second, Burst: 10}
	now := start
	take(t, memory, subject(1), limit, now)
	s := subject(1)
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(300 * time.Microsecond)
		take(t, memory, s, limit, now)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkMemory(b *testing.B) {
	limit := ratelimit.Limit{Requests: 999_983, Period: time.Second, Burst: 1000}
	for _, count := range []int{1, 10_000, 1_000_000} {
		subjects := make([]ratelimit.Subject, count)
		memory := ratelimit.NewMemory(start)
		for i := range subjects {
			subjects[i] = subject(i)
			take(b, memory, subjects[i], limit, start)
		}
		b.Run(fmt.Sprint("subjects=", count), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, _ = memory.Take(subjects[i*7919%count], limit, start.Add(time.Duration(i)*time.Microsecond))
			}
		})
		b.Run(fmt.Sprint("parallel/subjects=", count), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					_, _ = memory.Take(subjects[i*7919%count], limit, start.Add(time.Duration(i)*time.Microsecond))
				}
			})
		})
	}
}
