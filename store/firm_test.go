package store

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/store/storetest"
)

// A commit whose wait for the standby was cut off can be seen, and a standby that
// takes over does not have it. So who sends the message again waits, too.
func TestWhatTheStandbyLacksIsNotAcknowledgedTheSecondTime(t *testing.T) {
	t.Parallel()
	in := storetest.StartInstance(t)
	dsn := in.DSN("gori")
	h := &harness{t, openOn(t, []string{dsn})}
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	h.send(ch, a, 1, "before")
	h.settledAll()
	storetest.Exec(t, dsn, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
	asleep := "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	cut := func() (n int) {
		if err := conn.QueryRow(t.Context(), asleep).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	send := func(n int, within time.Duration) ([]chat.Receipt, error) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return h.Append(ctx, chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(n), Body: "kept"})
	}
	// The server takes the setting up in its own time.
	n := 2
	eventually(t, "a commit waits for the standby", func() bool {
		n++
		_, err := send(n, 300*time.Millisecond)
		return err != nil
	})
	eventually(t, "the commit is cut off and seen", func() bool {
		cut()
		var seen bool
		err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM data.messages WHERE client_msg_id = $1)", cid(n)).Scan(&seen)
		return err == nil && seen
	})
	eventually(t, "a retry reaches the shard", func() bool {
		r, err := send(n, time.Second)
		if err == nil {
			t.Fatalf("acknowledged without the standby: %+v", r)
		}
		return cut() > 0
	})
	storetest.Exec(t, dsn, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
	eventually(t, "the retry is acknowledged", func() bool {
		r, err := send(n, 5*time.Second)
		return err == nil && r[0].Duplicate
	})
}
