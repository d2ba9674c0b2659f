package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
)

// Someone holds the row of a busy channel: sends to it are refused soon, with
// an error that says to come back; the shard's other channels go on.
func TestAHeldChannelHurtsNoOther(t *testing.T) {
	_, dsns := durableRing(t, 1)
	h := &harness{t, openOn(t, dsns)}
	a, b := h.user(), h.user()
	held, other := h.channel(a, b), h.channel(a, b)
	tx, err := h.shards()[0].pool().BeginTx(t.Context(), pgx.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	staysIdle(t, tx)
	if _, err := tx.Exec(t.Context(), "SELECT FROM data.channels WHERE channel_id = $1 FOR UPDATE", int64(held)); err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 1)
	go func() {
		_, err := h.Append(context.Background(), chat.Draft{Channel: held, Sender: a, ClientMsgID: cid(1), Body: "held"})
		refused <- err
	}()
	for n := range 20 {
		soon(t, func() bool {
			_, err := h.Append(t.Context(), chat.Draft{Channel: other, Sender: a, ClientMsgID: cid(10 + n), Body: "x"})
			if err != nil && !chat.ErrorOf(err).Retry {
				t.Fatal(err)
			}
			return err == nil
		})
	}
	if err := <-refused; err == nil || !chat.ErrorOf(err).Retry {
		t.Errorf("the held channel: %v", err)
	}
	_ = tx.Rollback(context.Background())
	soon(t, func() bool {
		rs, err := h.Append(t.Context(), chat.Draft{Channel: held, Sender: a, ClientMsgID: cid(1), Body: "held"})
		return err == nil && rs[0].Seq == 1
	})
}

// The shard gives no more connections than those there are: what is under way
// goes on, and reads that find none are refused in a bounded time.
func TestNoMoreConnections(t *testing.T) {
	_, dsns := durableRing(t, 1)
	h := &harness{t, openOn(t, dsns)}
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	h.send(ch, a, 1, "before")
	// All of the server's free places.
	var taken []*pgx.Conn
	defer func() {
		for _, c := range taken {
			_ = c.Close(context.Background())
		}
	}()
	for range 1000 {
		c, err := pgx.Connect(t.Context(), dsns[0])
		if err != nil {
			break
		}
		taken = append(taken, c)
	}
	began := time.Now()
	h.send(ch, a, 2, "meanwhile") // the writer has its connection
	results := make(chan error, 64)
	for range cap(results) {
		go func() {
			_, err := h.History(context.Background(), chat.HistoryQuery{Channel: ch, Viewer: a, Limit: 10})
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil && !chat.ErrorOf(err).Retry {
			t.Errorf("a read: %v", err)
		}
	}
	promised(t, "64 reads without a connection", time.Since(began), 10*time.Second)
	t.Logf("%d connections held", len(taken))
}

// A shard that cannot extend its files answers with an error that says to come
// back, and goes on by itself once there is room.
func TestAShardThatCannotWrite(t *testing.T) {
	_, dsns := durableRing(t, 1)
	h := &harness{t, openOn(t, dsns)}
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	h.send(ch, a, 1, "before")
	owner, err := pgx.Connect(t.Context(), dsns[0])
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	run := func(sql string) {
		t.Helper()
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	// What PostgreSQL says when the disk is full, said for it.
	run(`CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END$$`)
	run(`CREATE TRIGGER full_disk BEFORE INSERT ON data.messages EXECUTE FUNCTION public.full_disk()`)
	for n := range 5 {
		_, err := h.Append(t.Context(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(2), Body: "kept in the outbox"})
		if err == nil || !chat.ErrorOf(err).Retry {
			t.Errorf("try %d: %v", n, err)
		}
	}
	soon(t, func() bool { // reading goes on
		_, err := h.History(t.Context(), chat.HistoryQuery{Channel: ch, Viewer: a, Limit: 10})
		return err == nil
	})
	run(`DROP TRIGGER full_disk ON data.messages`)
	soon(t, func() bool {
		rs, err := h.Append(t.Context(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(2), Body: "kept in the outbox"})
		return err == nil && rs[0].Seq == 2
	})
}

// A shard that is slow refuses what waits too long instead of letting it pile
// up, and nothing that was refused is stored twice.
func TestASlowShard(t *testing.T) {
	_, dsns := durableRing(t, 1)
	h := &harness{t, openOn(t, dsns)}
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	owner, err := pgx.Connect(t.Context(), dsns[0])
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	for _, sql := range []string{
		`CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END$$`,
		`CREATE TRIGGER slow BEFORE INSERT ON data.messages FOR EACH STATEMENT EXECUTE FUNCTION public.slow()`,
	} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	results := make(chan error, 40)
	for n := range cap(results) {
		go func() {
			var err error
			for {
				_, err = h.Append(context.Background(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(n), Body: fmt.Sprint(n)})
				if err == nil || !chat.ErrorOf(err).Retry {
					break
				}
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	page, err := h.History(t.Context(), chat.HistoryQuery{Channel: ch, Viewer: a, Limit: 200})
	if err != nil || len(page.Messages) != cap(results) {
		t.Errorf("%d messages are stored, %v", len(page.Messages), err)
	}
}
