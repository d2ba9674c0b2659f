package move

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

const sqlNote = `INSERT INTO control.moves AS m (partition, reshard, role, peer, attempt, state, rows, total_rows, bytes, dirty)
	SELECT p, $2, $3, $4, $5, $6, r, greatest($7 / cardinality($1::int[]), r), b, $8 FROM unnest($1::int[], $9::bigint[], $10::bigint[]) u(p, r, b)
	ON CONFLICT (partition) DO UPDATE SET reshard = excluded.reshard, role = excluded.role, peer = excluded.peer, attempt = excluded.attempt,
		state = excluded.state, rows = excluded.rows, total_rows = excluded.total_rows, bytes = excluded.bytes, dirty = excluded.dirty, updated_at = clock_timestamp(),
		error = CASE WHEN m.reshard = excluded.reshard THEN m.error ELSE '' END, pause_us = CASE WHEN m.reshard = excluded.reshard THEN m.pause_us ELSE 0 END,
		started_at = CASE WHEN m.reshard = excluded.reshard THEN m.started_at ELSE clock_timestamp() END`

// note writes how far the group is, for people, at both shards.
func (w *work) note(ctx context.Context, state shard.MoveState) error {
	return w.noteOf(ctx, w.ps, state)
}

func (w *work) noteOf(ctx context.Context, ps []int32, state shard.MoveState) error {
	rows, bytes := make([]int64, len(ps)), make([]int64, len(ps))
	for i, p := range ps {
		if c := w.counts[p]; c != nil {
			rows[i], bytes[i] = c.rows, c.bytes
		}
	}
	write := func(conn *pgx.Conn, role string, peer shard.ID) func() error {
		var b pgx.Batch
		b.Queue("BEGIN")
		b.Queue("SET LOCAL synchronous_commit = off")
		b.Queue(sqlNote, ps, w.g.Reshard, role, string(peer), w.attempt, string(state), w.total, w.dirty.Load(), rows, bytes)
		b.Queue("COMMIT")
		return func() error { return inOne(ctx, conn, &b) }
	}
	return both(write(w.s, "source", w.g.To), write(w.t, "target", w.g.From))
}

const noteLimit = 500

// noteError writes why an attempt ended, where that is still possible.
func (w *work) noteError(cause error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	text := cause.Error()
	if len(text) > noteLimit {
		text = text[:noteLimit]
	}
	code, err := json.Marshal(reshard.CauseOf(cause))
	if err != nil {
		code = nil
	}
	for _, conn := range []*pgx.Conn{w.s, w.t} {
		if conn.IsClosed() {
			continue
		}
		_, err := conn.Exec(ctx, "UPDATE control.moves SET error = $4, cause = $5, updated_at = clock_timestamp() WHERE partition = ANY($1) AND reshard = $2 AND attempt = $3",
			w.ps, w.g.Reshard, w.attempt, text, code)
		if err != nil {
			w.e.log.Debug("an error could not be noted", "error", err)
		}
	}
}

// noteSwitched queues how moves ended.
func (w *work) noteSwitched(b *pgx.Batch, list []reshard.Receipt) {
	var ps []int32
	var pauses []int64
	for _, r := range list {
		ps, pauses = append(ps, int32(r.Partition)), append(pauses, r.PauseUS)
	}
	b.Queue(`UPDATE control.moves m SET state = $3, dirty = 0, pause_us = u.us, error = '', updated_at = clock_timestamp()
		FROM unnest($1::int[], $2::bigint[]) u(p, us) WHERE m.partition = u.p AND m.reshard = $4`, ps, pauses, string(shard.Forwarded), w.g.Reshard)
}
