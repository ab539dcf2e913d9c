// Package serverclock compares our clock with that of a server, by the Date header of its answers (RFC 9110,
// section 6.6.1).
package serverclock

import (
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

// slowest is how long an exchange may take to tell anything: the server's time lies somewhere within it.
const slowest = 5 * time.Second

// Offset is by how much a server's clock is ahead of ours. The zero value knows nothing and says 0. It may be used
// by any number of goroutines.
type Offset struct {
	nanoseconds atomic.Int64
}

// Get is the offset at the last exchange, to within a second or so and half the time that the exchange took;
// 0 before there was one.
func (o *Offset) Get() time.Duration { return time.Duration(o.nanoseconds.Load()) }

// Observe makes a transport that notes the offset at each exchange; for rest.Config.Wrap.
func (o *Offset) Observe(clock clock.PassiveClock) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return &observer{RoundTripper: next, offset: o, clock: clock}
	}
}

type observer struct {
	http.RoundTripper
	offset *Offset
	clock  clock.PassiveClock
}

// RoundTrip implements http.RoundTripper.
func (o *observer) RoundTrip(request *http.Request) (*http.Response, error) {
	sent := o.clock.Now()
	response, err := o.RoundTripper.RoundTrip(request)
	if err == nil {
		o.note(response.Header.Get("Date"), sent, o.clock.Now())
	}
	return response, err
}

// WrappedRoundTripper lets client-go find what it looks for below.
func (o *observer) WrappedRoundTripper() http.RoundTripper { return o.RoundTripper }

func (o *observer) note(date string, sent, received time.Time) {
	told, err := http.ParseTime(date)
	took := received.Sub(sent)
	if err != nil || took < 0 || took > slowest {
		return
	}
	const cutOff = 500 * time.Millisecond // of the second that the header leaves out, in the mean
	o.offset.nanoseconds.Store(int64(told.Add(cutOff).Sub(sent.Add(took / 2))))
}
