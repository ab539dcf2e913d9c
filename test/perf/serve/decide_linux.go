package serve

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/test/perf/corpus"
	"github.com/apikey-operator/apikey-operator/test/perf/proc"
)

// Decisions is what Decide measures.
type Decisions struct {
	Nanoseconds []float64 // of the processor for one decision, in each round
	Allocations float64   // of one decision
	BytesPerKey float64   // of the heap, with what the index keeps for changes
}

// Decide measures decisions without any protocol, all keys one after the other in an order that no cache foresees, and
// writes what it finds to standard output.
func Decide(n int) error {
	before := heap()
	x, err := corpus.Index(n, index.RateLimit{})
	if err != nil {
		return err
	}
	measured := Decisions{BytesPerKey: float64(heap()-before) / float64(n)}
	requirement, err := authn.ParseRequirement(corpus.Requirement)
	if err != nil {
		return fmt.Errorf("the requirement: %w", err)
	}
	all := corpus.Keys(n)
	corpus.Shuffle(all)
	request := authn.Request{Ready: true, Requirement: requirement, Method: []byte("GET"), Now: time.Now()}
	decider := authn.NewDecider(x)
	var counted runtime.MemStats
	runtime.ReadMemStats(&counted)
	mallocs := counted.Mallocs
	const rounds = 11
	for range rounds {
		start, err := proc.CPU(os.Getpid())
		if err != nil {
			return err
		}
		for at := 0; at < len(all); at += corpus.KeyLen {
			request.Credential = authn.NewCredential(all[at:][:corpus.KeyLen])
			if d := decider.Decide(&request); d.Reason != authn.Allowed {
				return fmt.Errorf("a key of the corpus is refused: %s", d.Reason)
			}
		}
		end, err := proc.CPU(os.Getpid())
		if err != nil {
			return err
		}
		measured.Nanoseconds = append(measured.Nanoseconds, float64((end-start).Nanoseconds())/float64(n))
	}
	runtime.ReadMemStats(&counted)
	// Of a million decisions a round, what the runtime and the loop allocate is nothing; of one decision it would be seen.
	measured.Allocations = float64((counted.Mallocs - mallocs) / uint64(rounds*n))
	runtime.KeepAlive(x)
	if err := json.NewEncoder(os.Stdout).Encode(measured); err != nil {
		return fmt.Errorf("tell what was measured: %w", err)
	}
	return nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
