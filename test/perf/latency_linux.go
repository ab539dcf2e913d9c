package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/apikey-operator/apikey-operator/test/perf/load"
	"github.com/apikey-operator/apikey-operator/test/perf/serve"
)

// openSlice is how long a target is asked at a fixed rate at a time: for tens of thousands of requests, so that a p99.9
// is that of tens of them.
const openSlice = 500 * time.Millisecond

// latency asks the verifier with few keys and the one with many at one rate, half of what the slower of them can do.
func latency(b *bench) ([]result, error) {
	noise, err := b.latencyNoise()
	if err != nil {
		return nil, err
	}
	var pair [2]*server
	var targets [2]*target
	for i, keys := range []int{many, few} {
		if pair[i], err = b.verifier(keys); err != nil {
			return nil, err
		}
		if targets[i], err = b.target(pair[i].name, pair[i], asking(subrequest(), b.shuffled(keys), allowed)); err != nil {
			return nil, err
		}
	}
	before, err := b.collectors(pair)
	if err != nil {
		return nil, err
	}
	measured, err := b.comparePaces(targets[0], targets[1])
	if err != nil {
		return nil, err
	}
	after, err := b.collectors(pair)
	if err != nil {
		return nil, err
	}
	ratios := measured.ratios()
	results := []result{atMost("hit_1m_p99", "ratio", median(ratios), 2, noise)}
	b.progress("  %.2f (%.2f to %.2f) at %.0f requests a second; identical servers differ by %.0f %%",
		results[0].Value, lowest(ratios), highest(ratios), measured.rate, 100*noise)
	for i, name := range []string{"latency_1m", "latency_10k"} {
		for j, q := range quantiles {
			results = append(results, reported(name+"_"+q.name, "µs", median(measured.quantiles[i][j])))
		}
		share := float64(after[i].CPU-before[i].CPU) / float64(measured.cpu[i])
		results = append(results, reported(name+"_collector", "share of CPU", share))
		b.progress("  %s: %d collections in it, %.2f %% of its time; longest pause since it began %v",
			name, after[i].Cycles-before[i].Cycles, 100*share, after[i].Longest)
	}
	return results, nil
}

// latencyNoise is the spread of p99 of two servers that are the same.
func (b *bench) latencyNoise() (float64, error) {
	var pair [2]*target
	for i := range pair {
		s, err := b.noOp(fmt.Sprintf("no-op verifier %d", i+1))
		if err != nil {
			return 0, err
		}
		if pair[i], err = b.target(s.name, s, asking(subrequest(), b.shuffled(few), allowed)); err != nil {
			return 0, err
		}
	}
	measured, err := b.comparePaces(pair[0], pair[1])
	if err != nil {
		return 0, err
	}
	return spread(measured.ratios()), nil
}

var quantiles = []struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}}

const p99 = 1 // of quantiles

// paces are the latencies of two targets at one rate.
type paces struct {
	rate      float64         // requests a second
	quantiles [2][3][]float64 // of each target, each of quantiles in each round, in µs
	cpu       [2]time.Duration
}

func (p *paces) ratios() []float64 {
	ratios := make([]float64, len(p.quantiles[0][p99]))
	for round := range ratios {
		ratios[round] = p.quantiles[0][p99][round] / p.quantiles[1][p99][round]
	}
	return ratios
}

func (p *paces) add(i int, l load.Latencies) {
	for j, q := range quantiles {
		p.quantiles[i][j] = append(p.quantiles[i][j], float64(l.Quantile(q.q).Nanoseconds())/1e3)
	}
}

// comparePaces asks two targets in turn at half of what the slower of them can do.
func (b *bench) comparePaces(x, y *target) (paces, error) {
	targets := [2]*target{x, y}
	capacity := 0.0
	for _, t := range targets {
		began := time.Now()
		done, err := t.closed(2 * slice)
		if err != nil {
			return paces{}, err
		}
		if rate := float64(done.answers) / time.Since(began).Seconds(); capacity == 0 || rate < capacity {
			capacity = rate
		}
	}
	p := paces{rate: capacity / 2}
	for round := range b.options.rounds {
		for turn := range targets {
			i := (round + turn) % len(targets)
			if err := b.ctx.Err(); err != nil {
				return p, err
			}
			before, err := targets[i].cpu()
			if err != nil {
				return p, err
			}
			l, err := targets[i].client.Open(p.rate, openSlice)
			if err != nil {
				return p, fmt.Errorf("%s: %w", targets[i].name, err)
			}
			after, err := targets[i].cpu()
			if err != nil {
				return p, err
			}
			p.add(i, l)
			p.cpu[i] += after - before
		}
	}
	return p, nil
}

func (b *bench) collectors(servers [2]*server) (all [2]serve.Collector, err error) {
	for i, s := range servers {
		if all[i], err = collectorOf(b.ctx, s); err != nil {
			return all, err
		}
	}
	return all, nil
}

// collectorOf asks a process what its garbage collector has cost so far.
func collectorOf(ctx context.Context, s *server) (c serve.Collector, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.about+"/collector", nil)
	if err != nil {
		return c, fmt.Errorf("ask for the collector's cost: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return c, fmt.Errorf("ask for the collector's cost: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&c); err != nil {
		return c, fmt.Errorf("ask for the collector's cost: %w", err)
	}
	return c, nil
}
