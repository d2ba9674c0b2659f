package notify

import (
	"maps"
	"sync"
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
	// of them: told, live, read, level, quiet, gone.
	Wakes map[string]uint64
	// Calls counts calls to push services and webhooks by how they ended:
	// delivered, or why not, such as failed_429 or gone_410.
	Calls map[string]uint64
	// InFlight is how many jobs this node has in hand.
	InFlight int
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
