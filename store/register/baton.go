package register

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// The lock of who carries out a detached plan.
const (
	lockMover     = 78
	lockConductor = 2000
)

// batonBeat is how often the holder looks whether it still has it.
const batonBeat = time.Second

// Baton is a reshard.Baton: a session's lock on the first shard, by name, that
// answers. Two nodes that do not reach the same shards may both get it; each
// partition has a lock of its own, so they only share the work.
type Baton struct {
	DSN func(shard.ID) (string, error)
}

// Take implements reshard.Baton.
func (b Baton) Take(ctx context.Context, ring *shard.Ring) (held context.Context, giveBack func(), ok bool, err error) {
	var all error
	for _, seat := range ring.Seats {
		dsn, err := b.DSN(seat.ID)
		if err != nil {
			all = errors.Join(all, err)
			continue
		}
		a := newOnShard(seat.ID, dsn)
		var got bool
		err = within(ctx, 2*time.Second, func(ctx context.Context) error {
			return a.with(ctx, func(conn *pgx.Conn) error {
				// A node that hangs holds the baton no longer than that.
				if _, err := conn.Exec(ctx, "SET idle_session_timeout = '10s'"); err != nil {
					return err
				}
				return conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", lockMover, lockConductor).Scan(&got)
			})
		})
		if err != nil {
			all = errors.Join(all, err)
			a.close()
			continue
		}
		if !got {
			a.close()
			return nil, nil, false, nil
		}
		held, giveBack = a.hold(ctx)
		return held, giveBack, true, nil
	}
	return nil, nil, false, fmt.Errorf("no shard answers: %w", all)
}

func within(ctx context.Context, d time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return do(ctx)
}

// hold watches the session that has the lock until it is given back.
func (a *onShard) hold(ctx context.Context) (held context.Context, giveBack func()) {
	held, lose := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(batonBeat)
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			err := within(held, 5*time.Second, func(ctx context.Context) error {
				_, err := a.conn.Exec(ctx, "SELECT 1")
				return err
			})
			if err != nil {
				lose(fmt.Errorf("this node conducts no more: %w", err))
				return
			}
		}
	}()
	return held, func() {
		lose(nil)
		<-done
		a.close()
	}
}
