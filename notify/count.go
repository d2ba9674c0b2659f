package notify

import (
	"context"
	"maps"
	"sync"
	"time"
)

// counts are the totals of a node since it started.
type counts struct {
	mu     sync.Mutex
	byKind map[string]uint64 // wakes by what became of them, see Stats
	calls  map[string]uint64 // calls by verdict and reason
}

// Stats are counts for whoever watches the node.
type Stats struct {
	// Wakes counts news in a channel for a user with a device, by what became
	// of them: told, live, read, level, quiet, gone; waits counts those
	// put off.
	Wakes map[string]uint64
	// Calls counts calls to push services and webhooks by how they ended:
	// delivered, or why not, such as failed_429 or gone_410.
	Calls map[string]uint64
	// InHand is how many jobs this node has in hand.
	InHand int
}

func (c *counts) woke(what string, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKind == nil {
		c.byKind = map[string]uint64{}
	}
	c.byKind[what] += uint64(by)
}

func (c *counts) called(o outcome) {
	what := o.verdict.String()
	if o.reason != "" {
		what += "_" + o.reason
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]uint64{}
	}
	c.calls[what]++
}

func (c *counts) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Wakes: maps.Clone(c.byKind), Calls: maps.Clone(c.calls)}
}

// Waiting counts what is to come on the shards that answer, and tells how long
// the oldest of it has been due.
func (n *Notifier) Waiting(ctx context.Context) (wakes, jobs int, overdue time.Duration) {
	if n.cfg.Queues == nil {
		return 0, 0, 0
	}
	for _, q := range n.cfg.Queues.All() {
		w, j, err := q.Waiting(ctx)
		if err != nil {
			continue
		}
		wakes, jobs = wakes+w, jobs+j
		if d, ok, err := q.Next(ctx); err == nil && ok {
			overdue = max(overdue, -d)
		}
	}
	return wakes, jobs, overdue
}
