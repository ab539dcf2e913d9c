package schedule

import (
	"strings"
	"sync"
	"time"
)

// most is how many schedules a cache keeps; a cluster has a handful.
const most = 1024

// Cache keeps what was parsed, since a look at five years of times takes some thousandths of a second. It may be
// used by any number of goroutines, none of which waits for another's parsing. The zero value is empty.
type Cache struct {
	mu     sync.Mutex
	parsed map[[2]string]outcome
}

type outcome struct {
	schedule *Schedule
	err      error
}

// Parse is the function Parse, whose outcome is kept: what is found of the gaps is that of the first call.
func (c *Cache) Parse(expression, timeZone string, from time.Time) (*Schedule, error) {
	name := [2]string{strings.Join(strings.Fields(expression), " "), timeZone}
	if known, ok := c.find(name); ok {
		return known.schedule, known.err
	}
	var found outcome
	found.schedule, found.err = Parse(expression, timeZone, from)
	c.keep(name, found)
	return found.schedule, found.err
}

func (c *Cache) find(name [2]string) (outcome, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.parsed[name]
	return known, ok
}

func (c *Cache) keep(name [2]string, found outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parsed == nil {
		c.parsed = map[[2]string]outcome{}
	}
	for other := range c.parsed {
		if len(c.parsed) < most {
			break
		}
		delete(c.parsed, other)
	}
	c.parsed[name] = found
}
