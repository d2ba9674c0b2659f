package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

const (
	maxTries  = 4                    // of one write or read: moved twice, and a lost race
	movingNap = 5 * time.Millisecond // between two looks at a partition being handed over
)

// gatedTx is a transaction that has passed the gate of its partitions.
type gatedTx struct {
	pgx.Tx
	s  *Store
	sh *shardConn
	// fans are the fan-outs to start once this transaction is committed.
	fans []fanRequest
}

// write runs fn in one transaction that has passed the gate of p, on the shard
// that owns it. fn may run more than once, each time in a new transaction whose
// predecessor left no trace; it must not keep state from a run that failed. An
// error of fn rolls back and is returned. tx knows fan-outs: see fanIn.
func (s *Store) write(ctx context.Context, p shard.Partition, fn func(ctx context.Context, tx pgx.Tx) error) error {
	return s.writeAll(ctx, []shard.Partition{p}, fn)
}

// writeAll is write for several partitions that lie on one shard now; if they
// no longer do, it returns errSplit and the caller groups them anew (see
// byShard).
func (s *Store) writeAll(ctx context.Context, ps []shard.Partition, fn func(ctx context.Context, tx pgx.Tx) error) error {
	args := partitionArgs(ps)
	deadline := s.now().Add(s.cfg.MovingBudget)
	for try := 1; ; try++ {
		sh, err := s.locateAll(ps)
		if err != nil {
			return err
		}
		err = s.writeOn(ctx, sh, args, fn)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errGateClosed):
			v, ierr := s.whyClosed(ctx, sh, args, err)
			if ierr != nil {
				return ierr
			}
			if again := s.heedAll(v, ps); again != nil {
				if !s.now().Before(deadline) {
					return again
				}
				if err := nap(ctx, movingNap); err != nil {
					return err
				}
				try--
			} else if try >= maxTries {
				return movingError()
			}
		case errors.Is(err, errLostRace) && try < maxTries:
		default:
			return err
		}
	}
}

var (
	errGateClosed = errors.New("a partition is not active on this shard")
	errLostRace   = errors.New("lost a race")
	errSplit      = errors.New("the partitions lie on different shards")
)

func (s *Store) locateAll(ps []shard.Partition) (*shardConn, error) {
	sh, err := s.locate(ps[0])
	if err != nil {
		return nil, err
	}
	for _, p := range ps[1:] {
		other, err := s.locate(p)
		if err != nil {
			return nil, err
		}
		if other != sh {
			return nil, errSplit
		}
	}
	return sh, nil
}

func (s *Store) heedAll(v verdict, ps []shard.Partition) error {
	for _, p := range ps {
		if _, ok := v.moved[p]; !ok {
			continue
		}
		if err := s.heed(v, p); err != nil {
			return err
		}
	}
	if len(v.moving) > 0 {
		return movingError()
	}
	return nil
}

// writeOn is one try on one shard.
func (s *Store) writeOn(ctx context.Context, sh *shardConn, args []int32, fn func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, done, err := sh.during(ctx)
	if err != nil {
		return err
	}
	defer done()
	var g gatedTx
	err = pgx.BeginFunc(ctx, sh.pool(), func(tx pgx.Tx) error {
		g = gatedTx{Tx: tx, s: s, sh: sh}
		if _, err := tx.Exec(ctx, s.gateSQL, args); err != nil {
			return err
		}
		return fn(ctx, &g)
	})
	if err == nil {
		for _, f := range g.fans {
			s.fan.read(f)
		}
		return nil
	}
	var coded *chat.Error
	if !errors.As(err, &coded) {
		switch kindOf(err) {
		case failGate:
			return fmt.Errorf("%w: %w", errGateClosed, err)
		case failRace:
			return fmt.Errorf("%w: %w", errLostRace, err)
		}
	}
	return sh.settle(ctx, err)
}

// read runs fn against the shard that owns p, then checks that p is still
// served there, and has been since before: then everything fn saw was whole. If
// not, fn runs again, so it must start its results afresh each time. Each query
// of fn has its own snapshot.
func (s *Store) read(ctx context.Context, p shard.Partition, fn func(ctx context.Context, q querier) error) error {
	deadline := s.now().Add(s.cfg.MovingBudget)
	var last int64 // epoch that the try before found, at lastAt
	var lastAt *shardConn
	for try := 1; ; try++ {
		known := s.routes.Load().epoch[p]
		sh, err := s.locate(p)
		if err != nil {
			return err
		}
		says, err := s.readOn(ctx, sh, p, fn)
		if says == nil || says.State == "active" && (says.Epoch == known || sh == lastAt && says.Epoch == last) {
			return err
		}
		if says.State == "active" && try < maxTries {
			s.learnEpoch(p, sh, says.Epoch)
			last, lastAt = says.Epoch, sh
			continue
		}
		v := verdict{moved: map[shard.Partition]shard.ID{}}
		s.judgeState(&v, *says)
		if again := s.heed(v, p); again != nil || try >= maxTries {
			if !s.now().Before(deadline) {
				return movingError()
			}
			if err := nap(ctx, movingNap); err != nil {
				return err
			}
		}
	}
}

// maxCrowd is how many of the reads that everybody makes at the same time, when a
// node has died, are under way on one shard.
const maxCrowd = 2

// readCrowd is read for those. More at once would not be done sooner, but would
// keep the writers of everybody else from PostgreSQL's processors.
func (s *Store) readCrowd(ctx context.Context, p shard.Partition, fn func(ctx context.Context, q querier) error) error {
	sh, err := s.locate(p)
	if err != nil {
		return err
	}
	select {
	case sh.crowd <- struct{}{}:
	case <-ctx.Done():
		return chat.Retryable(chat.CodeOverloaded, time.Second, ctx.Err(), "too many come back at once")
	}
	defer func() { <-sh.crowd }()
	return s.read(ctx, p, fn)
}

// readOn returns fn's error and what the shard says of p afterwards: what fn saw
// counts if p is active. nil: the shard says nothing, and the error is final.
func (s *Store) readOn(ctx context.Context, sh *shardConn, p shard.Partition, fn func(ctx context.Context, q querier) error) (*ownerRow, error) {
	ctx, done, err := sh.during(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	conn, err := sh.pool().Acquire(ctx)
	if err != nil {
		return nil, sh.settle(ctx, err)
	}
	defer conn.Release()
	q := &closing{q: conn, p: p}
	fnErr := sh.settle(ctx, fn(ctx, q))
	if code := chat.CodeOf(fnErr); code == chat.CodeShardDown || ctx.Err() != nil {
		return nil, fnErr
	}
	says := q.says
	if says == nil {
		if says, err = scanOwner(conn.QueryRow(ctx, sqlOwner, int32(p)), p); err != nil {
			return nil, sh.settle(ctx, err)
		}
	}
	if says.State == "fenced" {
		s.askPeer(ctx, says)
	}
	return says, fnErr
}

// askPeer settles who serves a partition that is fenced on a shard: for reading
// still that one, unless its peer has taken it over and the shard has not heard
// of it yet. Then others may have written there, and what was read is old.
func (s *Store) askPeer(ctx context.Context, says *ownerRow) {
	if says.Peer == "" {
		says.State = "active"
		return
	}
	peer := s.topo.Load().find(shard.ID(says.Peer))
	if peer == nil {
		s.lookSoon()
		return
	}
	rows, err := s.ownerRows(ctx, peer, selectOwners+" WHERE partition = $1", says.Partition)
	switch {
	case err != nil:
	case len(rows) == 1 && rows[0].State != "incoming" && rows[0].Epoch > says.Epoch:
		says.State = "gone"
	default:
		says.State = "active"
	}
}

// readEach runs fn on every shard at once, as a search over all needs it. fn
// must only count rows of partitions served there: servedHere says which. It
// returns how many shards did not answer.
func (s *Store) readEach(ctx context.Context, fn func(ctx context.Context, q querier) error) (failed int) {
	shards := s.shards()
	errs := make(chan error, len(shards))
	for _, sh := range shards {
		go func() {
			ctx, done, err := sh.during(ctx)
			if err != nil {
				errs <- err
				return
			}
			defer done()
			errs <- sh.settle(ctx, fn(ctx, sh.pool()))
		}()
	}
	for range shards {
		if err := <-errs; err != nil {
			s.log.Debug("a shard did not answer", "error", err)
			failed++
		}
	}
	return failed
}

// servedHere is a condition on a column partition: rows that this shard serves.
const servedHere = `partition IN (SELECT o.partition FROM control.partition_owner o WHERE o.state IN ('active', 'fenced'))`

// byShard groups partitions by the shard believed to own them; those without a
// known owner are left out and counted.
func (s *Store) byShard(ps []shard.Partition) (groups [][]shard.Partition, lost int) {
	rt := s.routes.Load()
	t := s.topo.Load() // has every slot of rt
	groups = make([][]shard.Partition, len(t.slots))
	for _, p := range ps {
		if i := rt.owner[p]; i != unknownOwner && t.slots[i] != nil {
			groups[i] = append(groups[i], p)
		} else {
			lost++
		}
	}
	kept := groups[:0]
	for _, g := range groups {
		if len(g) > 0 {
			kept = append(kept, g)
		}
	}
	return kept, lost
}

func (s *Store) now() time.Time { return s.cfg.Clock() }

// nap waits, unless ctx ends before.
func nap(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
