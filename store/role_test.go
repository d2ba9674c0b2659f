package store

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// asNodes opens the store as nodes do, without the rights of the schema's owner.
func asNodes(c *Config) {
	for i := range c.Shards {
		c.Shards[i].DSN += " user=" + AppRole
	}
}

func TestNodesHaveNoRightsOverTheSchema(t *testing.T) {
	s := openRing(t, 1, asNodes)
	conn, err := pgx.ConnectConfig(t.Context(), s.shards()[0].link.Load().cfg.Copy())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	const denied = "42501"
	for _, sql := range []string{
		"CREATE TABLE data.more (partition int PRIMARY KEY)",
		"CREATE FUNCTION control.gate(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"ALTER TABLE data.messages DISABLE TRIGGER ALL",
		"DROP TRIGGER guard_insert ON data.messages",
		"TRUNCATE data.messages",
		"UPDATE data.audit SET action = ''",
		"DELETE FROM data.audit",
		"UPDATE control.partition_owner SET state = 'gone'",
		"DELETE FROM control.ring_acceptor",
		"SET session_replication_role = replica",
		"CREATE ROLE more",
		"COPY data.users TO PROGRAM 'cat'",
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("a node may %s", sql)
		} else {
			wantState(t, err, denied)
		}
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1 FROM data.messages, control.partition_owner LIMIT 1"); err != nil {
		t.Errorf("a node may not read: %v", err)
	}
}

// Who moves partitions needs to write all rows, those of the audit log too where
// its partition is not served, and nothing beyond.
func TestMoversHaveNoRightsOverTheSchema(t *testing.T) {
	s := openRing(t, 1)
	cfg := s.shards()[0].link.Load().cfg.Copy()
	cfg.User = MoverRole
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	const denied = "42501"
	for _, sql := range []string{
		"CREATE TABLE data.more (partition int PRIMARY KEY)",
		"CREATE FUNCTION control.gate(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"ALTER TABLE data.messages DISABLE TRIGGER ALL",
		"TRUNCATE data.messages",
		"SET session_replication_role = replica",
		"CREATE ROLE more",
		"COPY data.users TO PROGRAM 'cat'",
		"SELECT control.learn_size('../x')",
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("a mover may %s", sql)
		} else if sql[:6] != "SELECT" {
			wantState(t, err, denied)
		}
	}
	for _, sql := range []string{
		"DELETE FROM data.audit WHERE partition = 3",
		"UPDATE control.partition_owner SET capture = false WHERE partition = 3",
		"INSERT INTO control.receipts VALUES ('r', 3, now(), '{}')",
		"SELECT control.learn_size('messages')",
	} {
		if _, err := conn.Exec(t.Context(), "BEGIN; SELECT control.gate(ARRAY[3]); "+sql+"; COMMIT"); err != nil {
			t.Errorf("a mover may not %s: %v", sql, err)
		}
	}
}
