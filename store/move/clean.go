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

const cleanRows = 10_000

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
	k, err := e.keep(ctx, at, ints(parts), func(error) {})
	if err != nil {
		return err
	}
	defer k.close()
	conn, err := e.dial(ctx, at, "clean", bulk...)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	list, err := catalog(ctx, conn)
	if err != nil {
		return err
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
	for _, t := range list {
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
func cleanTable(ctx context.Context, conn *pgx.Conn, t *table, ps []int32, pace reshard.Pace) error {
	for {
		var n, bytes int64
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			var gone int
			err := tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM control.partition_owner
				WHERE partition = ANY($1) AND state = 'gone' FOR SHARE) o`, ps).Scan(&gone)
			if err != nil {
				return err
			}
			if gone != len(ps) {
				return errZombie
			}
			if _, err := tx.Exec(ctx, sqlEnter, ps); err != nil {
				return err
			}
			return tx.QueryRow(ctx, fmt.Sprintf(`WITH gone AS (DELETE FROM %[1]s t
					WHERE ctid = ANY (ARRAY(SELECT ctid FROM %[1]s WHERE partition = ANY($1) LIMIT $2)) RETURNING pg_column_size(t.*) AS size)
				SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone`, t.full()), ps, cleanRows).Scan(&n, &bytes)
		})
		if err != nil {
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
		got, err := e.witness(ctx, conn, tables, reshard.Group{Reshard: o.moveID, From: at, To: o.peer}, []int32{p})
		if err != nil {
			return err
		}
		err = conn.QueryRow(ctx, "SELECT coalesce(max(pause_us), 0) FROM control.moves WHERE partition = $1 AND reshard = $2 AND role = 'source'", p, o.moveID).Scan(&got[0].PauseUS)
		if err != nil {
			return err
		}
		to := o.peer
		if !slices.Contains(e.cfg.Shards(), to) {
			// It may be one that has just come, too; then nobody else serves it.
			if err := e.servedElsewhere(ctx, at, []int32{p}, owners); err != nil {
				return err
			}
			to = ""
		}
		if err := e.keepReceipts(ctx, conn, to, got); err != nil {
			return err
		}
	}
	return nil
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
