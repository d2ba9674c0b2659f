package store

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// A node whose routes are kept as they were before a reshard, for all of it,
// acknowledges nothing that is not with the new owner.
func TestStaleRoutesNeverAcknowledgeWrongly(t *testing.T) {
	t.Parallel()
	c := newCourt(t, 2, asNodes)
	us := c.people(8)
	rooms := map[chat.ChannelID][]chat.UserID{}
	for i := range us {
		rooms[c.group(us[i], us[(i+1)%8])] = []chat.UserID{us[i], us[(i+1)%8]}
	}
	c.newInstance("s3")
	old := *c.routes.Load()
	ctx, cancel := context.WithCancel(context.Background())
	var forcing sync.WaitGroup
	forcing.Go(func() {
		for nap(ctx, time.Millisecond) == nil {
			again := old
			c.routes.Store(&again)
		}
	})
	tk := c.talk(rooms)
	c.publish(c.ring.Add("s3", c.at["s3"], plan))
	c.carryOut()
	for room, users := range rooms {
		tk.send(room, users[1], "after all")
	}
	cancel()
	forcing.Wait()
	tk.judge()
	for room := range rooms {
		p := shard.Of(room)
		if n := c.count(c.ring.Map.Owner(p), "SELECT last_seq::int FROM data.channels WHERE partition = $1 AND channel_id = $2", int32(p), int64(room)); n != int(tk.last[room]) {
			t.Errorf("room %v: its owner has %d messages of %d", room, n, tk.last[room])
		}
	}
}

// overheard counts what is written to a connection.
type overheard struct {
	net.Conn
	writes atomic.Int64
	asked  *atomic.Int64 // questions about owners
}

func (o *overheard) Write(b []byte) (int, error) {
	o.writes.Add(1)
	if bytes.Contains(b, []byte(selectOwners+" WHERE partition = ANY")) {
		o.asked.Add(1)
	}
	return o.Conn.Write(b)
}

// A send that goes to the old owner costs one round trip more than one that
// goes to the right one: the refusal says where to go.
func TestMovedCostsOneRoundTrip(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	h := newHarness(t, 2, func(c *Config) {
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &overheard{Conn: conn, asked: &asked}, err
		}
	})
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	p := partitionOf(ch)
	// One that stays on each shard keeps its writer's connection and statements
	// warm: a refused one is made anew.
	stays := map[int]chat.ChannelID{}
	for len(stays) < 2 {
		id := h.channel(a, b)
		if q := partitionOf(id); q != p {
			stays[h.ownerSlot(q)] = id
		}
	}
	n := 100
	warm := func() {
		for _, id := range stays {
			n++
			h.send(id, a, n, "warm")
		}
	}
	h.send(ch, a, 1, "here")
	writes := func() (n int64) {
		for _, sh := range h.shards() {
			n += sh.writers[0].hot.conn.PgConn().Conn().(*overheard).writes.Load()
		}
		return n
	}
	direct, moved := int64(100), int64(100)
	for i := range 4 {
		trips := func(n int) int64 {
			warm()
			before := writes()
			h.send(ch, b, n, "x")
			return writes() - before
		}
		at := h.ownerSlot(p)
		direct = min(direct, trips(10*i+3))
		h.settledAll() // a fan-out that meets the move would learn the route before
		h.move(p, at, 1-at, 2+i)
		moved = min(moved, trips(10*i+4))
		if h.ownerSlot(p) != 1-at {
			t.Error("the route was not learnt")
		}
	}
	if direct != 1 || moved != 2 {
		t.Errorf("a send costs %d round trips, and %d after a move", direct, moved)
	}
	if asked.Load() != 0 {
		t.Errorf("the old owner was asked %d times where to go, although it had said", asked.Load())
	}
}

// Between the activation of the new owner and the old one hearing of it, a
// fenced partition may be read at the old one only if nobody can have written
// at the new one.
func TestAReadOfAFencedPartitionIsNotOld(t *testing.T) {
	h := newHarness(t, 2)
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	h.send(ch, a, 1, "here")
	h.settledAll()
	p := partitionOf(ch)
	from := h.ownerSlot(p)
	to := 1 - from
	last := func() (n int64) {
		t.Helper()
		err := h.read(t.Context(), p, func(ctx context.Context, q querier) error {
			return q.QueryRow(ctx, "SELECT last_seq FROM data.channels WHERE partition = $1 AND channel_id = $2", int32(p), int64(ch)).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	h.ownAs(to, p, "incoming", string(h.shards()[from].id), 2)
	h.fence(from, p, h.shards()[to].id)
	h.copyPartition(p, from, to)
	if n := last(); n != 1 || h.ownerSlot(p) != from {
		t.Errorf("fenced: %d messages at slot %d", n, h.ownerSlot(p))
	}
	// The mover dies here; a node that looks at all rows finds the new owner.
	h.ownAs(to, p, "active", "", 2)
	h.refresh(t.Context())
	if h.ownerSlot(p) != to {
		t.Fatal("the greater epoch does not count")
	}
	h.send(ch, b, 2, "there")
	h.learn(p, h.shards()[from].id)
	if n := last(); n != 2 {
		t.Errorf("a node that knows the old owner only reads %d messages of 2", n)
	}
}

// A node that still takes a former owner for the owner, when the partition is
// on its way back there, does not answer from the half of its rows.
func TestAReadBegunBeforeTheOwnershipIsMadeAgain(t *testing.T) {
	h := newHarness(t, 2)
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	h.send(ch, a, 1, "here")
	h.settledAll()
	p := partitionOf(ch)
	from := h.ownerSlot(p)
	to := 1 - from
	h.fence(from, p, h.shards()[to].id)
	h.copyPartition(p, from, to)
	h.ownAs(to, p, "incoming", string(h.shards()[from].id), 2)
	h.learn(p, h.shards()[to].id)
	runs := 0
	err := h.read(t.Context(), p, func(ctx context.Context, q querier) error {
		if runs++; runs == 1 {
			h.ownAs(to, p, "active", "", 2) // the last rows have come just now
		}
		return nil
	})
	if err != nil || runs != 2 {
		t.Errorf("what was read counted after %d runs: %v", runs, err)
	}
	err = h.read(t.Context(), p, func(context.Context, querier) error { runs++; return nil })
	if err != nil || runs != 3 {
		t.Errorf("a later read ran until run %d: %v", runs, err)
	}
}

// clear removes what a shard has of a partition.
func (h *harness) clear(slot int, p shard.Partition) {
	h.t.Helper()
	ctx := context.Background()
	err := pgx.BeginFunc(ctx, h.shards()[slot].pool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('gori.gate', $1, true)", fmt.Sprintf("/%d/", p)); err != nil {
			return err
		}
		for _, table := range []string{"channels", "members", "messages"} {
			if _, err := tx.Exec(ctx, "DELETE FROM data."+table+" WHERE partition = $1", int32(p)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}
