package index_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/index"
)

// bigGrant is a grant of its own of some 8,000 bytes.
func bigGrant(owner string, n int) []string {
	permissions := []string{owner, fmt.Sprint("n", n)}
	for i := range 160 {
		permissions = append(permissions, fmt.Sprintf("%s:%d:%d:%s", owner, n, i, strings.Repeat("p", 30)))
	}
	return permissions
}

func granted(name string, h, n int) index.Record {
	r := named("ns", name, hash(h))
	r.Permissions = bigGrant(name, n)
	return r
}

func TestGrantsThatNobodyHoldsAnyMoreDoNotFillMemory(t *testing.T) {
	x := index.New()
	mustSet(t, x, granted("steady", 1, 0))
	const rounds = 2000 // 16 MB of grants in all
	for n := range rounds {
		mustSet(t, x, granted("changing", 2, n))
		if size := x.Stats().Bytes; size > 5<<20 {
			t.Fatalf("after %d changes the index takes %d bytes", n, size)
		}
	}
	for h, want := range map[int][]string{1: bigGrant("steady", 0), 2: bigGrant("changing", rounds-1)} {
		if got, ok := x.Lookup(hash(h)); !ok || got.Permissions != strings.Join(want, ",") {
			t.Errorf("hash %d: found %v with %.40s…", h, ok, got.Permissions)
		}
	}
}

func TestListingANamespaceAgainAndAgainTakesNoMoreMemory(t *testing.T) {
	x := index.New()
	for n := range 400 {
		if err := x.ReplaceNamespace("ns", []index.Record{granted("changing", 1, n)}); err != nil {
			t.Fatal(err)
		}
		if size := x.Stats().Bytes; size > 5<<20 {
			t.Fatalf("after %d times the index takes %d bytes", n, size)
		}
	}
}

func TestApiKeysWithTheSameGrantShareIt(t *testing.T) {
	x := index.New()
	mustSet(t, x, granted("first", 1, 0))
	one := x.Stats().Bytes
	for i := 2; i <= 100; i++ {
		r := granted("first", i, 0)
		r.Name = fmt.Sprint("other", i)
		mustSet(t, x, r)
	}
	if many := x.Stats().Bytes; many > 5*one {
		t.Errorf("100 ApiKeys take %d bytes, one takes %d", many, one)
	}
	x.Delete("ns", "first") // takes nothing from the others
	if got, _ := x.Lookup(hash(50)); got.Permissions != strings.Join(bigGrant("first", 0), ",") {
		t.Errorf("another lost its grant: %.40s…", got.Permissions)
	}
}

// The arena of grants is replaced many times here, while readers look: none may see the grant of another.
func TestReadersSeeTheirOwnGrantWhileTheArenaIsReplaced(t *testing.T) {
	x := index.New()
	names := []string{"alpha", "beta", "gamma", "delta"}
	for i, name := range names {
		mustSet(t, x, granted(name, i, 0))
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				for i, name := range names {
					found, ok := x.Find(hash(i))
					if !ok || found.Name() != name || !strings.HasPrefix(found.Permissions(), name+",n") {
						t.Errorf("%s: found %v, permissions %.40s…", name, ok, found.Permissions())
						return
					}
				}
			}
		})
	}
	for n := range 400 {
		for i, name := range names {
			mustSet(t, x, granted(name, i, n))
		}
	}
	done.Store(true)
	readers.Wait()
}
