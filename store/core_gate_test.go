package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gori/shard"
	"gori/store/storetest"
)

// openRing makes n migrated shards and a Store on them.
func openRing(t testing.TB, n int, edit ...func(*Config)) *Store {
	t.Helper()
	strict := func(c *Config) { c.StrictGate = true }
	return openOn(t, storetest.DSNs(t, n), append([]func(*Config){strict}, edit...)...)
}

func openOn(t testing.TB, dsns []string, edit ...func(*Config)) *Store {
	t.Helper()
	var ids []shard.ID
	var cfg Config
	for i, dsn := range dsns {
		ids = append(ids, shard.ID(fmt.Sprintf("s%d", i+1)))
		cfg.Shards = append(cfg.Shards, ShardConfig{ID: ids[i], DSN: dsn})
	}
	m, err := shard.First(ids)
	if err != nil {
		t.Fatal(err)
	}
	for _, sc := range cfg.Shards {
		if err := Migrate(context.Background(), sc.DSN, sc.ID, m); err != nil {
			t.Fatal(err)
		}
	}
	// A busy host may be slow; a shard that is killed is found out all the same.
	cfg.PingTimeout, cfg.FindTimeout = patience, patience
	for _, e := range edit {
		e(&cfg)
	}
	s, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestTheGuardRefusesWritesAroundTheGate(t *testing.T) {
	s := openRing(t, 1)
	ctx := t.Context()
	const insert = "INSERT INTO data.singletons (partition, key, value) VALUES ($1, $2, '1')"
	_, err := s.shards()[0].pool().Exec(ctx, insert, 7, "a")
	wantState(t, err, "GR002")

	inGate := func(p shard.Partition, sql string, args ...any) error {
		return s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql, args...)
			return err
		})
	}
	if err := inGate(7, insert, 7, "a"); err != nil {
		t.Fatal(err)
	}
	wantState(t, inGate(7, insert, 8, "a"), "GR002")
	wantState(t, inGate(8, "UPDATE data.singletons SET value = '2' WHERE partition = 7"), "GR002")
	wantState(t, inGate(8, "DELETE FROM data.singletons WHERE partition = 7"), "GR002")
	wantState(t, inGate(7, "TRUNCATE data.singletons"), "GR002")
	var dirty int
	if err := s.shards()[0].pool().QueryRow(ctx, "SELECT count(*) FROM control.partition_dirty").Scan(&dirty); err != nil || dirty != 0 {
		t.Fatalf("%d dirty keys without capture, %v", dirty, err)
	}
}

func wantState(t *testing.T, err error, code string) {
	t.Helper()
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != code {
		t.Fatalf("got %v, want SQLSTATE %s", err, code)
	}
}
