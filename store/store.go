package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// Store keeps everything on the shards. Its methods may be called from any
// goroutine.
type Store struct {
	// static
	cfg Config
	log *slog.Logger

	topo    atomic.Pointer[topology]
	reports *reports
	looked  atomic.Int64 // see lookSoon
	// owned by keepRing, and by Open before
	agreedRing bool                // the document that is followed was agreed on
	complaints map[shard.ID]string // addresses that were of no use

	routes      atomic.Pointer[routes]
	refreshNow  chan struct{}
	rosters     *rosters
	fan         *fanOut
	effects     effectState
	count       counters
	revokedLost atomic.Bool   // a shard has left that could not be asked for revocations in the end
	warming     chan struct{} // capacity 1: held by the writer whose connection warms up
	gateSQL     string        // sqlGate, but for tests of what the gate is good for

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
	s := &Store{cfg: cfg, log: cfg.Logger, reports: newReports(), complaints: map[shard.ID]string{},
		refreshNow: make(chan struct{}, 1), rosters: newRosters(cfg.RosterIDs), gateSQL: sqlGate, warming: make(chan struct{}, 1)}
	rt := &routes{}
	for p := range rt.owner {
		rt.owner[p] = unknownOwner
	}
	s.routes.Store(rt)
	s.replace(newTopology(nil, nil, nil))
	s.fan = newFanOut(s)
	err = s.firstTopology(ctx)
	if err == nil {
		err = s.greet(ctx)
	}
	if err != nil {
		s.closePools()
		return nil, err
	}
	s.refresh(ctx)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.wg.Go(func() { s.refresher(run) })
	s.wg.Go(func() { s.keepRing(run) })
	s.wg.Go(func() { s.onShards(run, s.tend) })
	s.wg.Go(func() { s.fan.run(run) })
	return s, nil
}

// firstTopology asks the configured shards for the ring document. From then on
// that decides which shards there are; without one it is the configuration.
func (s *Store) firstTopology(ctx context.Context) error {
	errs := make([]error, len(s.cfg.Shards))
	var wg sync.WaitGroup
	for i, sc := range s.cfg.Shards {
		wg.Go(func() {
			if errs[i] = s.ask(ctx, sc.ID, sc.DSN); errs[i] != nil && sc.Standby != "" && s.ask(ctx, sc.ID, sc.Standby) == nil {
				errs[i] = nil
			}
		})
	}
	wg.Wait()
	failed := 0
	for _, err := range errs {
		if wrong := (*WrongShardError)(nil); errors.As(err, &wrong) {
			return wrong
		}
		if err != nil {
			failed++
		}
	}
	if failed == len(errs) {
		return fmt.Errorf("no shard answers: %w", errs[0])
	}
	ring := s.bestRing(ctx)
	s.follow(ctx, ring)
	for i, sc := range s.cfg.Shards {
		if ring != nil {
			if _, ok := ring.Seat(sc.ID); !ok {
				s.log.Warn("a configured shard is not in the ring and is left alone", "shard", sc.ID)
			}
			continue
		}
		sh, err := s.newShard(ctx, i, sc.ID, sc.DSN, 0)
		if err != nil {
			return err
		}
		s.replace(s.topo.Load().with(sh))
	}
	if len(s.shards()) == 0 {
		return errors.New("no shard of the ring has a usable address")
	}
	return nil
}

// newShard prepares one shard's connections without opening any.
func (s *Store) newShard(ctx context.Context, slot int, id shard.ID, dsn string, term int64) (*shardConn, error) {
	l, err := s.newLink(ctx, id, dsn, term)
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", id, err)
	}
	sh := &shardConn{id: id, slot: slot, life: newLifetime(), wake: make(chan struct{}, 1), relinked: make(chan struct{}, 1), crowd: make(chan struct{}, maxCrowd)}
	sh.link.Store(l)
	sh.revoked = newRevokedWatch(sh)
	sh.up.Store(newUpState())
	sh.home = newHome(s, sh)
	for range s.cfg.Writers {
		sh.writers = append(sh.writers, newWriter(s, sh))
	}
	return sh, nil
}

// tend does what a shard in use always needs, until ctx ends.
func (s *Store) tend(ctx context.Context, sh *shardConn) {
	var wg sync.WaitGroup
	wg.Go(func() { s.probe(ctx, sh) })
	for _, w := range sh.writers {
		wg.Go(func() { w.run(ctx) })
	}
	wg.Go(func() { sh.home.run(ctx) })
	wg.Go(func() { s.settleLoop(ctx, sh) })
	wg.Wait()
}

// greet finds out which shards answer, and that they are who they should be.
func (s *Store) greet(ctx context.Context) error {
	shards := s.shards()
	errs := make([]error, len(shards))
	var wg sync.WaitGroup
	for i, sh := range shards {
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
		if wrong := (*WrongShardError)(nil); errors.As(err, &wrong) {
			return wrong
		}
		if err != nil {
			failed++
			s.log.Warn("shard down", "shard", shards[i].id, "error", err)
			shards[i].goDown(err)
		}
	}
	if failed == len(shards) {
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
	for _, sh := range s.shards() {
		sh.close()
	}
}
