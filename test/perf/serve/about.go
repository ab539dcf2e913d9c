package serve

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime/metrics"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Addresses is what a server's process writes to its standard output, as one line of JSON, once it is ready.
type Addresses struct {
	Servers []string // that are measured: for HTTP, and for gRPC where there is one
	About   string   // that tells about the process: /metrics, /collector and /debug/pprof/profile
}

func announce(a Addresses) error {
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		return fmt.Errorf("say that the server is ready: %w", err)
	}
	return nil
}

// Collector is what the garbage collector has cost since the process began.
type Collector struct {
	CPU    time.Duration // as the runtime estimates it
	Cycles uint64
	Pauses uint64
	// Longest pause; the upper end of the bucket that it falls into.
	Longest time.Duration
}

func tell(ln net.Listener, registry *prometheus.Registry) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /collector", func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(readCollector()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	server := http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.Serve(ln)
}

func readCollector() Collector {
	samples := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/sched/pauses/total/gc:seconds"},
	}
	metrics.Read(samples)
	pauses := samples[2].Value.Float64Histogram()
	c := Collector{
		CPU:    time.Duration(samples[0].Value.Float64() * float64(time.Second)),
		Cycles: samples[1].Value.Uint64(),
	}
	for i, count := range pauses.Counts {
		if c.Pauses += count; count > 0 {
			c.Longest = time.Duration(min(pauses.Buckets[i+1], math.MaxInt32) * float64(time.Second))
		}
	}
	return c
}
