package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/store/schema"
	"gori/store/storetest"
)

// session is a connection of the schema's owner.
func session(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func mustExec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// twoShards are migrated but for the newest step of those in old.
func twoShards(t testing.TB, old ...int) ([]ShardConfig, *shard.Map) {
	t.Helper()
	dsns := storetest.DSNs(t, 2)
	list := []ShardConfig{{ID: "a", DSN: dsns[0]}, {ID: "b", DSN: dsns[1]}}
	m, err := shard.First([]shard.ID{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if err := MigrateAll(t.Context(), list, nil, m); err != nil {
		t.Fatal(err)
	}
	for _, i := range old {
		conn := session(t, dsns[i])
		mustExec(t, conn, "DROP SCHEMA data CASCADE")
		mustExec(t, conn, "DROP SCHEMA control CASCADE")
		mustExec(t, conn, "UPDATE "+schema.VersionTable+" SET version = 0")
		if err := migrateSchema(t.Context(), conn, KnownSchema()-1); err != nil {
			t.Fatal(err)
		}
	}
	return list, m
}

func versions(t testing.TB, list []ShardConfig) map[shard.ID]int32 {
	t.Helper()
	found := map[shard.ID]int32{}
	for _, sc := range list {
		v, err := schema.Version(t.Context(), session(t, sc.DSN))
		if err != nil {
			t.Fatal(err)
		}
		found[sc.ID] = v
	}
	return found
}

func TestANodeStartsWhileTheSchemaIsHeld(t *testing.T) {
	list, m := twoShards(t)
	if err := schema.Hold(t.Context(), session(t, list[0].DSN), "a"); err != nil {
		t.Fatal(err)
	}
	if err := MigrateAll(t.Context(), list, nil, m); err != nil {
		t.Errorf("a start with nothing to change: %v", err)
	}
	// Rights are given again without the lock.
	conn := session(t, list[1].DSN)
	mustExec(t, conn, "COMMENT ON SCHEMA control IS NULL")
	mustExec(t, conn, "REVOKE ALL ON data.messages FROM "+AppRole)
	if err := MigrateAll(t.Context(), list, []shard.ID{"c"}, m); err != nil {
		t.Errorf("a start that gives rights: %v", err)
	}
	var may bool
	if err := conn.QueryRow(t.Context(), "SELECT has_table_privilege($1, 'data.messages', 'INSERT')", AppRole).Scan(&may); err != nil || !may {
		t.Errorf("nodes may write: %v, %v", may, err)
	}
}

func TestAMigrationIsRefusedWhileTheSchemaIsHeld(t *testing.T) {
	list, m := twoShards(t, 0, 1)
	mover := session(t, list[1].DSN+" application_name='gori mover'")
	if err := schema.Hold(t.Context(), mover, "b"); err != nil {
		t.Fatal(err)
	}
	var busy *schema.BusyError
	if err := MigrateAll(t.Context(), list, nil, m); !errors.As(err, &busy) || !busy.Migrating || busy.Shard != "b" || !strings.Contains(busy.Error(), "gori mover") {
		t.Fatalf("with a mover at work: %v", err)
	}
	for id, v := range versions(t, list) {
		if v != KnownSchema()-1 {
			t.Errorf("shard %s was changed to %d although another one was held", id, v)
		}
	}
	_ = mover.Close(t.Context())
	if err := MigrateAll(t.Context(), list, []shard.ID{"c"}, m); err == nil || !strings.Contains(err.Error(), "do not answer") {
		t.Errorf("with a shard missing: %v", err)
	}
	if err := MigrateAll(t.Context(), list, nil, m); err != nil {
		t.Fatalf("afterwards: %v", err)
	}
}

func TestMoversAreRefusedDuringAMigration(t *testing.T) {
	list, _ := twoShards(t)
	if err := schema.Own(t.Context(), session(t, list[0].DSN), "a"); err != nil {
		t.Fatal(err)
	}
	var busy *schema.BusyError
	if err := schema.Hold(t.Context(), session(t, list[0].DSN), "a"); !errors.As(err, &busy) || busy.Migrating {
		t.Errorf("a mover: %v", err)
	}
}

// A migration of several shards that died goes on with the next start.
func TestAnUnfinishedMigrationGoesOn(t *testing.T) {
	list, m := twoShards(t, 1)
	before := versions(t, list)
	var differ *schema.DifferError
	if err := schema.Same(before); !errors.As(err, &differ) {
		t.Fatalf("versions %v are the same: %v", before, err)
	}
	if err := MigrateAll(t.Context(), list, nil, m); err != nil {
		t.Fatal(err)
	}
	after := versions(t, list)
	if err := schema.Same(after); err != nil || after["b"] != KnownSchema() {
		t.Errorf("afterwards %v, %v", after, err)
	}
}
