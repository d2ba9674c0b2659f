package move

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// displace ends the sessions by which movers of an earlier turn of the plan hold
// partitions, and waits until they are gone. The ring has taken the reshard from
// them, and one that stands still would hold its claim until it is taken for dead.
// What such a mover still sends carries its attempt and changes nothing.
func displace(ctx context.Context, conn *pgx.Conn, turn int64, ps []int32) error {
	_, err := conn.Exec(ctx, `SELECT count(pg_terminate_backend(a.pid, 1000)) FROM pg_stat_activity a
		WHERE a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid()
			AND CASE WHEN a.application_name ~ '^gori move claim [1-9][0-9]*$' THEN split_part(a.application_name, ' ', 4)::bigint < $1 ELSE false END
			AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.classid = 78 AND l.objid::bigint = ANY($2::bigint[]) AND l.objsubid = 2 AND l.granted)`,
		turn, ps)
	return err
}
