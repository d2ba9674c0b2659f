package survey

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Debris says in words what moves have left on a shard: rows of partitions that
// it does not serve, moves half done, keys noted for nobody, slots, and locks
// that somebody holds. Nothing is left if nothing is under way and what moved
// was cleaned.
func Debris(ctx context.Context, dsn string) ([]string, error) {
	var found []string
	err := with(ctx, dsn, func(conn *pgx.Conn) error {
		for _, q := range []struct{ what, sql string }{
			{"partitions half moved", `SELECT count(*) FROM control.partition_owner WHERE state IN ('fenced', 'incoming') OR capture`},
			{"partitions not cleaned", `SELECT count(*) FROM control.partition_owner WHERE state = 'gone' AND NOT cleaned`},
			{"changed keys noted", `SELECT count(*) FROM control.partition_dirty`},
			{"replication slots for moves", `SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'`},
			{"locks of movers", `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid IN (78, 79) AND objid <> 2000
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`},
		} {
			var n int64
			if err := conn.QueryRow(ctx, q.sql).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				found = append(found, fmt.Sprintf("%d %s", n, q.what))
			}
		}
		tables, err := movedTables(ctx, conn)
		if err != nil {
			return err
		}
		for _, t := range tables {
			var n int64
			err := conn.QueryRow(ctx, `SELECT count(*) FROM `+pgx.Identifier{"data", t}.Sanitize()+` t
				WHERE NOT EXISTS (SELECT FROM control.partition_owner o WHERE o.partition = t.partition AND o.state = 'active')`).Scan(&n)
			if err != nil {
				return err
			}
			if n > 0 {
				found = append(found, fmt.Sprintf("%d rows of %s of partitions served elsewhere", n, t))
			}
		}
		return nil
	})
	return found, err
}

// movedTables names those that move with partitions: all of the schema data.
func movedTables(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, `SELECT relname FROM pg_class WHERE relnamespace = 'data'::regnamespace AND relkind = 'r' ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
