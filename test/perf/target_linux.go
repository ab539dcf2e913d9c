package main

import (
	"fmt"
	"time"

	"github.com/apikey-operator/apikey-operator/test/perf/load"
	"github.com/apikey-operator/apikey-operator/test/perf/proc"
)

// target is a server with what it is asked, and the processes whose time that takes.
type target struct {
	name   string
	client *load.Client
	pids   []int
}

// tally is how much was answered in how much time on the processor.
type tally struct {
	answers int
	cpu     time.Duration
}

// rate is answers a second of the processor.
func (t tally) rate() float64 { return float64(t.answers) / t.cpu.Seconds() }

func (t *tally) add(more tally) {
	t.answers += more.answers
	t.cpu += more.cpu
}

func (t *target) cpu() (sum time.Duration, err error) {
	for _, pid := range t.pids {
		took, err := proc.CPU(pid)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", t.name, err)
		}
		sum += took
	}
	return sum, nil
}

// closed asks as quickly as answers come.
func (t *target) closed(d time.Duration) (tally, error) {
	before, err := t.cpu()
	if err != nil {
		return tally{}, err
	}
	answers, err := t.client.Closed(d)
	if err != nil {
		return tally{}, fmt.Errorf("%s: %w", t.name, err)
	}
	after, err := t.cpu()
	return tally{answers, after - before}, err
}
