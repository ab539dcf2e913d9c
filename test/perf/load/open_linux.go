package load

import (
	"errors"
	"slices"
	"time"
)

// Latencies are times from when a request was due until its answer had come, in order.
type Latencies []time.Duration

// Quantile returns the time that the share q of all is within; zero of none.
func (l Latencies) Quantile(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(int(q*float64(len(l))), len(l)-1)]
}

// Open sends at a fixed rate a second for a time, whether answers come or not. A request that finds all connections busy
// waits for one, and its time counts from when it was due, not from when it could be sent, so that a server that stops
// for a while is charged for all that it kept waiting. Between requests it looks for answers without sleeping, since
// the kernel's timers are coarser than what is measured.
func (c *Client) Open(rate float64, d time.Duration) (Latencies, error) {
	interval := time.Duration(float64(time.Second) / rate)
	total := int(d / interval)
	latencies := make(Latencies, 0, total)
	free := make([]int, 0, len(c.conns))
	for i := range c.conns {
		free = append(free, i)
	}
	start := time.Now()
	answered := func(i int) error {
		latencies = append(latencies, time.Since(start)-c.conns[i].sent)
		free = append(free, i)
		return nil
	}
	for sent := 0; len(latencies) < total; {
		now := time.Since(start)
		for ; sent < total && len(free) > 0; sent++ {
			due := time.Duration(sent) * interval
			if due > now {
				break
			}
			i := free[len(free)-1]
			free = free[:len(free)-1]
			if err := c.send(i, due); err != nil {
				return nil, err
			}
		}
		if _, err := c.look(answered); err != nil {
			return nil, err
		}
		if now > d+answerTimeout {
			return nil, errors.New("the server does not keep up with half of what it can do")
		}
	}
	slices.Sort(latencies)
	return latencies, nil
}
