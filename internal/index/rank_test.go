package index_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

const uidForm = "%c0000000-0000-4000-8000-000000000000"

// claiming is an ApiKey that claims a hash since some time.
func claiming(name string, source index.Source, issuedAt time.Time, uid string, h keys.Hash) index.Record {
	r := named("ns", name, h)
	r.Source, r.UID, r.Credentials[0].IssuedAt = source, uid, issuedAt
	return r
}

// inRank are ApiKeys that claim one hash, the first of them by rank first.
func inRank(h keys.Hash) []index.Record {
	claims := []struct {
		name     string
		source   index.Source
		issuedAt time.Time
		uid      string
	}{
		{"generated", index.Generated, noon, fmt.Sprintf(uidForm, 'f')},
		{"generated-centuries-later", index.Generated, time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC), fmt.Sprintf(uidForm, '0')},
		{"generated-as-late-as-can-be", index.Generated, time.Unix(math.MaxInt64/2, 0), fmt.Sprintf(uidForm, '0')},
		{"referenced-at-no-time", index.FromSecret, time.Time{}, fmt.Sprintf(uidForm, '3')},
		{"referenced-before-1970", index.FromSecret, time.Unix(-1, 0), fmt.Sprintf(uidForm, '2')},
		{"referenced-in-1970", index.FromSecret, time.Unix(0, 0), fmt.Sprintf(uidForm, '1')},
		{"referenced-first", index.FromSecret, noon, fmt.Sprintf(uidForm, 'f')},
		{"referenced-next-lower-uid", index.FromSecret, noon.Add(time.Second), fmt.Sprintf(uidForm, '0')},
		{"referenced-next-higher-uid", index.FromSecret, noon.Add(time.Second), fmt.Sprintf(uidForm, 'a')},
		{"imported-before-all-others", index.FromHash, noon.Add(-time.Hour), fmt.Sprintf(uidForm, '0')},
		{"imported-later-uid-not-a-uuid", index.FromHash, noon, "whatever"},
	}
	var records []index.Record
	for _, c := range claims {
		records = append(records, claiming(c.name, c.source, c.issuedAt, c.uid, h))
	}
	return records
}

func TestTheFirstClaimIsAnsweredForWhateverTheOrderOfEvents(t *testing.T) {
	claimed := hash(1)
	ranked := inRank(claimed)
	rapid.Check(t, func(t *rapid.T) {
		arrival := rapid.Permutation(ranked).Draw(t, "arrival")
		departure := rapid.Permutation(ranked).Draw(t, "departure")
		x := index.New()
		present := map[string]bool{}
		requireFirst := func() {
			t.Helper()
			want := ""
			if i := slices.IndexFunc(ranked, func(r index.Record) bool { return present[r.Name] }); i >= 0 {
				want = ranked[i].Name
			}
			if got, found := x.Lookup(claimed); got.Name != want || found != (want != "") {
				t.Fatalf("answered for %q, want %q", got.Name, want)
			}
		}
		for _, r := range arrival {
			present[r.Name] = true
			if err := x.Set(r); err != nil {
				t.Fatal(err)
			}
			requireFirst()
		}
		if err := x.Replace(arrival); err != nil {
			t.Fatal(err)
		}
		requireFirst()
		for _, r := range departure {
			delete(present, r.Name)
			x.Delete(r.Namespace, r.Name)
			requireFirst()
		}
	})
}

// event is what a watch may tell: an ApiKey as it is now, or that it is gone.
type event struct {
	record index.Record
	gone   bool
}

func (e event) tell(x *index.Index, m model) error {
	id := e.record.Namespace + "/" + e.record.Name
	if e.gone {
		delete(m, id)
		x.Delete(e.record.Namespace, e.record.Name)
		return nil
	}
	m[id] = e.record
	return x.Set(e.record)
}

// The histories of several ApiKeys that claim the same few hashes meet in any order, with the whole content now and
// then; what was answered for on the way, and before, makes no difference to what is in the end.
func TestTheAnswersDependOnTheFinalStateAlone(t *testing.T) {
	contested := []keys.Hash{hash(1), hash(2), keys.SHA256("1"), {Sum: keys.SHA256("1").Sum}}
	rapid.Check(t, func(t *rapid.T) {
		final := model{}
		var histories [][]event
		for _, name := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"a", "b"}, {"x", "y"}} {
			var history []event
			for range rapid.IntRange(1, 3).Draw(t, "versions") {
				history = append(history, event{drawRecordOn(t, name[0], name[1], contested), rapid.IntRange(0, 3).Draw(t, "gone") == 0})
			}
			if last := history[len(history)-1]; !last.gone {
				final[name[0]+"/"+name[1]] = last.record
			}
			histories = append(histories, history)
		}
		for range 3 {
			x, current := index.New(), model{}
			for _, e := range drawInterleaving(t, histories) {
				if err := e.tell(x, current); err != nil {
					t.Fatal(err)
				}
				if rapid.IntRange(0, 4).Draw(t, "relist") == 0 {
					if err := x.Replace(current.records()); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, h := range contested {
				want, wantFound := final.lookup(h)
				if got, found := x.Lookup(h); found != wantFound || got != want {
					t.Fatalf("hash %s: found %v with %+v, want %v with %+v", h.Encode(), found, got, wantFound, want)
				}
			}
		}
	})
}

// drawInterleaving draws an order of all events in which each history keeps its own.
func drawInterleaving(t *rapid.T, histories [][]event) (order []event) {
	var turns []int
	for i, history := range histories {
		for range history {
			turns = append(turns, i)
		}
	}
	told := make([]int, len(histories))
	for _, i := range rapid.Permutation(turns).Draw(t, "order") {
		order = append(order, histories[i][told[i]])
		told[i]++
	}
	return order
}

func (m model) records() (all []index.Record) {
	for _, r := range m {
		all = append(all, r)
	}
	return all
}

// Every sequence of four events, with repetitions, of three ApiKeys that claim one hash, at times that change their
// rank.
func TestEverySequenceOfFourEventsIsAnsweredByRank(t *testing.T) {
	claimed, other := keys.SHA256("1"), keys.SHA256("2")
	early, late := noon, noon.Add(time.Second)
	const uid = "00000000-0000-4000-8000-00000000000%d"
	events := []event{
		{record: claiming("referenced", index.FromSecret, late, fmt.Sprintf(uid, 3), claimed)},
		{record: claiming("referenced", index.FromSecret, late, fmt.Sprintf(uid, 3), other)},
		{record: claiming("imported", index.FromHash, early, fmt.Sprintf(uid, 2), claimed)},
		{record: claiming("imported", index.FromHash, late, fmt.Sprintf(uid, 2), claimed)},
		{record: claiming("imported-too", index.FromHash, early, fmt.Sprintf(uid, 1), claimed)},
		{record: claiming("imported-too", index.FromHash, late.Add(time.Second), fmt.Sprintf(uid, 1), claimed)},
	}
	for _, name := range []string{"referenced", "imported", "imported-too"} {
		events = append(events, event{record: named("ns", name), gone: true})
	}
	const length = 4
	n := len(events)
	for sequence := range n * n * n * n {
		x, m := index.New(), model{}
		var told []string
		for rest := sequence; len(told) < length; rest /= n {
			e := events[rest%n]
			told = append(told, fmt.Sprintf("%s (event %d)", e.record.Name, rest%n))
			if err := e.tell(x, m); err != nil {
				t.Fatal(err)
			}
			for _, h := range []keys.Hash{claimed, other} {
				want, wantFound := m.lookup(h)
				if got, found := x.Lookup(h); found != wantFound || got != want {
					t.Fatalf("after %v: found %v with %+v, want %v with %+v", told, found, got, wantFound, want)
				}
			}
		}
	}
}

// An ApiKey that has stood for long may be changed to claim what another one holds.
func TestAClaimIsNoOlderThanWhenItWasRecorded(t *testing.T) {
	x := index.New()
	old := claiming("old", index.FromHash, noon, fmt.Sprintf(uidForm, '0'), keys.SHA256("its own"))
	holder := claiming("holder", index.FromHash, noon.Add(time.Hour), fmt.Sprintf(uidForm, 'f'), keys.SHA256("contested"))
	mustSet(t, x, old)
	mustSet(t, x, holder)
	old.Credentials = append(old.Credentials, index.Credential{Hash: keys.SHA256("contested"), IssuedAt: noon.Add(2 * time.Hour)})
	mustSet(t, x, old)
	if got, _ := x.Lookup(keys.SHA256("contested")); got.Name != "holder" {
		t.Errorf("answered for %q, want the one that claimed it first", got.Name)
	}
	if got, _ := x.Lookup(keys.SHA256("its own")); got.Name != "old" {
		t.Errorf("answered for %q where nobody else claims", got.Name)
	}
}

func TestAStoppedClaimantIsNotPassedOver(t *testing.T) {
	stops := map[string]func(*index.Record){
		"revoked":                func(r *index.Record) { r.Revoked = true },
		"not granted":            func(r *index.Record) { r.NotGranted = true },
		"its credential expired": func(r *index.Record) { r.Credentials[0].Expired = true },
		"its time is over":       func(r *index.Record) { r.NotAfter = noon },
	}
	for name, stop := range stops {
		t.Run(name, func(t *testing.T) {
			first := claiming("first", index.FromHash, noon, "u1", hash(1))
			second := claiming("second", index.FromHash, noon.Add(time.Second), "u2", hash(1))
			stop(&first)
			x := index.New()
			mustSet(t, x, second)
			mustSet(t, x, first)
			if got, _ := x.Lookup(hash(1)); got.Name != "first" {
				t.Errorf("answered for %q, want the first claimant, stopped as it is", got.Name)
			}
		})
	}
}

func TestWhereAKeyComesFromIsTold(t *testing.T) {
	for i, r := range inRank(hash(1)) {
		t.Run(r.Name, func(t *testing.T) {
			x := index.New()
			r.Credentials[0].Hash = hash(i + 1)
			mustSet(t, x, r)
			if found, ok := x.Find(hash(i + 1)); !ok || found.Source() != r.Source {
				t.Errorf("the source is %d, want %d", found.Source(), r.Source)
			}
		})
	}
}
