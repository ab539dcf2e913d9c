package indexfeed_test

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// issued is an ApiKey whose one credential was recorded in the 11:59:58 before the bench's noon.
func issued(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	o := object(t, name, "{}", "{}")
	credentials, _, _ := unstructured.NestedSlice(o.Object, "status", "credentials")
	credentials[0].(map[string]any)["issuedAt"] = "2027-01-10T11:59:58Z"
	if err := unstructured.SetNestedSlice(o.Object, credentials, "status", "credentials"); err != nil {
		t.Fatal(err)
	}
	return o
}

// unreadable is an ApiKey of which nothing can be served.
func unreadable(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	o := issued(t, name)
	if err := unstructured.SetNestedField(o.Object, "of another version", "spec", "revision"); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestHowLongCredentialsTookIsToldOfThoseThatAreNew(t *testing.T) {
	const late = 2 * time.Second
	synced := func(t *testing.T, b *bench, objects ...any) {
		t.Helper()
		if err := b.feed.Replace(objects, "1"); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		act  func(t *testing.T, b *bench)
		want []time.Duration
	}{
		"what the first sync brings is old": {func(t *testing.T, b *bench) { synced(t, b, issued(t, "k")) }, nil},
		"an event with a new credential": {func(t *testing.T, b *bench) {
			synced(t, b)
			b.add(issued(t, "k"))
		}, []time.Duration{late}},
		"more events of it": {func(t *testing.T, b *bench) {
			synced(t, b, issued(t, "k"))
			b.add(issued(t, "k"))
		}, nil},
		"a later sync brings what was missed": {func(t *testing.T, b *bench) {
			synced(t, b, issued(t, "old"))
			b.clock.SetTime(b.clock.Now().Add(time.Minute))
			synced(t, b, issued(t, "old"), issued(t, "missed"))
		}, []time.Duration{time.Minute + late}},
		"one that was recorded an hour before it was missed, at most": {func(t *testing.T, b *bench) {
			synced(t, b)
			b.clock.SetTime(b.clock.Now().Add(time.Hour - late))
			b.add(issued(t, "k"))
		}, []time.Duration{time.Hour}},
		"a status that was restored holds an older one": {func(t *testing.T, b *bench) {
			synced(t, b)
			b.clock.SetTime(b.clock.Now().Add(time.Hour - late + 1))
			b.add(issued(t, "k"))
			synced(t, b, issued(t, "k"), issued(t, "another"))
		}, nil},
		"one that could be read only now": {func(t *testing.T, b *bench) {
			synced(t, b)
			b.add(unreadable(t, "k"))
			b.add(issued(t, "k"))
		}, nil},
		"one that cannot be read": {func(t *testing.T, b *bench) {
			synced(t, b)
			b.add(unreadable(t, "k"))
		}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			test.act(t, b)
			if !slices.Equal(b.took, test.want) {
				t.Errorf("told of %v, want %v", b.took, test.want)
			}
		})
	}
}
