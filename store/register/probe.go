package register

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// probePatience bounds one sample: what takes longer is as slow as that.
const probePatience = 2 * time.Second

// Probe is a reshard.Probe: it writes one row of its own on a shard. Close it.
type Probe struct {
	dsn func(shard.ID) (string, error)

	mu     sync.Mutex
	shards map[shard.ID]*onShard
}

// NewProbe returns a Probe; dsn tells where a shard is, for a role that may write
// to schema control.
func NewProbe(dsn func(shard.ID) (string, error)) *Probe {
	return &Probe{dsn: dsn, shards: map[shard.ID]*onShard{}}
}

// Sample implements reshard.Probe.
func (p *Probe) Sample(ctx context.Context, at shard.ID) (time.Duration, error) {
	a, err := p.at(at)
	if err != nil {
		return 0, err
	}
	within, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	var took time.Duration
	err = a.with(within, func(conn *pgx.Conn) error {
		began := time.Now() // making a connection does not count
		_, err := conn.Exec(within, "UPDATE control.probe SET n = n + 1")
		took = time.Since(began)
		return err
	})
	if err != nil && ctx.Err() == nil && within.Err() != nil && took > 0 {
		return probePatience, nil
	}
	return took, err
}

func (p *Probe) at(id shard.ID) (*onShard, error) {
	dsn, err := p.dsn(id)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shards == nil {
		return nil, fmt.Errorf("the probe is closed")
	}
	a := p.shards[id]
	if a == nil || a.dsn != dsn {
		if a != nil {
			a.close()
		}
		a = newOnShard(id, dsn)
		p.shards[id] = a
	}
	return a, nil
}

// Close closes the connections.
func (p *Probe) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.shards {
		a.close()
	}
	p.shards = nil
}
