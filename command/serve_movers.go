package command

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"gori/config"
	"gori/faults"
	"gori/reach"
	"gori/shard"
	"gori/shard/reshard"
	"gori/store"
	"gori/store/board"
	"gori/store/local"
	"gori/store/move"
	"gori/store/register"
)

// movers is what a node does about moves: it heals what dead movers have left,
// carries out plans that no command carries out, and cleans a day later.
type movers struct {
	store     *store.Store
	ring      *register.Register
	engine    *move.Engine
	sends     *register.Sends
	recorder  reshard.Recorder
	conductor reshard.Conductor
	logger    *slog.Logger
	closed    sync.Once
}

// newMovers makes them. They log in as the role that may move, where the node
// itself logs in with fewer rights.
func newMovers(cfg config.Config, s *store.Store, logger *slog.Logger) (*movers, error) {
	at, err := faults.AtSteps()
	if err != nil {
		return nil, err
	}
	places := reach.NewAddresses(cfg)
	m := &movers{store: s, logger: logger}
	m.ring = register.Open(register.Config{
		Shards: func() map[shard.ID]string {
			known := map[shard.ID]string{}
			for _, one := range cfg.Shards {
				if dsn, err := asMover(one.DSN); err == nil {
					known[shard.ID(one.ID)] = dsn
				}
			}
			return known
		},
		Resolve: func(addr string) (string, error) {
			dsn, err := places.Resolve(addr)
			if err != nil {
				return "", err
			}
			return asMover(dsn)
		},
		Witness: reach.WitnessIn(cfg.WitnessDir), Witnesses: reach.WitnessesIn(cfg.WitnessDir),
		At: at,
	})
	m.engine = move.New(move.Config{DSN: m.dsn, Term: m.term, Shards: m.shards, At: at, Logger: logger, Yield: local.GiveWay})
	m.sends = register.NewSends(m.shards, m.dsn)
	m.conductor = reshard.Conductor{
		Config: reshard.Config{Register: m.ring, Backend: m.engine, Sends: m.sends, At: at, Logger: logger},
		Baton:  register.Baton{DSN: m.dsn},
		Ring:   s.RingDocument,
	}
	return m, nil
}

// giveWayMyself lowers the priority of a command that moves partitions, but by
// little: during a fence people wait for it. Each of its threads has a priority of
// its own, which those that it makes have too.
func giveWayMyself() {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, tid, 5)
		}
	}
}

// asMover is an address with the role of movers instead of that of nodes. Who
// logs in as somebody else has the rights of that.
func asMover(dsn string) (string, error) {
	user, err := store.UserOf(dsn)
	if err != nil || user != store.AppRole {
		return dsn, err
	}
	return store.AsUser(dsn, store.MoverRole)
}

// term is that of a shard's primary, as the store follows it; 0: not known.
func (m *movers) term(id shard.ID) int64 {
	ring := m.store.RingDocument()
	if ring == nil {
		return 0
	}
	seat, _ := ring.Seat(id)
	return seat.Term
}

// dsn is where a shard is, as the store follows it.
func (m *movers) dsn(id shard.ID) (string, error) {
	dsn, ok := m.store.Address(id)
	if !ok {
		return "", fmt.Errorf("this node knows no shard %s", id)
	}
	return asMover(dsn)
}

// shards are those that the store follows.
func (m *movers) shards() []shard.ID {
	ring := m.store.RingDocument()
	if ring == nil {
		return nil
	}
	var ids []shard.ID
	for _, seat := range ring.Seats {
		ids = append(ids, seat.ID)
	}
	return ids
}

// instances are the shards with their addresses.
func (m *movers) instances() []board.Instance {
	var list []board.Instance
	for _, id := range m.shards() {
		dsn, ok := m.store.Address(id)
		if !ok {
			dsn = "host=/nonexistent" // it counts as one that does not answer
		}
		list = append(list, board.Instance{ID: id, DSN: dsn})
	}
	return list
}

// Run works until ctx ends and waits for what it has begun.
func (m *movers) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { m.engine.Watch(ctx) })
	wg.Go(func() { m.tell(ctx) })
	err := m.conductor.Run(ctx)
	wg.Wait()
	return err
}

const (
	tellEvery = 100 * time.Millisecond
	// tellAfter is how long movers hear of this node after a reshard: they clean.
	tellAfter = time.Minute
)

// tell has movers know how long this node's sends take, as long as there are any.
func (m *movers) tell(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	run := rand.Text()
	var plan *shard.Plan
	var until time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			ring := m.store.RingDocument()
			moving := ring != nil && ring.Plan != nil && !ring.Plan.Paused
			if !moving && now.After(until) {
				continue
			}
			if moving {
				plan, until = ring.Plan, now.Add(tellAfter)
			}
		}
		if err := m.sends.Tell(ctx, run, m.recorder.Tell(plan)); err != nil && ctx.Err() == nil {
			m.logger.Debug("movers cannot be told how long sends take", "error", err)
		}
	}
}

// close ends the connections.
func (m *movers) close() {
	m.closed.Do(func() {
		m.engine.Close()
		m.ring.Close()
		m.sends.Close()
	})
}

// Change changes the ring, and has this node follow it at once.
func (m *movers) Change(ctx context.Context, from, to *shard.Ring) error {
	err := m.ring.Change(ctx, from, to)
	m.store.RingChanged()
	return err
}

// Read reads the agreed ring.
func (m *movers) Read(ctx context.Context) (*shard.Ring, error) { return m.ring.Read(ctx) }
