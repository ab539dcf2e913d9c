package scale

import (
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack/recorder"
)

// rate is how requests came over time.
type rate struct {
	n        int
	seconds  float64
	most     int     // in any second
	overdrew float64 // by how many requests a bucket of the configured rate and burst was overdrawn at worst
}

// rateOf measures requests in the order of their arrival, those for the lease apart, as they wait for nobody.
func rateOf(requests []recorder.Request, qps, burst int) rate {
	var times []time.Time
	for _, r := range requests {
		if r.Resource != "leases" {
			times = append(times, r.At)
		}
	}
	if len(times) == 0 {
		return rate{}
	}
	measured := rate{n: len(times), seconds: times[len(times)-1].Sub(times[0]).Seconds()}
	bucket, first, last := float64(burst), 0, times[0]
	for i, at := range times {
		bucket = min(bucket+at.Sub(last).Seconds()*float64(qps), float64(burst)) - 1
		measured.overdrew, last = max(measured.overdrew, -bucket), at
		for at.Sub(times[first]) > time.Second {
			first++
		}
		measured.most = max(measured.most, i-first+1)
	}
	return measured
}

func TestARateIsHeldToItsBucket(t *testing.T) {
	began := time.Now()
	evenly := func(n int, gap time.Duration) (requests []recorder.Request) {
		for i := range n {
			requests = append(requests, recorder.Request{At: began.Add(time.Duration(i) * gap)})
		}
		return requests
	}
	for name, c := range map[string]struct {
		requests     []recorder.Request
		wantMost     int
		wantOverdrew float64
	}{
		"none":                     {nil, 0, 0},
		"as many as the burst":     {evenly(20, 0), 20, 0},
		"more than the burst":      {evenly(25, 0), 25, 5},
		"at the rate for long":     {evenly(500, 100*time.Millisecond), 11, 0},
		"at twice the rate, short": {evenly(20, 50*time.Millisecond), 20, 0},
		"at twice the rate, long":  {evenly(101, 50*time.Millisecond), 21, 31},
		"for the lease":            {[]recorder.Request{{At: began, Resource: "leases"}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := rateOf(c.requests, 10, 20)
			if got.most != c.wantMost || max(got.overdrew-c.wantOverdrew, c.wantOverdrew-got.overdrew) > 0.01 {
				t.Errorf("%d in a second, overdrawn by %g; want %d and %g", got.most, got.overdrew, c.wantMost, c.wantOverdrew)
			}
		})
	}
}
