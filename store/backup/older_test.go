package backup

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/store"
	"gori/store/schema"
)

// A backup of an older schema is restored as such and then migrated.
func TestABackupOfAnOlderSchemaIsMigrated(t *testing.T) {
	const older = 6 // before there was a ring document of several versions
	from, to := shardsOf(t, 1), shardsOf(t, 2)
	ok(t, store.Prepare(t.Context(), from[0], older))
	conn, err := pgx.Connect(t.Context(), from[0].DSN)
	ok(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `DO $$ BEGIN
		INSERT INTO control.partition_owner (partition, state, epoch) SELECT p, 'active', 3 FROM generate_series(0, 1020) p;
		PERFORM control.gate(ARRAY(SELECT generate_series(0, 1020)));
		INSERT INTO data.user_state (partition, user_id, inbox_pos) SELECT p, p, 5 FROM generate_series(0, 1020) p;
	END $$`)
	ok(t, err)
	dir := filepath.Join(t.TempDir(), "set")
	m, err := Take(t.Context(), Options{Shards: from, To: dir, Budget: 2 * time.Second})
	ok(t, err)
	if m.Schema != older || m.Epoch != 3 || m.Ring != nil {
		t.Errorf("the manifest says schema %d, epoch %d, ring %v", m.Schema, m.Epoch, m.Ring)
	}
	_, err = Restore(t.Context(), RestoreOptions{From: dir, Shards: to})
	ok(t, err)
	users := 0
	for _, sc := range to {
		conn, err := pgx.Connect(t.Context(), sc.DSN)
		ok(t, err)
		defer conn.Close(t.Context())
		v, err := schema.Version(t.Context(), conn)
		ok(t, err)
		var n, strays int
		var epoch shard.Epoch
		ok(t, conn.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE generation = 0 OR o.state IS DISTINCT FROM 'active'), max(o.epoch)
			FROM data.user_state u LEFT JOIN control.partition_owner o USING (partition)`).Scan(&n, &strays, &epoch))
		if v != store.KnownSchema() || strays > 0 || epoch != 4 {
			t.Errorf("shard %s has schema %d, %d rows that are strays or of no generation, epoch %d", sc.ID, v, strays, epoch)
		}
		users += n
	}
	if users != shard.Partitions {
		t.Errorf("%d users", users)
	}
}

func TestAFullDiskIsCalledSo(t *testing.T) {
	err := full(fmt.Errorf("write: %w", syscall.ENOSPC))
	if !errors.Is(err, ErrDiskFull) || errors.Is(full(syscall.EIO), ErrDiskFull) {
		t.Errorf("%v", err)
	}
}
