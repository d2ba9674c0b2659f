package move

import (
	"sync"
	"time"

	"gori/shard"
)

// commits remembers what a durable commit has taken of late at each shard, from
// one group to the next: else the first fence of a group would know nothing.
type commits struct {
	mu sync.Mutex
	by map[shard.ID]time.Duration
}

func (c *commits) note(id shard.ID, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[shard.ID]time.Duration{}
	}
	c.by[id] = d
}

func (c *commits) last(id shard.ID) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[id]
}

// sqlInTime fails when it is too late by the server's own clock.
const sqlInTime = "SELECT 1 / (CASE WHEN clock_timestamp() < $1::timestamptz THEN 1 ELSE 0 END)"

// farOff is any time that no fence lasts.
const farOff = 24 * 365 * time.Hour
