package store

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"gori/shard"
	"gori/store/schema"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// SchemaNewerError says that a shard was written by a newer Gori.
type SchemaNewerError struct {
	Shard shard.ID
	Found int32 // the shard's schema version
	Known int32 // the newest one this program knows
}

func (e *SchemaNewerError) Error() string {
	return fmt.Sprintf("shard %s has schema %d and this gori knows %d: start the newer gori that wrote it", e.Shard, e.Found, e.Known)
}

// Migrate is MigrateAll for one shard.
func Migrate(ctx context.Context, dsn string, id shard.ID, m *shard.Map) error {
	return MigrateAll(ctx, []ShardConfig{{ID: id, DSN: dsn}}, nil, m)
}

// MigrateAll brings the schemas of shards up to date and, on its first start,
// makes each the owner of what m gives it; nil gives nothing. It may be
// repeated, and goes on where an earlier one died. Nothing is locked where
// nothing is to be done; else every shard is, before the first is changed, and
// while a reshard or a backup is under way that ends in a *schema.BusyError. A
// schema newer than this program is refused with a *SchemaNewerError, and a
// change while some of the ring's shards are missing with an error.
func MigrateAll(ctx context.Context, shards []ShardConfig, missing []shard.ID, m *shard.Map) error {
	list := make([]*migration, len(shards))
	defer func() {
		for _, g := range list {
			g.close(ctx)
		}
	}()
	err := sideBySide(len(shards), func(i int) (err error) {
		list[i], err = openMigration(ctx, shards[i])
		return err
	})
	if err != nil {
		return err
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b *migration) int { return cmp.Compare(a.ID, b.ID) })
	todo, first := false, true
	for _, g := range list {
		todo = todo || g.have < g.known() || g.self == ""
		first = first && g.have == 0
	}
	if todo {
		if len(missing) > 0 && !first {
			return fmt.Errorf("the schema is to change to version %d and shards do not answer (%v): all of them must, so that none is left behind", list[0].known(), missing)
		}
		for _, g := range list {
			if err := schema.Own(ctx, g.conn, g.ID); err != nil {
				return err
			}
		}
	}
	return sideBySide(len(list), func(i int) error { return list[i].carryOut(ctx, todo, m) })
}

// Prepare makes the schema of a version on an empty shard, which then is sc.ID's
// and owns nothing: a place for data that comes later.
func Prepare(ctx context.Context, sc ShardConfig, version int32) error {
	g, err := openMigration(ctx, sc)
	if err != nil {
		return err
	}
	defer g.close(ctx)
	if err := schema.Own(ctx, g.conn, g.ID); err != nil {
		return err
	}
	if g.have > 0 || version < 1 || version > KnownSchema() {
		return fmt.Errorf("prepare shard %s for schema %d: it has %d and this gori knows %d", g.ID, version, g.have, KnownSchema())
	}
	if err := migrateSchema(ctx, g.conn, version); err != nil {
		return fmt.Errorf("prepare shard %s: %w", g.ID, err)
	}
	_, err = g.conn.Exec(ctx, "INSERT INTO control.shard_self (shard_id) VALUES ($1)", string(g.ID))
	return err
}

// sideBySide runs do for 0 to n-1 and joins what went wrong.
func sideBySide(n int, do func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// migration is one shard's.
type migration struct {
	ShardConfig
	conn *pgx.Conn
	have int32    // the version found
	self shard.ID // whose it says it is, "" if it is new
}

func openMigration(ctx context.Context, sc ShardConfig) (_ *migration, err error) {
	g := &migration{ShardConfig: sc}
	defer func() {
		if err != nil {
			g.close(ctx)
			err = fmt.Errorf("migrate shard %s: %w", sc.ID, err)
		}
	}()
	cfg, err := pgx.ParseConfig(sc.DSN)
	if err != nil {
		return nil, err
	}
	// No statement may wait long for a table's lock: everybody else would queue
	// behind it.
	cfg.RuntimeParams["lock_timeout"] = "10s"
	cfg.RuntimeParams["application_name"] = "gori migrate"
	if g.conn, err = pgx.ConnectConfig(ctx, cfg); err != nil {
		return nil, err
	}
	if g.have, err = schema.Version(ctx, g.conn); err != nil {
		return nil, err
	}
	if g.have > 0 {
		err = g.conn.QueryRow(ctx, "SELECT coalesce(max(shard_id), '') FROM control.shard_self").Scan(&g.self)
	}
	switch {
	case err != nil:
		return nil, err
	case g.have > g.known():
		return nil, &SchemaNewerError{Shard: sc.ID, Found: g.have, Known: g.known()}
	case g.self != "" && g.self != sc.ID:
		return nil, &WrongShardError{Want: sc.ID, Found: g.self}
	}
	return g, nil
}

func (g *migration) close(ctx context.Context) {
	if g != nil && g.conn != nil {
		_ = g.conn.Close(context.WithoutCancel(ctx))
	}
}

// known is the newest schema version of this program.
func (g *migration) known() int32 { return KnownSchema() }

// KnownSchema is the schema version that this program works with.
func KnownSchema() int32 {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		panic("store: the pattern of migrations: " + err.Error())
	}
	return int32(len(files))
}

// carryOut changes what is to be changed. With todo the lock is held.
func (g *migration) carryOut(ctx context.Context, todo bool, m *shard.Map) error {
	if todo {
		if err := migrateSchema(ctx, g.conn, KnownSchema()); err != nil {
			return fmt.Errorf("migrate shard %s: %w", g.ID, err)
		}
	}
	if err := grantRoles(ctx, g.conn); err != nil {
		return fmt.Errorf("migrate shard %s: %w", g.ID, err)
	}
	if !todo {
		return nil
	}
	if err := claimFirst(ctx, g.conn, g.ID, m); err != nil {
		return fmt.Errorf("first start of shard %s: %w", g.ID, err)
	}
	return nil
}

// migrateSchema brings a shard to a version, under the lock.
func migrateSchema(ctx context.Context, conn *pgx.Conn, to int32) error {
	mig, err := migrate.NewMigrator(ctx, conn, schema.VersionTable)
	if err != nil {
		return err
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	if err := mig.LoadMigrations(files); err != nil {
		return err
	}
	return mig.MigrateTo(ctx, to)
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
		if m == nil { // a place for data that comes later
			_, err := tx.Exec(ctx, "INSERT INTO control.ring_acceptor DEFAULT VALUES")
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
