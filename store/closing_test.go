package store

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// What everybody asks when a node has died takes one round trip, the question
// who serves the partition among it.
func TestComingBackTakesOneRoundTripEach(t *testing.T) {
	t.Parallel()
	var trips atomic.Int64
	w := newWorld(t, 1, func(c *Config) {
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &tripping{Conn: conn, trips: &trips}, err
		}
		c.PoolSize = 1
	})
	user := w.person("someone")
	for name, do := range map[string]func() error{
		"home":  func() error { _, err := w.Home(t.Context(), user, 0, 200); return err },
		"login": func() error { _, err := w.Authenticate(t.Context(), user, account("someone").TokenHash); return err },
	} {
		least := int64(100)
		for range 20 { // what else goes on is told apart by being there only now and then
			before := trips.Load()
			if err := do(); err != nil {
				t.Fatal(name, err)
			}
			least = min(least, trips.Load()-before)
		}
		if least != 1 {
			t.Errorf("%s takes %d round trips", name, least)
		}
	}
}

// tripping counts what is written.
type tripping struct {
	net.Conn
	trips *atomic.Int64
}

func (c *tripping) Write(b []byte) (int, error) {
	c.trips.Add(1)
	return c.Conn.Write(b)
}

// A batch of a partition that has gone is read again where it is now; what is
// asked after a batch makes its word about the owner void; a reader that stops
// in the middle of a batch gets that word all the same.
func TestABatchFollowsItsPartition(t *testing.T) {
	t.Parallel()
	h := newHarness(t, 2, func(c *Config) { c.MovingBudget = 5 * time.Second })
	u := h.user()
	p := partitionOf(u)
	at := h.ownerSlot(p)
	pos := func() chat.Pos {
		page, err := h.Inbox(t.Context(), u, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		return page.Pos
	}
	if got := pos(); got != 0 {
		t.Fatalf("a new inbox is at %d", got)
	}
	h.move(p, at, 1-at, 2)
	h.on(1-at, "UPDATE data.user_state SET inbox_pos = 7 WHERE partition = $1 AND user_id = $2", p, u)
	if got := pos(); got != 7 {
		t.Errorf("read at its old owner: %d", got)
	}
	if _, err := h.Home(t.Context(), u, 0, 10); chat.CodeOf(err) != chat.CodeNotFound {
		t.Errorf("the account of a user who has none: %v", err)
	}
	tries := 0
	err := h.Store.read(t.Context(), p, func(ctx context.Context, q querier) error {
		tries++
		b := &pgx.Batch{}
		b.Queue("SELECT 1")
		b.Queue("SELECT 2")
		if err := q.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		if tries == 1 {
			h.move(p, 1-at, at, 3)
		}
		var n int
		return q.QueryRow(ctx, "SELECT 3").Scan(&n)
	})
	if err != nil || tries < 2 || h.ownerSlot(p) != at {
		t.Errorf("after the partition went between batch and query: %v, %d tries, route to %d", err, tries, h.ownerSlot(p))
	}
}

// on changes a row of one shard past the gate.
func (h *harness) on(slot int, sql string, p shard.Partition, u chat.UserID) {
	h.t.Helper()
	tx, err := h.shards()[slot].pool().Begin(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, sql := range []string{sqlGate, sql} {
		args := []any{[]int32{int32(p)}}
		if sql != sqlGate {
			args = []any{int32(p), int64(u)}
		}
		if _, err := tx.Exec(h.t.Context(), sql, args...); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := tx.Commit(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}
