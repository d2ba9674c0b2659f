package board

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Vitals is how one shard does at one time. Totals count since its PostgreSQL
// began to count: two of them make a rate.
type Vitals struct {
	At         time.Time
	Ping       time.Duration
	Partitions int
	Channels   int64
	Messages   int64
	Commits    int64 // total
	Written    int64 // rows, total
	WAL        int64 // position in bytes
	Conns      int
	MaxConns   int
	Pending    int64
	Dirty      int64
	Version    string
	Started    time.Time
	Standby    string // what its standby does; "": none is connected
	StandbyLag int64  // bytes
	Tables     []Table
}

// Table is a table of people's rows.
type Table struct {
	Name  string
	Rows  int64 // estimated
	Bytes int64 // with its indexes
}

const maxTables = 40

// Vitals asks every shard how it does.
func (b *Board) Vitals(ctx context.Context) []Answer[Vitals] {
	return each(ctx, b, func(ctx context.Context, p *pgxpool.Pool) (v Vitals, err error) {
		conn, err := p.Acquire(ctx)
		if err != nil {
			return v, err
		}
		defer conn.Release()
		asked := time.Now()
		if err := conn.Ping(ctx); err != nil {
			return v, err
		}
		v.Ping = time.Since(asked)
		err = conn.QueryRow(ctx, `SELECT clock_timestamp(), pg_postmaster_start_time(), current_setting('server_version'),
				current_setting('max_connections')::int, (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
				d.xact_commit, d.tup_inserted + d.tup_updated + d.tup_deleted,
				CASE WHEN pg_is_in_recovery() THEN 0 ELSE (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint END,
				(SELECT count(*) FROM control.fanout_pending), (SELECT count(*) FROM control.partition_dirty),
				(SELECT count(*) FROM control.partition_owner WHERE state IN ('active', 'fenced'))
			FROM pg_stat_database d WHERE d.datname = current_database()`).
			Scan(&v.At, &v.Started, &v.Version, &v.MaxConns, &v.Conns, &v.Commits, &v.Written, &v.WAL, &v.Pending, &v.Dirty, &v.Partitions)
		if err != nil {
			return v, err
		}
		err = conn.QueryRow(ctx, "SELECT count(*), coalesce(sum(last_count), 0)::bigint FROM data.channels").Scan(&v.Channels, &v.Messages)
		if err != nil {
			return v, err
		}
		err = conn.QueryRow(ctx, `SELECT coalesce(state, 'connected'), coalesce((pg_current_wal_lsn() - replay_lsn)::bigint, 0)
			FROM pg_stat_replication ORDER BY sync_state = 'sync' DESC LIMIT 1`).Scan(&v.Standby, &v.StandbyLag)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return v, err
		}
		v.Tables, err = readTables(ctx, conn)
		return v, err
	})
}

func readTables(ctx context.Context, conn *pgxpool.Conn) ([]Table, error) {
	rows, err := conn.Query(ctx, `SELECT relname, greatest(n_live_tup, 0), pg_total_relation_size(relid) AS size
		FROM pg_stat_user_tables WHERE schemaname = 'data' ORDER BY size DESC, relname LIMIT $1`, maxTables)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Table, err error) {
		err = row.Scan(&t.Name, &t.Rows, &t.Bytes)
		return t, err
	})
}
