package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Store keeps everything on the shards. Its methods may be called from any
// goroutine.
type Store struct {
	// static
	cfg    Config
	log    *slog.Logger
	shards []*shardConn

	routes     atomic.Pointer[routes]
	refreshNow chan struct{}
	rosters    *rosters
	fan        *fanOut
	effects    effectState
	count      counters
	gateSQL    string // sqlGate, but for tests of what the gate is good for

	cancel context.CancelFunc
	wg     sync.WaitGroup // the goroutines that Open started
	closed sync.Once
}

// Open connects to the shards, whose schemas must be up to date (see Migrate),
// and learns who owns what. A shard that does not answer is no error: what it
// owns is unavailable until it does. If none answers Open fails.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, log: cfg.Logger, refreshNow: make(chan struct{}, 1), rosters: newRosters(cfg.RosterIDs), gateSQL: sqlGate}
	for i, sc := range cfg.Shards {
		sh, err := s.newShard(ctx, i, sc)
		if err != nil {
			s.closePools()
			return nil, fmt.Errorf("shard %s: %w", sc.ID, err)
		}
		s.shards = append(s.shards, sh)
	}
	rt := &routes{}
	for p := range rt.owner {
		rt.owner[p] = unknownOwner
	}
	s.routes.Store(rt)
	if err := s.greet(ctx); err != nil {
		s.closePools()
		return nil, err
	}
	s.refresh(ctx)

	s.fan = newFanOut(s)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.wg.Go(func() { s.refresher(run) })
	for _, sh := range s.shards {
		s.wg.Go(func() { s.probe(run, sh) })
		for _, w := range sh.writers {
			s.wg.Go(func() { w.run(run) })
		}
	}
	s.wg.Go(func() { s.fan.run(run) })
	return s, nil
}

// newShard prepares one shard's connections without opening any.
func (s *Store) newShard(ctx context.Context, slot int, sc ShardConfig) (*shardConn, error) {
	pc, err := pgxpool.ParseConfig(sc.DSN)
	if err != nil {
		return nil, err
	}
	if s.cfg.Dial != nil {
		pc.ConnConfig.DialFunc = s.cfg.Dial
	}
	pc.ConnConfig.ConnectTimeout = 2 * time.Second
	pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	for k, v := range map[string]string{
		"application_name":                    "gori",
		"default_transaction_isolation":       "read committed",
		"statement_timeout":                   "10s",
		"lock_timeout":                        "3s",
		"idle_in_transaction_session_timeout": "3s",
		"timezone":                            "UTC",
		"jit":                                 "off",
		// Everything is a look-up by key; a plan made while a table was small
		// must not scan it when it has grown.
		"enable_seqscan":   "off",
		"enable_hashjoin":  "off",
		"enable_mergejoin": "off",
	} {
		pc.ConnConfig.RuntimeParams[k] = v
	}
	if s.cfg.StrictGate {
		pc.ConnConfig.RuntimeParams["gori.strict"] = "on"
	}
	pc.MaxConns = int32(s.cfg.PoolSize)
	pc.MinConns = 1
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.HealthCheckPeriod = 30 * time.Second
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), pc)
	if err != nil {
		return nil, err
	}
	sh := &shardConn{id: sc.ID, slot: slot, cfg: pc.ConnConfig, pool: pool, wake: make(chan struct{}, 1), crowd: make(chan struct{}, maxCrowd)}
	sh.revoked = newRevokedWatch(sh)
	sh.up.Store(newUpState())
	for range s.cfg.Writers {
		sh.writers = append(sh.writers, newWriter(s, sh))
	}
	return sh, nil
}

// greet finds out which shards answer, and that they are who they should be.
func (s *Store) greet(ctx context.Context) error {
	errs := make([]error, len(s.shards))
	var wg sync.WaitGroup
	for i, sh := range s.shards {
		wg.Go(func() {
			var conn *pgx.Conn
			errs[i] = s.ping(ctx, sh, &conn)
			if conn != nil {
				_ = conn.Close(ctx)
			}
		})
	}
	wg.Wait()
	failed := 0
	for i, err := range errs {
		if wrong, ok := err.(*WrongShardError); ok {
			return wrong
		}
		if err != nil {
			failed++
			s.log.Warn("shard down", "shard", s.shards[i].id, "error", err)
			s.shards[i].goDown(err)
		}
	}
	if failed == len(s.shards) {
		return fmt.Errorf("no shard answers: %w", errs[0])
	}
	return nil
}

// Run does the background work until ctx ends; it returns when all of it has
// stopped.
func (s *Store) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.runSweeps(ctx) })
	wg.Go(func() { s.runEffects(ctx) })
	wg.Go(func() { s.sweepRevocations(ctx) })
	wg.Wait()
	return nil
}

// Close ends everything and waits. What was accepted before is finished first,
// so call it after the last user of the Store is gone. It is idempotent.
func (s *Store) Close() {
	s.closed.Do(func() {
		s.cancel()
		s.wg.Wait()
		s.closePools()
	})
}

func (s *Store) closePools() {
	for _, sh := range s.shards {
		sh.revoked.close()
		sh.pool.Close()
	}
}
