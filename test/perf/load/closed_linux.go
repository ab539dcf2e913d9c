package load

import (
	"errors"
	"time"
)

// answerTimeout is how long the last answers may take.
const answerTimeout = 10 * time.Second

// Closed keeps each connection busy for a time, waits for the last answers, and returns how many came. The time is looked at
// once for each batch of answers.
func (c *Client) Closed(d time.Duration) (answers int, err error) {
	start := time.Now()
	for i := range c.conns {
		if err := c.send(i, 0); err != nil {
			return 0, err
		}
	}
	busy, over := len(c.conns), false
	answered := func(i int) error {
		if over {
			busy--
			return nil
		}
		return c.send(i, 0)
	}
	for busy > 0 {
		came, err := c.look(answered)
		if answers += came; err != nil {
			return answers, err
		}
		now := time.Since(start)
		if over = now >= d; now > d+answerTimeout {
			return answers, errors.New("the server does not answer")
		}
	}
	return answers, nil
}
