package indexfeed_test

import (
	"log/slog"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/controllers/indexfeed"
	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// timed is a bench whose clock is in the test's hands.
type timed struct {
	*bench

	clock *clocktesting.FakePassiveClock
}

func newTimed(t *testing.T) *timed {
	t.Helper()
	b := &timed{bench: &bench{t: t, index: index.New()}, clock: clocktesting.NewFakePassiveClock(noon)}
	b.feed = indexfeed.New(b.index, b, b.clock, slog.New(slog.NewTextHandler(&b.log, nil)))
	return b
}

func (b *timed) after(d time.Duration) { b.clock.SetTime(b.clock.Now().Add(d)) }

func (b *timed) expectStaleness(want time.Duration) {
	b.t.Helper()
	if got := b.feed.Staleness(); got != want {
		b.t.Errorf("the staleness is %s, want %s", got, want)
	}
}

func TestStalenessCountsFromTheLastEventOrBookmark(t *testing.T) {
	cases := map[string]func(*timed) error{
		"an ApiKey that was added":   func(b *timed) error { return b.feed.Add(object(b.t, "k", `{}`, `{}`)) },
		"an ApiKey that was changed": func(b *timed) error { return b.feed.Update(object(b.t, "k", `{}`, `{}`)) },
		"an ApiKey that was deleted": func(b *timed) error { return b.feed.Delete(object(b.t, "k", `{}`, `{}`)) },
		"an ApiKey that is no such":  func(b *timed) error { return b.feed.Add("nonsense") },
		"all ApiKeys anew":           func(b *timed) error { return b.feed.Replace(nil, "7") },
		"a bookmark":                 func(b *timed) error { return b.feed.Bookmark("7") },
	}
	for name, happens := range cases {
		t.Run(name, func(t *testing.T) {
			b := newTimed(t)
			b.after(time.Minute)
			b.expectStaleness(time.Minute) // nothing was heard yet
			if err := happens(b); err != nil {
				t.Fatal(err)
			}
			b.expectStaleness(0)
			b.after(90 * time.Second)
			b.expectStaleness(90 * time.Second)
		})
	}
}

// What is decided of a key follows the clock; what is known of it does not.
func TestAClockThatStepsChangesNoAnswerButThatOfAKeyThatEnds(t *testing.T) {
	b := newTimed(t)
	add := func(name, spec string) string {
		key := generatedKey(t, name)
		b.add(with(t, object(t, name, spec, `{state: Active, grant: {}}`), credential(1, "Current", keys.HashV1(key).Encode(), 0)))
		return key
	}
	endless, ending := add("endless", `{}`), add("ending", `{expiresAt: "2027-01-10T13:00:00Z"}`)
	revoked := add("revoked", `{revoked: true}`)
	steps := map[string]struct {
		to         time.Time
		wantEnding authn.Reason
	}{
		"an hour back":        {noon.Add(-time.Hour), authn.Allowed},
		"to 1970":             {time.Unix(0, 0), authn.Allowed},
		"to before the end":   {noon.Add(time.Hour - 1), authn.Allowed},
		"to the end":          {noon.Add(time.Hour), authn.Expired},
		"a century ahead":     {noon.AddDate(100, 0, 0), authn.Expired},
		"ahead, and an event": {noon.Add(2 * time.Hour), authn.Expired},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			b.clock.SetTime(step.to)
			if got := b.feed.Staleness(); got < 0 {
				t.Errorf("the staleness is %s", got)
			}
			if err := b.feed.Bookmark("8"); err != nil {
				t.Fatal(err)
			}
			b.expectAt(endless, authn.Allowed)
			b.expectAt(ending, step.wantEnding)
			b.expectAt(revoked, authn.Revoked)
			late := add("late-"+string(rune('a'+len(name))), `{}`) // events are taken as ever
			b.expectAt(late, authn.Allowed)
			b.expectStaleness(0)
			b.clock.SetTime(noon) // and back
			b.expectAt(ending, authn.Allowed)
		})
	}
}

// expectAt is what is decided at the clock's time.
func (b *timed) expectAt(key string, want authn.Reason) {
	b.t.Helper()
	got := authn.NewDecider(b.index).Decide(&authn.Request{
		Ready: true, Requirement: &authn.Requirement{}, Credential: authn.NewCredential([]byte(key)), Now: b.clock.Now(),
	})
	if got.Reason != want {
		b.t.Errorf("at %s the answer is %v, want %v", b.clock.Now(), got.Reason, want)
	}
}
