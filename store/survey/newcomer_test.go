package survey

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/store/storetest"
)

// execs runs statements, each by itself.
func execs(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func TestWhatCannotBecomeAShardIsSeen(t *testing.T) {
	in := storetest.StartInstance(t)
	execs(t, in.DSN("postgres"), "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
		"CREATE ROLE guest LOGIN", "CREATE DATABASE good", "CREATE DATABASE taken", "CREATE DATABASE other")
	execs(t, in.DSN("taken"), "CREATE TABLE bills (n int)")
	execs(t, in.DSN("other"), "CREATE SCHEMA control", "CREATE TABLE control.shard_self (shard_id text)", "INSERT INTO control.shard_self VALUES ('a')")
	for _, c := range []struct{ dsn, says string }{
		{in.DSN("good"), ""},
		{in.DSN("latin"), "its encoding is LATIN1 and has to be UTF8; its locale is C and has to be C.UTF-8"},
		{in.DSN("good") + " user=guest", "guest may not make tables in it and has to own it"},
		{in.DSN("other") + " user=guest", "guest may not"},
		{in.DSN("taken"), "it has 1 tables of something else and has to be empty"},
		{in.DSN("other"), "it is that of shard a"},
	} {
		n, err := LookAt(t.Context(), c.dsn)
		if err != nil {
			t.Errorf("%s: %v", c.dsn, err)
			continue
		}
		if why := strings.Join(n.Unfit("e"), "; "); (why == "") != (c.says == "") || !strings.Contains(why, c.says) {
			t.Errorf("%s: %q, not %q", c.dsn, why, c.says)
		}
	}
	old := Newcomer{Major: 14, Encoding: "UTF8", Collate: "C.utf8", Ctype: "C.UTF-8", Recovering: true, MayCreate: true, Reads: true, Shard: "e"}
	if why := strings.Join(old.Unfit(shard.ID("e")), "; "); why != "its server is PostgreSQL 14 and has to be 15 or newer; its server is a standby, which takes no writes" {
		t.Errorf("an old standby: %s", why)
	}
}
