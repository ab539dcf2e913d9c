package main

import (
	"time"
)

const (
	warmUp = 60 * time.Millisecond
	slice  = 150 * time.Millisecond
)

// comparison is what the rounds of two targets came to: medians over the rounds.
type comparison struct {
	ratios []float64 // of each round, the first target's rate to the second's
	a, b   []float64 // rates of each round, in answers a second of the processor
}

// compare measures two targets in turn: A B B A in one round, B A A B in the next, so that neither a machine that becomes
// busier nor what one leaves in the caches favours one of them.
func (b *bench) compare(x, y *target) (comparison, error) {
	var c comparison
	for round := range b.options.rounds {
		order := []*target{x, y, y, x}
		if round%2 == 1 {
			order = []*target{y, x, x, y}
		}
		tallies := map[*target]*tally{x: {}, y: {}}
		for _, t := range order {
			if err := b.ctx.Err(); err != nil {
				return c, err
			}
			if _, err := t.closed(warmUp); err != nil {
				return c, err
			}
			more, err := t.closed(slice)
			if err != nil {
				return c, err
			}
			tallies[t].add(more)
		}
		c.a = append(c.a, tallies[x].rate())
		c.b = append(c.b, tallies[y].rate())
		c.ratios = append(c.ratios, tallies[x].rate()/tallies[y].rate())
	}
	return c, nil
}
