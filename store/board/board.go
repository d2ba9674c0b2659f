package board

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"gori/shard"
	"gori/store/gently"
)

// Instance is where a shard is.
type Instance struct {
	ID  shard.ID
	DSN string
}

const (
	conns    = 2 // to each shard
	idleTime = 30 * time.Second
	patience = 5 * time.Second // for one shard's answer
)

// Board looks at the shards. Its methods may be called from any goroutine.
type Board struct {
	shards func() []Instance

	mu    sync.Mutex
	pools map[Instance]*pgxpool.Pool
	ended bool
	left  sync.WaitGroup // pools that end
}

// New makes a Board of the shards that the function names, each time anew.
func New(shards func() []Instance) *Board {
	return &Board{shards: shards, pools: map[Instance]*pgxpool.Pool{}}
}

// Close ends all connections.
func (b *Board) Close() {
	b.mu.Lock()
	b.ended = true
	pools := b.pools
	b.pools = nil
	b.mu.Unlock()
	for _, p := range pools {
		p.Close()
	}
	b.left.Wait()
}

// pool returns the connections to a shard, and ends those to shards that are
// no longer named.
func (b *Board) pool(at Instance, all []Instance) (*pgxpool.Pool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return nil, context.Canceled
	}
	if p := b.pools[at]; p != nil {
		return p, nil
	}
	named := map[Instance]bool{}
	for _, in := range all {
		named[in] = true
	}
	for in, p := range b.pools {
		if !named[in] {
			delete(b.pools, in)
			b.left.Go(p.Close) // after the look that is under way
		}
	}
	cfg, err := pgxpool.ParseConfig(at.DSN)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns, cfg.MinConns, cfg.MaxConnIdleTime, cfg.HealthCheckPeriod = conns, 0, idleTime, idleTime
	cfg.ConnConfig.ConnectTimeout = 2 * time.Second
	gently.Connect(&cfg.ConnConfig.Config)
	for k, v := range map[string]string{
		"application_name":              "gori board",
		"default_transaction_read_only": "on",
		"statement_timeout":             "4s",
		"lock_timeout":                  "1s",
		"timezone":                      "UTC",
		"jit":                           "off",
	} {
		cfg.ConnConfig.RuntimeParams[k] = v
	}
	p, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	b.pools[at] = p
	return p, nil
}

// Answer is what one shard said, or why it did not.
type Answer[T any] struct {
	Shard shard.ID
	Value T
	Err   error
}

// headStart is how long the next shard is not asked while one has not answered:
// what several look up at once they take from those who serve people.
const headStart = 20 * time.Millisecond

// each asks all shards, one soon after the other, and waits for all answers, in
// the order in which the shards are named.
func each[T any](ctx context.Context, b *Board, ask func(ctx context.Context, p *pgxpool.Pool) (T, error)) []Answer[T] {
	all := b.shards()
	answers := make([]Answer[T], len(all))
	var wg sync.WaitGroup
	for i, in := range all {
		answered := make(chan struct{})
		wg.Go(func() {
			defer close(answered)
			answers[i] = Answer[T]{Shard: in.ID}
			p, err := b.pool(in, all)
			if err == nil {
				asking, cancel := context.WithTimeout(ctx, patience)
				defer cancel()
				answers[i].Value, err = ask(asking, p)
			}
			answers[i].Err = err
		})
		select {
		case <-answered:
		case <-time.After(headStart):
		}
	}
	wg.Wait()
	return answers
}
