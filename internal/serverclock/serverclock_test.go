package serverclock_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/internal/serverclock"
)

var now = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

// server answers with a Date after some time.
type server struct {
	date  string
	took  time.Duration
	clock *clocktesting.FakePassiveClock
	err   error
}

// RoundTrip implements http.RoundTripper.
func (s server) RoundTrip(*http.Request) (*http.Response, error) {
	s.clock.SetTime(s.clock.Now().Add(s.took))
	if s.err != nil {
		return nil, s.err
	}
	response := &http.Response{Header: http.Header{}}
	if s.date != "" {
		response.Header.Set("Date", s.date)
	}
	return response, nil
}

// before is the offset at the exchange that comes before the one that is tested.
const before = 6500 * time.Millisecond

func TestTheOffsetIsThatOfTheLastAnswerThatTells(t *testing.T) {
	dated := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	cases := map[string]struct {
		server server
		want   time.Duration
	}{
		"the same time, to half a second":        {server{date: dated(0)}, 500 * time.Millisecond},
		"a server that is ahead":                 {server{date: dated(time.Hour)}, time.Hour + 500*time.Millisecond},
		"a server that is behind":                {server{date: dated(-time.Hour)}, -time.Hour + 500*time.Millisecond},
		"an answer that took some time":          {server{date: dated(0), took: 2 * time.Second}, -500 * time.Millisecond},
		"one that took so long that it is vague": {server{date: dated(time.Hour), took: time.Minute}, before},
		"our clock was put back meanwhile":       {server{date: dated(time.Hour), took: -time.Second}, before},
		"no date":                                {server{}, before},
		"what is no date":                        {server{date: "yesterday"}, before},
		"no answer":                              {server{date: dated(time.Hour), err: errors.New("gone")}, before},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(now)
			var offset serverclock.Offset
			exchange := func(s server) {
				s.clock = clock
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example/", nil)
				if err != nil {
					t.Fatal(err)
				}
				response, err := offset.Observe(clock)(s).RoundTrip(request)
				if !errors.Is(err, s.err) || err == nil && response == nil {
					t.Fatalf("the answer is %v, %v", response, err)
				}
			}
			exchange(server{date: now.Add(before).Format(http.TimeFormat), took: 0})
			if got := offset.Get(); got != before {
				t.Fatalf("the first offset is %s", got)
			}
			clock.SetTime(now)
			exchange(c.server)
			if got := offset.Get(); got != c.want {
				t.Errorf("the offset is %s, want %s", got, c.want)
			}
		})
	}
}
