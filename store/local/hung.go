package local

import (
	"context"
	"time"
)

// silence is for how long something has not answered. Each question that had no
// answer counts for a little time at most: a host, or this process, that stood
// still as a whole for long says nothing about whom it would have asked.
type silence struct {
	sum  time.Duration
	last time.Time // when the last question ended
}

// silenceStep is what one question counts for at most: what it may take, twice.
const silenceStep = 2 * time.Second

// note notes the end of a question and returns the silence until now.
func (s *silence) note(now time.Time, answered bool) time.Duration {
	s.sum += min(now.Sub(s.last), silenceStep)
	s.last = now
	if answered {
		s.sum = 0
	}
	return s.sum
}

// hears notes that the primary answers and takes connections, or is given the
// time to.
func (p *pair) hears(now time.Time) {
	p.silent, p.deaf, p.opened = silence{last: now}, silence{last: now}, now
}

// knock sees now and then whether the primary takes new connections.
func (p *pair) knock(ctx context.Context) error {
	if time.Since(p.opened) < p.times.Deaf/5 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := p.atPrimary.Knock(ctx)
	if err == nil {
		p.opened = time.Now()
		p.deaf.note(p.opened, true)
	}
	return err
}

// endHung ends a primary that hangs. Only once all of it is gone, so that it
// cannot wake and go on, does anybody else become the primary.
func (p *pair) endHung(ctx context.Context, primary *Instance, why error) {
	p.log.Warn("PostgreSQL does not answer; ending it", "shard", p.id, "instance", primary.ID(), "error", why)
	primary.Kill()
	p.primaryDied(ctx)
}
