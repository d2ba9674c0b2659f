package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"gori/shard"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

const (
	versionTable = "public.gori_schema_version"
	lockSchema   = 79 // advisory lock: who changes the schema, or moves partitions
)

// SchemaNewerError says that a shard was written by a newer Gori.
type SchemaNewerError struct {
	Shard shard.ID
	Found int32 // the shard's schema version
	Known int32 // the newest one this program knows
}

func (e *SchemaNewerError) Error() string {
	return fmt.Sprintf("shard %s has schema %d and this gori knows %d: start the newer gori that wrote it", e.Shard, e.Found, e.Known)
}

// WrongShardError says that a database belongs to another shard.
type WrongShardError struct{ Want, Found shard.ID }

func (e *WrongShardError) Error() string {
	return fmt.Sprintf("the database given for shard %s is that of shard %s", e.Want, e.Found)
}

// Migrate brings the schema of one shard up to date, under a lock, and on its
// first start makes it the owner of what m gives it. It may be repeated. A
// schema newer than this program is refused with a *SchemaNewerError.
func Migrate(ctx context.Context, dsn string, id shard.ID, m *shard.Map) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("migrate shard %s: %w", id, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1, 0)", lockSchema); err != nil {
		return fmt.Errorf("migrate shard %s: %w", id, err)
	}
	if err := migrateSchema(ctx, conn, id); err != nil {
		return err
	}
	if err := grantApp(ctx, conn); err != nil {
		return fmt.Errorf("migrate shard %s: %w", id, err)
	}
	if err := claimFirst(ctx, conn, id, m); err != nil {
		return fmt.Errorf("first start of shard %s: %w", id, err)
	}
	return nil
}

func migrateSchema(ctx context.Context, conn *pgx.Conn, id shard.ID) error {
	wrap := func(err error) error { return fmt.Errorf("migrate shard %s: %w", id, err) }
	mig, err := migrate.NewMigrator(ctx, conn, versionTable)
	if err != nil {
		return wrap(err)
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return wrap(err)
	}
	if err := mig.LoadMigrations(files); err != nil {
		return wrap(err)
	}
	have, err := mig.GetCurrentVersion(ctx)
	if err != nil {
		return wrap(err)
	}
	if known := int32(len(mig.Migrations)); have > known {
		return &SchemaNewerError{Shard: id, Found: have, Known: known}
	}
	if err := mig.Migrate(ctx); err != nil {
		return wrap(err)
	}
	return nil
}

// claimFirst writes who this shard is and what it owns, once.
func claimFirst(ctx context.Context, conn *pgx.Conn, id shard.ID, m *shard.Map) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var found string
		err := tx.QueryRow(ctx, "SELECT shard_id FROM control.shard_self").Scan(&found)
		if err == nil {
			if shard.ID(found) != id {
				return &WrongShardError{Want: id, Found: shard.ID(found)}
			}
			return nil
		}
		if err != pgx.ErrNoRows {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO control.shard_self (shard_id) VALUES ($1)", string(id)); err != nil {
			return err
		}
		var owned []int32
		for _, p := range m.Owned(id) {
			owned = append(owned, int32(p))
		}
		if _, err := tx.Exec(ctx, `INSERT INTO control.partition_owner (partition, state)
			SELECT p, 'active' FROM unnest($1::int[]) p`, owned); err != nil {
			return err
		}
		// A shard that comes to a ring in use learns the document by being asked to
		// accept one.
		var first *shard.Ring
		if m.Has(id) {
			first = shard.FirstRing(m)
		}
		_, err = tx.Exec(ctx, "INSERT INTO control.ring_acceptor (doc) VALUES ($1)", first)
		return err
	})
}
