package move

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

const (
	// fencedTooLong is when a fence is looked at: no mover that lives lets one
	// stand for so long.
	fencedTooLong = time.Second
	watchEvery    = 300 * time.Millisecond
	watchPatience = 5 * time.Second
	// healerGone ends the session of a node that stands still while it holds
	// partitions to heal them: another node does it then.
	healerGone = "3s"
	// capturedTooLong is how long changed keys are noted for a mover that is gone.
	capturedTooLong = time.Minute
	// proveEvery looks, moves without a receipt are looked for.
	proveEvery   = 15
	provedAtOnce = 8
)

// Watch heals what dead movers left, on every shard, until ctx ends: partitions
// that are fenced with no mover are forwarded if the target has them, else
// active again.
func (e *Engine) Watch(ctx context.Context) {
	watching := map[shard.ID]context.CancelFunc{}
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		now := e.cfg.Shards()
		for _, id := range now {
			if watching[id] == nil {
				one, cancel := context.WithCancel(ctx)
				watching[id] = cancel
				wg.Go(func() { e.watch(one, id) })
			}
		}
		maps.DeleteFunc(watching, func(id shard.ID, cancel context.CancelFunc) bool {
			if !slices.Contains(now, id) {
				cancel()
				return true
			}
			return false
		})
		if sleep(ctx, time.Second) != nil {
			for _, cancel := range watching {
				cancel()
			}
			return
		}
	}
}

// watch looks after one shard, on one connection.
func (e *Engine) watch(ctx context.Context, id shard.ID) {
	h := healer{e: e, id: id, captured: map[int32]seen{}}
	defer func() { hangUp(h.conn) }()
	// What takes long is done besides, once at a time.
	var wg sync.WaitGroup
	defer wg.Wait()
	var proving atomic.Bool
	for looks, failed := 0, 0; ; looks++ {
		err := h.look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if failed++; failed == 1 {
				e.log.Warn("a shard cannot be watched for moves that died", "shard", id, "error", err)
			}
			hangUp(h.conn)
			h.conn = nil
		default:
			failed = 0
			if looks%proveEvery == proveEvery-1 && h.unproved(ctx) && proving.CompareAndSwap(false, true) {
				wg.Go(func() {
					defer proving.Store(false)
					if err := e.proveAt(ctx, id); err != nil && ctx.Err() == nil {
						e.log.Warn("a receipt could not be written; that is tried again", "shard", id, "error", err)
					}
				})
			}
		}
		if sleep(ctx, watchEvery*time.Duration(1+min(failed, 5))) != nil {
			return
		}
	}
}

// Heal is one round of Watch on every shard that answers.
func (e *Engine) Heal(ctx context.Context) error {
	_, err := e.each(ctx, func(id shard.ID, conn *pgx.Conn) error {
		h := healer{e: e, id: id, conn: conn, captured: map[int32]seen{}}
		return h.look(ctx)
	})
	return err
}

// seen is an attempt that notes keys, and since when it was seen without a mover.
type seen struct {
	attempt int
	since   time.Time
}

// healer looks after one shard.
type healer struct {
	e        *Engine
	id       shard.ID
	conn     *pgx.Conn
	captured map[int32]seen
}

func (h *healer) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, watchPatience)
	defer cancel()
	if h.conn == nil {
		var err error
		if h.conn, err = h.e.dial(ctx, h.id, "watch", slices.Concat(quick, lazy, []string{"idle_session_timeout", healerGone})...); err != nil {
			return err
		}
	}
	rows, err := h.conn.Query(ctx, `SELECT partition, peer, attempt, state = 'fenced' FROM control.partition_owner
		WHERE state = 'fenced' AND fenced_at < clock_timestamp() - $1::interval OR state = 'active' AND capture`, fencedTooLong)
	if err != nil {
		return err
	}
	fenced := map[shard.ID][]int32{}
	captured := map[int32]int{}
	var p int32
	var peer string
	var attempt int
	var isFenced bool
	_, err = pgx.ForEachRow(rows, []any{&p, &peer, &attempt, &isFenced}, func() error {
		if isFenced {
			fenced[shard.ID(peer)] = append(fenced[shard.ID(peer)], p)
		} else {
			captured[p] = attempt
		}
		return nil
	})
	if err != nil {
		return err
	}
	for peer, ps := range fenced {
		if err := h.heal(ctx, peer, ps); err != nil {
			return err
		}
	}
	return h.forget(ctx, captured)
}

// alone runs fn for those of ps that no mover holds, holding them meanwhile.
func alone(ctx context.Context, conn *pgx.Conn, ps []int32, fn func(free []int32) error) error {
	rows, err := conn.Query(ctx, "SELECT p FROM unnest($1::int[]) p WHERE pg_try_advisory_lock(78, p)", ps)
	if err != nil {
		return err
	}
	mine, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil || len(mine) == 0 {
		return err
	}
	err = fn(mine)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), watchPatience)
	defer cancel()
	if _, uerr := conn.Exec(ending, "SELECT pg_advisory_unlock(78, p) FROM unnest($1::int[]) p", mine); uerr != nil {
		// The locks end with the session.
		hangUp(conn)
		return errors.Join(err, uerr)
	}
	return err
}

// heal ends the fences of partitions on their way to peer.
func (h *healer) heal(ctx context.Context, peer shard.ID, ps []int32) error {
	return alone(ctx, h.conn, ps, func(mine []int32) error {
		src, err := ownersOf(ctx, h.conn, mine)
		if err != nil {
			return err
		}
		target, err := h.e.dial(ctx, peer, "settle", "lock_timeout", "1s")
		if err != nil {
			return err
		}
		defer hangUp(target)
		dst, err := settle(ctx, target, mine, h.id, 0)
		if err != nil {
			return err
		}
		return h.end(ctx, peer, mine, src, dst)
	})
}

// end forwards what the target serves and makes the rest active again.
func (h *healer) end(ctx context.Context, peer shard.ID, ps []int32, src map[shard.Partition]owner, dst map[int32]owner) error {
	epochs := map[int32]shard.Epoch{}
	var there, here []int32
	var attempts []int32
	for _, p := range ps {
		s := src[shard.Partition(p)]
		if s.state != reshard.Fencing || s.peer != peer {
			continue
		}
		epochs[p] = s.epoch
		// Its epoch tells that the target has served it, even if it has handed it on
		// since.
		if dst[p].epoch > s.epoch {
			there = append(there, p)
			continue
		}
		here, attempts = append(here, p), append(attempts, int32(s.attempt))
	}
	if len(there) > 0 {
		if err := forward(ctx, h.conn, there, peer, epochs); err != nil {
			return err
		}
		h.e.log.Warn("moves that nobody finished were forwarded", "from", h.id, "to", peer, "partitions", there)
	}
	if len(here) > 0 {
		_, err := h.conn.Exec(ctx, `WITH back AS (
				UPDATE control.partition_owner o SET state = 'active', fenced_at = NULL, capture = false, attempt = o.attempt + 1
				FROM unnest($1::int[], $2::int[]) u(p, a) WHERE o.partition = u.p AND o.attempt = u.a AND o.state = 'fenced' RETURNING o.partition)
			DELETE FROM control.partition_dirty d USING back WHERE d.partition = back.partition`, here, attempts)
		if err != nil {
			return err
		}
		h.e.log.Warn("moves that nobody finished were taken back", "from", h.id, "to", peer, "partitions", here)
	}
	return nil
}

// unproved says whether moves away from this shard have no receipt (yet).
func (h *healer) unproved(ctx context.Context) bool {
	some, err := unproved(ctx, h.conn, nil)
	return err == nil && len(some) > 0
}

// proveAt writes the receipts of moves away from a shard that ended before theirs
// was written.
func (e *Engine) proveAt(ctx context.Context, id shard.ID) error {
	conn, err := e.dial(ctx, id, "receipt", slices.Concat(bulk, []string{"idle_session_timeout", deadAfter})...)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	missing, err := unproved(ctx, conn, nil)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(missing, provedAtOnce) {
		if err := alone(ctx, conn, part, func(mine []int32) error { return e.prove(ctx, conn, id, mine) }); err != nil {
			return err
		}
	}
	return nil
}

// forget ends the noting of keys for movers that are gone for long: the notes
// would only grow.
func (h *healer) forget(ctx context.Context, captured map[int32]int) error {
	maps.DeleteFunc(h.captured, func(p int32, s seen) bool { return captured[p] != s.attempt })
	var due []int32
	for p, attempt := range captured {
		s, known := h.captured[p]
		if !known {
			h.captured[p] = seen{attempt, h.e.cfg.Now()}
		} else if h.e.cfg.Now().Sub(s.since) > capturedTooLong {
			due = append(due, p)
		}
	}
	if len(due) == 0 {
		return nil
	}
	return alone(ctx, h.conn, due, func(mine []int32) error {
		for _, p := range mine {
			if err := uncapture(ctx, h.conn, []int32{p}, captured[p]); err != nil {
				return err
			}
			delete(h.captured, p)
		}
		return nil
	})
}
