package move

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// free is the pace of who does not wait.
type free struct{}

func (free) Take(ctx context.Context, _ int) error { return ctx.Err() }

// Release implements reshard.Work. It needs none of the connections that an
// error may have ended.
func (w *work) Release(ctx context.Context) error {
	ctx, done := w.bound(ctx)
	defer done()
	if len(w.ps) == 0 {
		return nil
	}
	if err := w.redial(ctx); err != nil {
		return err
	}
	// First the source, which would note keys for nobody. It is in charge.
	if err := uncapture(ctx, w.s, w.ps, w.attempt); err != nil {
		return err
	}
	// The target's rows go while its attempt is still this one.
	if err := w.sweep(ctx, free{}); err != nil {
		return err
	}
	var b pgx.Batch
	b.Queue(onlyIf(`UPDATE control.partition_owner SET state = 'gone', cleaned = true, attempt = attempt + 1
		WHERE partition = ANY($1) AND state = 'incoming' AND move_id = $2 AND attempt = $3 RETURNING 1`), w.ps, w.g.Reshard, w.attempt, len(w.ps))
	if err := w.batch(ctx, w.t, &b); err != nil {
		return err
	}
	// Nothing can make the target active any more, so what an error left fenced may
	// be written to again.
	if _, err := w.s.Exec(ctx, `UPDATE control.partition_owner SET state = 'active', fenced_at = NULL, capture = false, attempt = attempt + 1
		WHERE partition = ANY($1) AND state = 'fenced' AND move_id = $2 AND attempt = $3`, w.ps, w.g.Reshard, w.attempt); err != nil {
		return err
	}
	if err := w.noteOf(ctx, w.ps, shard.Planned); err != nil {
		return err
	}
	w.ps = nil
	return nil
}

// redial makes connections anew that have ended.
func (w *work) redial(ctx context.Context) error {
	for _, c := range w.sessions() {
		if c.conn == &w.bulkS {
			continue
		}
		if *c.conn != nil && !(*c.conn).IsClosed() {
			if (*c.conn).PgConn().TxStatus() == 'I' {
				continue
			}
			hangUp(*c.conn)
		}
		conn, err := w.e.dial(ctx, c.id, c.purpose, c.settings...)
		if err != nil {
			return err
		}
		*c.conn = conn
	}
	return nil
}

// uncapture ends the noting of keys. Whoever has passed the gate before may note
// some yet; the next move begins by removing those.
func uncapture(ctx context.Context, conn *pgx.Conn, ps []int32, attempt int) error {
	_, err := conn.Exec(ctx, `WITH off AS (
			UPDATE control.partition_owner SET capture = false, peer = '', move_id = '', attempt = attempt + 1
			WHERE partition = ANY($1) AND state = 'active' AND attempt = $2 RETURNING partition)
		DELETE FROM control.partition_dirty d USING off WHERE d.partition = off.partition`, ps, attempt)
	return err
}

var _ reshard.Work = (*work)(nil)
