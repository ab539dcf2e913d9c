package verifiermetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterReady registers whether the verifier says that it is ready, which is asked at each scrape.
func RegisterReady(registerer prometheus.Registerer, ready func() bool) {
	registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts(
		options("ready", "1 where /readyz says so: all ApiKeys were seen, and the verifier is neither stale nor draining; else 0.")),
		func() float64 {
			if ready() {
				return 1
			}
			return 0
		}))
}

// RegisterFeed registers what is asked at each scrape of the feed from the API server: how long ago it was heard from,
// and by how much its clock is ahead of ours.
func RegisterFeed(registerer prometheus.Registerer, staleness, clockOffset func() time.Duration) {
	gauge := func(name, help string, value func() time.Duration) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts(options(name, help)), func() float64 { return value().Seconds() })
	}
	registerer.MustRegister(
		gauge("staleness_seconds", "How long ago the API server was last heard from, bookmarks included; above 120 it is lost, or the way to it.", staleness),
		gauge("clock_offset_seconds", "By how much the API server's clock was ahead of the verifier's, by which keys expire, when it last answered; 0 before.", clockOffset),
	)
}
