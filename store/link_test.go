package store

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/store/storetest"
)

// clone copies a database that nobody uses, as a server would have it that
// followed it and is the primary of a term now.
func clone(t testing.TB, dsn string, term int) string {
	t.Helper()
	ctx := context.Background()
	was, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	out := storetest.DSN(t)
	to, err := pgx.ParseConfig(out)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(database string, list ...string) {
		t.Helper()
		cfg := to.Copy()
		cfg.Database = database
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		for _, sql := range list {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	name := pgx.Identifier{to.Database}.Sanitize()
	exec("postgres", "DROP DATABASE "+name, "CREATE DATABASE "+name+" TEMPLATE "+pgx.Identifier{was.Database}.Sanitize())
	exec(to.Database, "UPDATE control.shard_self SET term = "+strings.Repeat("1+", term-1)+"1")
	return out
}

// When the ring says that a shard's primary is elsewhere, in another term, all
// goes there, and nothing any more to where it was.
func TestAPrimaryElsewhereIsFollowed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dsns := storetest.DSNs(t, 2)
	first := openOn(t, dsns)
	first.Close()
	next := clone(t, dsns[0], 2)
	c := newCourtOn(t, dsns)
	ann, bob := c.person("ann"), c.person("bob")
	room := c.group(ann, bob)
	for i := 0; c.ring.Map.Owner(partitionOf(room)) != "s1"; i++ {
		room = c.group(ann, bob)
	}
	users := []chat.UserID{ann, bob}
	c.quiet()
	pid := backendOf(t, c.Store)

	// The new one has none of this; that does not matter here.
	c.publish(c.ring.Standby("s1", next, true))
	c.at["s1"] = next
	c.publish(c.ring.Promote("s1"))
	c.followed()
	eventually(t, "the new primary answers", func() bool { return c.topo.Load().find("s1").isUp() })
	if now := backendOf(t, c.Store); now == pid {
		t.Error("the old connection is still used")
	}
	d := chat.Draft{Channel: room, Sender: users[0], ClientMsgID: cid(1), Body: "x"}
	if _, err := c.Append(ctx, d); chat.CodeOf(err) != chat.CodeNotMember {
		t.Errorf("the new primary, which has no such channel, says %v", err)
	}

	// Back to the old address: what is there has not the term.
	c.publish(c.ring.Readdress("s1", dsns[0]))
	c.followed()
	if _, err := c.Append(ctx, d); !chat.ErrorOf(err).Retry {
		t.Errorf("a primary of before took a message: %v", err)
	}
	l := c.topo.Load().find("s1").link.Load()
	wrong := (*WrongTermError)(nil)
	if _, err := l.pool.Acquire(ctx); !errors.As(err, &wrong) || wrong.Found != 1 || wrong.Want != 2 {
		t.Errorf("a connection to it: %v", err)
	}
	if n := c.on(dsns[0], "SELECT count(*)::int FROM data.messages WHERE body = 'x'"); n != 0 {
		t.Error("it has stored a message")
	}
	// With the term it is welcome, without anybody starting anything.
	c.on(dsns[0], "UPDATE control.shard_self SET term = 2 RETURNING 1")
	eventually(t, "it is taken back", func() bool {
		_, err := c.Append(ctx, d)
		return err == nil
	})
}

// backendOf is the process that serves one of s1's connections.
func backendOf(t testing.TB, s *Store) (pid int) {
	t.Helper()
	if err := s.topo.Load().find("s1").pool().QueryRow(context.Background(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	return pid
}
