package move

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// cleanRows are deleted in one transaction.
const cleanRows = 5_000

// NotCleanedError says why what a shard has left of a partition stays there.
type NotCleanedError struct {
	Partition shard.Partition
	At        shard.ID
	Reason    string
}

func (e *NotCleanedError) Error() string {
	return fmt.Sprintf("what shard %s has of partition %s is not removed: %s", e.At, e.Partition, e.Reason)
}

// Clean implements reshard.Backend. What is not gone for good stays, and a move
// without a receipt gets one first: it could not be proved later.
func (e *Engine) Clean(ctx context.Context, at shard.ID, parts []shard.Partition, pace reshard.Pace) error {
	k, err := e.keep(ctx, at, 0, ints(parts), func(error) {})
	if err != nil {
		return err
	}
	defer k.close()
	conn, err := e.lend(ctx, at, "read", slices.Concat(bulk, lazy)...)
	if err != nil {
		return err
	}
	defer func() { e.giveBack(conn, at, "read") }()
	e.yield(conn)
	tables, err := catalog(ctx, conn)
	if err != nil {
		return err
	}
	var list []*statements
	for _, t := range tables {
		list = append(list, newStatements(t, fast))
	}
	owners, err := ownersOf(ctx, conn, ints(parts))
	if err != nil {
		return err
	}
	var todo []int32
	for _, p := range parts {
		o := owners[p]
		if o.state == reshard.Gone && o.cleaned {
			continue
		}
		if o.state != reshard.Gone {
			return &NotCleanedError{p, at, "it is " + orNone(o.state) + " there"}
		}
		todo = append(todo, int32(p))
	}
	if len(todo) == 0 {
		return nil
	}
	if err := e.servedElsewhere(ctx, at, todo, owners); err != nil {
		return err
	}
	if err := e.prove(ctx, conn, at, todo); err != nil {
		return err
	}
	e.cfg.At.Pass("cleaning")
	left, err := presentIn(ctx, conn, list, todo)
	if err != nil {
		return err
	}
	for _, t := range left {
		if err := cleanTable(ctx, conn, t, todo, pace); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, `WITH clean AS (UPDATE control.partition_owner SET cleaned = true WHERE partition = ANY($1) AND state = 'gone' RETURNING partition),
			told AS (UPDATE control.moves m SET state = 'cleaned', updated_at = clock_timestamp() FROM clean WHERE m.partition = clean.partition AND m.role = 'source')
		DELETE FROM control.partition_dirty d USING clean WHERE d.partition = clean.partition`, todo)
	if err == nil {
		e.cfg.At.Pass("cleaned")
	}
	return err
}

// cleanTable removes rows in transactions of bounded size, each of which makes
// sure that the partitions stay gone until it ends.
func cleanTable(ctx context.Context, conn *pgx.Conn, t *statements, ps []int32, pace reshard.Pace) error {
	for {
		var n, bytes int64
		var b pgx.Batch
		b.Queue("BEGIN")
		b.Queue(sqlStayGone, ps, len(ps))
		b.Queue(sqlEnter, ps)
		b.Queue(t.clean, ps, cleanRows).QueryRow(func(row pgx.Row) error { return row.Scan(&n, &bytes) })
		b.Queue("COMMIT")
		if err := zombie(inOne(ctx, conn, &b)); err != nil {
			return fmt.Errorf("clean data.%s: %w", t.name, err)
		}
		if err := pace.Take(ctx, int(bytes)); err != nil {
			return err
		}
		if n < cleanRows {
			return nil
		}
	}
}

// sqlStayGone fails unless all partitions are gone, and they are so until the
// transaction ends.
const sqlStayGone = `SELECT 1 / (CASE WHEN count(*) = $2::bigint THEN 1 ELSE 0 END) FROM (SELECT 1 FROM control.partition_owner
	WHERE partition = ANY($1) AND state = 'gone' FOR SHARE) o`

const sqlUnproved = `SELECT o.partition FROM control.partition_owner o WHERE o.state = 'gone' AND NOT o.cleaned AND o.move_id <> ''
	AND ($1::int[] IS NULL OR o.partition = ANY($1)) AND NOT EXISTS (SELECT FROM control.receipts r WHERE r.reshard = o.move_id AND r.partition = o.partition)`

// unproved returns the partitions that are gone and have no receipt; of ps only,
// unless nil.
func unproved(ctx context.Context, conn *pgx.Conn, ps []int32) ([]int32, error) {
	rows, err := conn.Query(ctx, sqlUnproved, ps)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int32])
}

// prove makes the receipts that a mover has not come to write, of partitions that
// are gone from a shard and whose rows it still has.
func (e *Engine) prove(ctx context.Context, conn *pgx.Conn, at shard.ID, ps []int32) error {
	missing, err := unproved(ctx, conn, ps)
	if err != nil || len(missing) == 0 {
		return err
	}
	owners, err := ownersOf(ctx, conn, missing)
	if err != nil {
		return err
	}
	list, err := catalog(ctx, conn)
	if err != nil {
		return err
	}
	var tables []*statements
	for _, t := range list {
		if len(t.trouble) > 0 {
			return &RefusedError{Reasons: t.trouble}
		}
		tables = append(tables, newStatements(t, fast))
	}
	for _, p := range missing {
		o := owners[shard.Partition(p)]
		got, err := witness(ctx, conn, tables, reshard.Group{Reshard: o.moveID, From: at, To: o.peer}, []int32{p})
		if err != nil {
			return err
		}
		err = conn.QueryRow(ctx, "SELECT coalesce(max(pause_us), 0) FROM control.moves WHERE partition = $1 AND reshard = $2 AND role = 'source'", p, o.moveID).Scan(&got[0].PauseUS)
		if err != nil {
			return err
		}
		if err := e.keepLate(ctx, conn, at, p, owners, got); err != nil {
			return err
		}
	}
	return nil
}

// keepLate writes the receipt of a partition that is gone from a shard: at the
// source alone if the target has given it on and left the ring since.
func (e *Engine) keepLate(ctx context.Context, conn *pgx.Conn, at shard.ID, p int32, owners map[shard.Partition]owner, got []reshard.Receipt) error {
	to := owners[shard.Partition(p)].peer
	if !slices.Contains(e.cfg.Shards(), to) {
		// It may be one that has just come, too; then nobody else serves it.
		if err := e.servedElsewhere(ctx, at, []int32{p}, owners); err != nil {
			return err
		}
		return keepReceipts(ctx, conn, nil, got, nil)
	}
	target, err := e.lend(ctx, to, "receipt")
	if err != nil {
		return err
	}
	defer func() { e.giveBack(target, to, "receipt") }()
	return keepReceipts(ctx, conn, target, got, nil)
}

// Left implements reshard.Backend.
func (e *Engine) Left(ctx context.Context, at shard.ID) (string, error) {
	conn, err := e.dial(ctx, at, "look")
	if err != nil {
		return "", err
	}
	defer hangUp(conn)
	var serving, rest, fan, dirty, effects int64
	err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM control.partition_owner WHERE state <> 'gone'),
		(SELECT count(*) FROM control.partition_owner WHERE state = 'gone' AND NOT cleaned),
		(SELECT count(*) FROM control.fanout_pending), (SELECT count(*) FROM control.partition_dirty), (SELECT count(*) FROM data.effects)`).
		Scan(&serving, &rest, &fan, &dirty, &effects)
	if err != nil {
		return "", err
	}
	var list []string
	for _, l := range []struct {
		n    int64
		what string
	}{{serving, "partitions not given away"}, {rest, "partitions with rows to remove"}, {fan, "batches not told to everybody"}, {dirty, "changed keys"}, {effects, "effects"}} {
		if l.n > 0 {
			list = append(list, fmt.Sprintf("%d %s", l.n, l.what))
		}
	}
	return strings.Join(list, ", "), nil
}
