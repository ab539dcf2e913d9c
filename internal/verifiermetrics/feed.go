package verifiermetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterFeed registers what is asked at each scrape of the feed from the API server: how long ago it was heard from,
// and by how much its clock is ahead of ours.
func RegisterFeed(registerer prometheus.Registerer, staleness, clockOffset func() time.Duration) {
	gauge := func(name, help string, value func() time.Duration) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts(options(name, help)), func() float64 { return value().Seconds() })
	}
	registerer.MustRegister(
		gauge("staleness_seconds", "How long ago the API server was last heard from, bookmarks included.", staleness),
		gauge("clock_offset_seconds", "By how much the API server's clock was ahead of the verifier's when it last answered; 0 before.", clockOffset),
	)
}
