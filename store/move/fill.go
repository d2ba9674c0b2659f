package move

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

const (
	// captureAtOnce is how many partitions' writers wait together while capture
	// is turned on.
	captureAtOnce = 16
	captureTries  = 20
	// fewDirty keys are left to the fence.
	fewDirty = 64
)

// Fill implements reshard.Work.
func (w *work) Fill(ctx context.Context, pace reshard.Pace) error {
	ctx, done := w.bound(ctx)
	defer done()
	err := w.fill(ctx, pace)
	if err != nil {
		w.noteError(err)
		if cause := context.Cause(w.ctx); cause != nil {
			err = errors.Join(cause, err)
		}
	}
	return err
}

func (w *work) fill(ctx context.Context, pace reshard.Pace) error {
	if len(w.ps) == 0 {
		return nil
	}
	if !w.loaded {
		w.loaded = true
		if err := w.load(ctx, pace); err != nil {
			return err
		}
	}
	if err := w.follow(ctx, pace); err != nil {
		return err
	}
	w.e.cfg.At.Pass("followed")
	// What was verified stays so: later changes are in touched.
	if !w.verified {
		if err := errors.Join(w.verify(ctx), pace.Take(ctx, 0)); err != nil {
			return err
		}
	}
	if err := w.reduce(ctx, w.ps, pace); err != nil {
		return err
	}
	if err := w.note(ctx, shard.Verified); err != nil {
		return err
	}
	w.e.cfg.At.Pass("verified")
	return nil
}

// load makes the target's first copy.
func (w *work) load(ctx context.Context, pace reshard.Pace) (err error) {
	for i := 0; i < len(w.ps); i += captureAtOnce {
		if err := w.capture(ctx, w.ps[i:min(i+captureAtOnce, len(w.ps))]); err != nil {
			return err
		}
	}
	w.e.cfg.At.Pass("captured")
	rows, err := weigh(ctx, w.s, w.ps)
	if err != nil {
		return err
	}
	for _, n := range rows {
		w.total += n
	}
	for _, p := range w.ps {
		w.counts[p] = &count{}
	}
	if err := w.note(ctx, shard.Copying); err != nil {
		return err
	}
	w.e.cfg.At.Pass("copying")
	if err := w.sweep(ctx, pace); err != nil {
		return err
	}
	if err := w.copyAll(ctx, pace); err != nil {
		return err
	}
	w.e.cfg.At.Pass("copied")
	return nil
}

// capture turns the noting of changed keys on. Writers inside the gate end
// first, and later ones see it; what an earlier attempt noted is of no use.
func (w *work) capture(ctx context.Context, ps []int32) error {
	for try := 1; ; try++ {
		err := w.captureOnce(ctx, ps)
		if err == nil {
			return nil
		}
		// Somebody writes for long, or waits for us while we wait for him: let
		// others pass before trying again.
		if code := sqlState(err); code != "55P03" && code != "40P01" || try == captureTries {
			return err
		}
		if err := sleep(ctx, time.Duration(try)*20*time.Millisecond); err != nil {
			return err
		}
	}
}

const sqlLockGate = "SELECT count(pg_advisory_xact_lock(77, p)) FROM (SELECT p FROM unnest($1::int[]) p ORDER BY p) o"

func (w *work) captureOnce(ctx context.Context, ps []int32) error {
	var b pgx.Batch
	b.Queue("BEGIN")
	b.Queue("SELECT set_config('lock_timeout', $1, true), set_config('synchronous_commit', 'off', true)", fmt.Sprintf("%dms", w.e.cfg.Budget.Milliseconds()/2))
	b.Queue(sqlLockGate, ps)
	b.Queue("DELETE FROM control.partition_dirty WHERE partition = ANY($1)", ps)
	b.Queue(onlyIf(`UPDATE control.partition_owner SET capture = true
		WHERE partition = ANY($1) AND state = 'active' AND move_id = $2 AND attempt = $3 RETURNING 1`), ps, w.g.Reshard, w.attempt, len(ps))
	b.Queue("COMMIT")
	return w.batch(ctx, w.s, &b)
}

// onlyIf makes a statement that returns a row for each partition fail, and its
// transaction with it, unless those are exactly $4 rows.
func onlyIf(sql string) string {
	return "WITH rows AS (" + sql + ") SELECT 1 / (CASE WHEN count(*) = $4::bigint THEN 1 ELSE 0 END) FROM rows"
}

// batch runs statements in one round trip.
func (w *work) batch(ctx context.Context, conn *pgx.Conn, b *pgx.Batch) error {
	return zombie(inOne(ctx, conn, b))
}

// inOne runs statements in one round trip; if one fails the transaction begun in
// it is rolled back.
func inOne(ctx context.Context, conn *pgx.Conn, b *pgx.Batch) error {
	return ended(ctx, conn, conn.SendBatch(ctx, b).Close())
}

// ended makes sure that after an error no transaction is open.
func ended(ctx context.Context, conn *pgx.Conn, err error) error {
	if err == nil {
		return nil
	}
	if !conn.IsClosed() && conn.PgConn().TxStatus() != 'I' {
		if _, rerr := conn.Exec(ctx, "ROLLBACK"); rerr != nil {
			hangUp(conn)
		}
	}
	return err
}

// zombie knows the error of onlyIf.
func zombie(err error) error {
	if sqlState(err) == "22012" {
		return errZombie
	}
	return err
}

// sqlToken opens a transaction at the target: it fails unless every partition
// is incoming with this attempt, and holds the rows so until it ends.
var sqlToken = onlyIf(`SELECT 1 FROM control.partition_owner
	WHERE partition = ANY($1) AND state = 'incoming' AND move_id = $2 AND attempt = $3 FOR SHARE`)

const sqlEnter = "SELECT set_config('gori.gate', '/' || array_to_string($1::int[], '/') || '/', true)"

// enter queues the beginning of a transaction at the target that may write rows
// of partitions ps.
func (w *work) enter(b *pgx.Batch, ps []int32) {
	b.Queue("BEGIN")
	b.Queue(sqlToken, ps, w.g.Reshard, w.attempt, len(ps))
	b.Queue(sqlEnter, ps)
}

// sqlFilled finds the tables whose files are not empty. So it finds every table
// of which a snapshot taken before has a row, and opens none of them: most are
// empty, and what is not read need not be learned about.
const sqlFilled = "SELECT relname FROM pg_class WHERE relnamespace = 'data'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0"

// filled returns the tables that may have rows on a shard.
func filled(ctx context.Context, conn *pgx.Conn, tables []*statements) ([]*statements, error) {
	rows, err := conn.Query(ctx, sqlFilled)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	some := slices.Clone(tables)
	return slices.DeleteFunc(some, func(t *statements) bool { return !slices.Contains(names, t.name) }), err
}

// presentIn returns the tables that have rows of partitions ps.
func presentIn(ctx context.Context, conn *pgx.Conn, tables []*statements, ps []int32) ([]*statements, error) {
	list, err := filled(ctx, conn, tables)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var parts []string
	for _, t := range list {
		parts = append(parts, t.present)
	}
	var some []bool
	if err := conn.QueryRow(ctx, "SELECT ARRAY["+strings.Join(parts, ", ")+"]", ps).Scan(&some); err != nil {
		return nil, err
	}
	var present []*statements
	for i, t := range list {
		if some[i] {
			present = append(present, t)
		}
	}
	return present, nil
}

const sweepRows = 20_000

// sweep removes what earlier attempts, or an earlier owner's time, left at the
// target.
func (w *work) sweep(ctx context.Context, pace reshard.Pace) error {
	left, err := presentIn(ctx, w.t, w.tables, w.ps)
	if err != nil {
		return err
	}
	for _, t := range left {
		for {
			n := int64(0)
			var b pgx.Batch
			w.enter(&b, w.ps)
			b.Queue(sqlSweep(t.table), w.ps, sweepRows).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
			b.Queue("COMMIT")
			if err := w.batch(ctx, w.bulkT, &b); err != nil {
				return err
			}
			if err := pace.Take(ctx, int(n)*sweptBytes); err != nil {
				return err
			}
			if n < sweepRows {
				break
			}
		}
	}
	return nil
}

// sweptBytes is what the removal of a row counts for, at the pace.
const sweptBytes = 50

func sqlSweep(t *table) string {
	return fmt.Sprintf(`WITH gone AS (DELETE FROM %[1]s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %[1]s WHERE partition = ANY($1) LIMIT $2)) RETURNING 1)
		SELECT count(*) FROM gone`, t.full())
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
