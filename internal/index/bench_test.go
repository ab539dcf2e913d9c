package index_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// benchKeys is the size that the project's budgets are stated for.
const benchKeys = 1_000_000

func benchHash(n int) keys.Hash {
	return keys.HashV1(binary.LittleEndian.AppendUint32(nil, uint32(n)))
}

func benchRecord(n int) index.Record {
	return index.Record{
		Namespace: fmt.Sprintf("team-%d", n%500), Name: fmt.Sprintf("service-%d-key", n),
		Tenant:      fmt.Sprintf("tenant-%d", n%2000),
		Permissions: []string{"customers:view", "customers:edit", "orders:*"},
		Scopes:      map[string][]string{"category": {"general", "premium"}},
		UID:         fmt.Sprintf("00000000-0000-4000-8000-%012x", n),
		Credentials: []index.Credential{{Hash: benchHash(n), Revision: 1, IssuedAt: noon}},
	}
}

func benchIndex(b *testing.B) *index.Index {
	b.Helper()
	records := make([]index.Record, benchKeys)
	for n := range records {
		records[n] = benchRecord(n)
	}
	x := index.New()
	if err := x.Replace(records); err != nil {
		b.Fatal(err)
	}
	return x
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkMillion(b *testing.B) {
	before := heapInUse()
	x := benchIndex(b)
	perKey := float64(heapInUse()-before) / benchKeys

	// In an order that no cache foresees.
	order := make([]keys.Hash, 1<<20)
	for i := range order {
		order[i] = benchHash(int(uint32(i) * 2654435761 % benchKeys))
	}
	b.Run("find", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			found, ok := x.Find(order[i&(1<<20-1)])
			if !ok || found.Permissions()[0] != 'c' { // a decision reads the grant, so its memory counts too
				b.Fatal("a key is missing")
			}
			i++
		}
	})
	// What the machine's memory is worth today: the same look-ups in Go's own map of hashes to numbers.
	b.Run("reference-map", func(b *testing.B) {
		reference := make(map[keys.Hash]uint32, benchKeys)
		for n := range benchKeys {
			reference[benchHash(n)] = uint32(n)
		}
		i := 0
		for b.Loop() {
			if _, ok := reference[order[i&(1<<20-1)]]; !ok {
				b.Fatal("a key is missing")
			}
			i++
		}
	})
	b.Run("find-unknown", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			h := order[i&(1<<20-1)]
			h.Sum[0]++
			if _, foundSink = x.Find(h); foundSink {
				b.Fatal("a key is found that nobody has")
			}
			i++
		}
	})
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if err := x.Set(benchRecord(i % benchKeys)); err != nil {
				b.Fatal(err)
			}
			i += 7919
		}
	})
	b.Run("collect", func(b *testing.B) {
		var pauses []time.Duration
		for b.Loop() {
			start := time.Now()
			runtime.GC()
			pauses = append(pauses, time.Since(start))
		}
		slices.Sort(pauses)
		b.ReportMetric(perKey, "B/key")
		b.ReportMetric(float64(pauses[len(pauses)/2].Microseconds())/1000, "ms-median-GC")
		b.ReportMetric(float64(pauses[len(pauses)-1].Microseconds())/1000, "ms-longest-GC")
	})
	runtime.KeepAlive(x)
}
