package move

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

const settlePatience = 3 * time.Second

// takeBack makes the source active again after a fence that did not lead to a
// commit. It returns the error to give, nil if the commit did happen.
func (w *work) takeBack(ctx context.Context, f *fence, cause error) error {
	// The caller may have given up; writers wait nevertheless.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatience)
	defer cancel()
	switched, err := w.endTarget(ctx, f)
	if err != nil {
		// The target may own the partitions. They stay fenced until it can be asked:
		// by the next attempt, or by any node's watch.
		return errors.Join(cause, fmt.Errorf("the outcome at shard %s is not known: %w", w.g.To, err))
	}
	if switched {
		f.at, f.late = w.e.cfg.Now(), true
		return nil
	}
	if err := w.reopen(ctx, f.ps); err != nil {
		return errors.Join(cause, err)
	}
	f.pause = w.e.cfg.Now().Sub(f.began)
	w.e.log.Info("a fence was taken back", "from", w.g.From, "to", w.g.To, "partitions", len(f.ps), "pause", f.pause, "cause", cause)
	var over *reshard.BudgetError
	if errors.As(cause, &over) {
		over.Fenced = f.pause
		return over
	}
	return cause
}

// endTarget makes sure that no activation can come any more and says whether it
// came.
func (w *work) endTarget(ctx context.Context, f *fence) (switched bool, err error) {
	if !f.sent {
		// Nobody else has this attempt, and this mover has not sent it: the
		// transaction ends with its session, if not before.
		if w.t.IsClosed() {
			return false, nil
		}
		if _, err := w.t.Exec(ctx, "ROLLBACK"); err != nil {
			hangUp(w.t)
		}
		return false, nil
	}
	conn, err := w.e.dial(ctx, w.g.To, "settle", "lock_timeout", "2s")
	if err != nil {
		return false, err
	}
	defer hangUp(conn)
	if !w.t.IsClosed() {
		hangUp(w.t)
	}
	state, err := settle(ctx, conn, f.ps, w.g.From, w.attempt)
	if err != nil {
		return false, err
	}
	// One transaction made all of them active, or none.
	o := state[f.ps[0]]
	if o.state == reshard.Active && (o.attempt != w.attempt || o.moveID != w.g.Reshard) {
		return false, errZombie
	}
	return o.state == reshard.Active, nil
}

// settle raises the attempt of partitions that are incoming, waiting for a
// transaction that is under way with the old one, and returns how they are
// then: nothing changes them any more but a new attempt. Who holds the movers'
// locks asks for any attempt (0), others for their own.
func settle(ctx context.Context, conn *pgx.Conn, ps []int32, from shard.ID, attempt int) (map[int32]owner, error) {
	_, err := execPatiently(ctx, conn, `UPDATE control.partition_owner SET attempt = attempt + 1
		WHERE partition = ANY($1) AND state = 'incoming' AND peer = $2 AND ($3 = 0 OR attempt = $3)`, ps, string(from), attempt)
	if err != nil {
		return nil, err
	}
	rows, err := ownersOf(ctx, conn, ps)
	if err != nil {
		return nil, err
	}
	out := map[int32]owner{}
	for p, o := range rows {
		out[int32(p)] = o
	}
	return out, sure(ctx, conn)
}

// sure returns when what was seen at a shard is there to stay. A commit whose wait
// for the standby was cut off is visible all the same, and gone if the standby
// takes over; one that is made after it and acknowledged stands for both.
func sure(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SELECT pg_logical_emit_message(true, 'gori', '')")
	return err
}

// reopen makes fenced partitions active at the source again, in a new attempt
// on both sides.
func (w *work) reopen(ctx context.Context, ps []int32) error {
	conn := w.s
	if conn.IsClosed() {
		var err error
		if conn, err = w.e.dial(ctx, w.g.From, "source"); err != nil {
			return err
		}
		defer hangUp(conn)
	}
	if conn.PgConn().TxStatus() != 'I' {
		if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
			return err
		}
	}
	// A fence still on its way to the source, on a session that was lost, finds
	// another attempt.
	next := w.attempt + 1
	tag, err := conn.Exec(ctx, `UPDATE control.partition_owner SET state = 'active', fenced_at = NULL, attempt = $4
		WHERE partition = ANY($1) AND state IN ('active', 'fenced') AND move_id = $2 AND attempt = $3`, w.ps, w.g.Reshard, w.attempt, next)
	if err != nil {
		return err
	}
	if int(tag.RowsAffected()) != len(w.ps) {
		return errZombie
	}
	if conn != w.s || w.t.IsClosed() {
		// This work is over; another begins afresh.
		return nil
	}
	tag, err = w.t.Exec(ctx, `UPDATE control.partition_owner SET attempt = $4
		WHERE partition = ANY($1) AND state = 'incoming' AND move_id = $2 AND attempt = $3`, w.ps, w.g.Reshard, w.attempt, next)
	if err == nil && int(tag.RowsAffected()) != len(w.ps) {
		err = errZombie
	}
	w.attempt = next
	return err
}

// forward makes the source point to the target.
func (w *work) forward(ctx context.Context, ps []int32) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatience)
	defer cancel()
	conn := w.s
	if conn.IsClosed() {
		var err error
		if conn, err = w.e.dial(ctx, w.g.From, "source"); err != nil {
			return err
		}
		defer hangUp(conn)
	}
	return forward(ctx, conn, ps, w.g.To, w.epochs)
}

// forward is repeatable: it is called once the target is known to be active. The
// epochs are those the source had, so that who comes late changes nothing.
func forward(ctx context.Context, conn *pgx.Conn, ps []int32, to shard.ID, epochs map[int32]shard.Epoch) error {
	had := make([]int64, len(ps))
	for i, p := range ps {
		had[i] = int64(epochs[p])
	}
	_, err := conn.Exec(ctx, `WITH gone AS (
			UPDATE control.partition_owner o SET state = 'gone', epoch = o.epoch + 1, peer = $3, capture = false, cleaned = false
			FROM unnest($1::int[], $2::bigint[]) u(p, e)
			WHERE o.partition = u.p AND o.epoch = u.e AND o.state = 'fenced' AND o.peer = $3 RETURNING o.partition, o.move_id, o.fenced_at),
		noted AS (
			UPDATE control.moves m SET state = 'forwarded', dirty = 0, updated_at = clock_timestamp(),
				pause_us = (extract(epoch FROM clock_timestamp() - gone.fenced_at) * 1000000)::bigint
			FROM gone WHERE m.partition = gone.partition AND m.reshard = gone.move_id)
		DELETE FROM control.partition_dirty d USING gone WHERE d.partition = gone.partition`, ps, had, string(to))
	return err
}
