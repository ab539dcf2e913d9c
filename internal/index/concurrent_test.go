package index_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/index"
)

// Run with -race, this shows that look-ups and changes do not meet; without it, that no change makes a
// key of another ApiKey, or one that is in both the old and the new state, disappear for a moment.
func TestReadersNeverMissAKeyThatIsInBothOldAndNewState(t *testing.T) {
	x := index.New()
	steady := named("ns", "steady", hash(1), hash(2))
	mustSet(t, x, steady)
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !done.Load() {
				for i := 1; i <= 2; i++ {
					if e, ok := x.Lookup(hash(i)); !ok || e.Name != "steady" || e.Namespace != "ns" {
						t.Errorf("hash %d: found %v, entry %+v", i, ok, e)
						return
					}
				}
			}
		})
	}
	for round := range 100 {
		mustSet(t, x, steady)
		neighbour := named("ns", fmt.Sprint("n", round), hash(100+round), hash(1)) // claims a hash of the other
		neighbour.Credentials[1].IssuedAt = noon
		mustSet(t, x, neighbour)
		if err := x.Replace([]index.Record{neighbour, steady}); err != nil {
			t.Error(err)
		}
		if err := x.ReplaceNamespace("ns", []index.Record{steady}); err != nil {
			t.Error(err)
		}
		if err := x.ReplaceNamespace("other", nil); err != nil {
			t.Error(err)
		}
	}
	done.Store(true)
	readers.Wait()
}

// A consumer that holds the new key may come before one that holds the old: there must be no moment at
// which neither works.
func TestANewCredentialWorksBeforeTheOldOneEnds(t *testing.T) {
	x := index.New()
	mustSet(t, x, named("ns", "rotating", hash(0)))
	var current atomic.Int64 // the lower of the two hashes that the ApiKey may have right now
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				n := int(current.Load())
				_, old := x.Lookup(hash(n))
				_, next := x.Lookup(hash(n + 1)) // looked up later, so it must be there if old is not
				if !old && !next && int(current.Load()) == n {
					t.Errorf("neither %d nor %d works", n, n+1)
					return
				}
			}
		})
	}
	for n := range 2000 {
		mustSet(t, x, named("ns", "rotating", hash(n+1)))
		current.Store(int64(n + 1))
	}
	done.Store(true)
	readers.Wait()
}
