package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// VersionTable holds the number of the newest migration of a shard.
const VersionTable = "public.gori_schema_version"

// Lock is the first number of the advisory lock; the second is 0.
const Lock = 79

const (
	// sharedPatience is how long a migration waits for a move or a backup, which
	// may go on for hours, and they for a migration.
	sharedPatience = 3 * time.Second
	// migratePatience is how long it waits for another migration, which is
	// most likely the same one begun by another node.
	migratePatience = 2 * time.Minute
	lookEvery       = 50 * time.Millisecond
)

// BusyError says that the lock is held for the other purpose.
type BusyError struct {
	Shard     shard.ID
	Migrating bool     // the one refused is the migration
	Holders   []string // who holds it, by application name and process of PostgreSQL
}

func (e *BusyError) Error() string {
	if e.Migrating {
		return fmt.Sprintf("the schema of shard %s cannot be changed while a reshard or a backup is under way (%s): let it end, or pause the reshard (gori reshard pause), then start again",
			e.Shard, strings.Join(e.Holders, ", "))
	}
	return fmt.Sprintf("the schema of shard %s is being changed just now (%s): try again when that is done", e.Shard, strings.Join(e.Holders, ", "))
}

// DifferError says that shards have different schemas, as after a migration
// that did not come to its end.
type DifferError struct{ Versions map[shard.ID]int32 }

func (e *DifferError) Error() string {
	var list []string
	for id, v := range e.Versions {
		list = append(list, fmt.Sprintf("%s has %d", id, v))
	}
	slices.Sort(list)
	return "the shards have different schemas (" + strings.Join(list, ", ") + "): start a node, or gori up, which brings all of them to the newest"
}

// Same returns a *DifferError unless all versions are one.
func Same(versions map[shard.ID]int32) error {
	first := true
	var one int32
	for _, v := range versions {
		if !first && v != one {
			return &DifferError{Versions: versions}
		}
		one, first = v, false
	}
	return nil
}

// Version reads a shard's schema version, 0 if it has none yet.
func Version(ctx context.Context, conn *pgx.Conn) (int32, error) {
	var some bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", VersionTable).Scan(&some); err != nil || !some {
		return 0, err
	}
	var v int32
	err := conn.QueryRow(ctx, "SELECT version FROM "+VersionTable).Scan(&v)
	return v, err
}

// Hold takes the lock shared for as long as conn lives: no migration of that
// shard begins. It waits a little for one that runs, then returns a
// *BusyError. Check versions afterwards, not before.
func Hold(ctx context.Context, conn *pgx.Conn, id shard.ID) error {
	return take(ctx, conn, "pg_try_advisory_lock_shared", func(holders []holder) error {
		return &BusyError{Shard: id, Holders: names(holders)}
	})
}

// Own takes the lock exclusively for as long as conn lives, for a migration.
// It waits for another migration, and a little for all else, then returns a
// *BusyError.
func Own(ctx context.Context, conn *pgx.Conn, id shard.ID) error {
	return take(ctx, conn, "pg_try_advisory_lock", func(holders []holder) error {
		return &BusyError{Shard: id, Migrating: true, Holders: names(holders)}
	})
}

type holder struct {
	name      string
	exclusive bool
}

func names(holders []holder) []string {
	var list []string
	for _, h := range holders {
		list = append(list, h.name)
	}
	if list == nil {
		list = []string{"it has just ended"}
	}
	return list
}

// take tries again and again instead of queueing: a queue for the exclusive
// lock would keep back those who come for the shared one.
func take(ctx context.Context, conn *pgx.Conn, try string, busy func([]holder) error) error {
	begun := time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		var got bool
		if err := conn.QueryRow(ctx, "SELECT "+try+"($1, 0)", Lock).Scan(&got); err != nil || got {
			return err
		}
		held, err := holders(ctx, conn)
		if err != nil {
			return err
		}
		patience := sharedPatience
		if try == "pg_try_advisory_lock" && slices.ContainsFunc(held, func(h holder) bool { return h.exclusive }) {
			patience = migratePatience
		}
		if time.Since(begun) > patience {
			return busy(held)
		}
		select {
		case <-ctx.Done():
			return errors.Join(busy(held), ctx.Err())
		case <-tick.C:
		}
	}
}

// holders tells who holds the lock on this shard.
func holders(ctx context.Context, conn *pgx.Conn) ([]holder, error) {
	rows, err := conn.Query(ctx, `SELECT coalesce(nullif(a.application_name, ''), 'unnamed') || ' in process ' || l.pid, l.mode = 'ExclusiveLock'
		FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND l.classid = $1 AND l.objid = 0 AND l.objsubid = 2 ORDER BY l.pid`, Lock)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (holder, error) {
		var h holder
		return h, row.Scan(&h.name, &h.exclusive)
	})
}
