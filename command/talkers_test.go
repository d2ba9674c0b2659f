package command

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// talkers is people who go on talking until they are told to stop.
type talkers struct {
	talks []*talk
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

// gather has n people talk, each a message every 50 ms.
func (s *system) gather(n int) *talkers {
	s.t.Helper()
	c := &talkers{}
	ctx, stop := context.WithCancel(s.t.Context())
	c.stop = stop
	for i := range n {
		c.talks = append(c.talks, newTalk(s.t, s.url, fmt.Sprintf("person%d", i)))
	}
	for _, k := range c.talks {
		c.wg.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			// The history is read in one page of 200.
			for i := 0; ctx.Err() == nil && i < 190; i++ {
				k.say(fmt.Sprintf("message %d", i))
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
	s.t.Cleanup(c.silence)
	return c
}

func (c *talkers) silence() {
	c.stop()
	c.wg.Wait()
}

// check has everybody read back what they have said.
func (c *talkers) check(url string) {
	c.silence()
	for _, k := range c.talks {
		k.who.url = url
		k.check()
	}
}
