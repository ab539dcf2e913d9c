package main

import (
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/controllers/indexfeed"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// silent is told of the feed and says nothing.
type silent struct{}

func (silent) EventSeen(float64)        {}
func (silent) Undecodable(int)          {}
func (silent) Propagated(time.Duration) {}

func TestAVerifierThatHasHeardNothingForTooLongIsNotReady(t *testing.T) {
	cases := map[string]struct {
		allowed, passed time.Duration
		wantErr         string // empty: ready
	}{
		"no limit":             {0, 1000 * time.Hour, ""},
		"within the limit":     {5 * time.Minute, 5 * time.Minute, ""},
		"longer than is given": {5 * time.Minute, 5*time.Minute + time.Second, "stale: the API server was last heard from 5m1s ago"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC))
			v := &verifier{flags: &verifierFlags{maxStaleness: c.allowed}, feeds: indexfeed.NewFeeds(index.New(), nil, silent{}, clock, nil)}
			if err := v.ready(); err == nil || !strings.Contains(err.Error(), "not synced") {
				t.Fatalf("before all ApiKeys were seen: %v", err)
			}
			if err := v.feeds.Of("").Replace(nil, "1"); err != nil {
				t.Fatal(err)
			}
			clock.SetTime(clock.Now().Add(c.passed))
			if err := v.ready(); c.wantErr == "" && err != nil || c.wantErr != "" && (err == nil || err.Error() != c.wantErr) {
				t.Errorf("err = %v, want %q", err, c.wantErr)
			}
			if err := v.feeds.Of("").Bookmark("2"); err != nil {
				t.Fatal(err)
			}
			if err := v.ready(); err != nil {
				t.Errorf("heard from again: %v", err)
			}
		})
	}
}
