package store

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store/move"
	rows "gori/store/register"
	"gori/store/storetest"
)

// court is a world whose ring changes, and what changes it.
type court struct {
	*world
	at     map[shard.ID]string // addresses
	ring   *shard.Ring
	engine *move.Engine
	round  int64
}

func newCourt(t testing.TB, shards int, edit ...func(*Config)) *court {
	t.Helper()
	return newCourtOn(t, storetest.DSNs(t, shards), edit...)
}

func newCourtOn(t testing.TB, dsns []string, edit ...func(*Config)) *court {
	t.Helper()
	return courtOf(newWorldOn(t, dsns, edit...))
}

// courtOf changes the ring of a world.
func courtOf(w *world) *court {
	c := &court{world: w, at: map[shard.ID]string{}}
	c.ring = c.RingDocument()
	for i, seat := range c.ring.Seats {
		c.at[seat.ID] = c.dsns[i]
	}
	c.engine = move.New(move.Config{
		DSN:    func(id shard.ID) (string, error) { return c.at[id], nil },
		Shards: func() (ids []shard.ID) { return c.ids() },
		Budget: patience,
	})
	return c
}

func (c *court) ids() (ids []shard.ID) {
	for _, s := range c.ring.Seats {
		ids = append(ids, s.ID)
	}
	return ids
}

// publish makes r the ring document, on all its acceptors at once.
func (c *court) publish(r *shard.Ring, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	if r == nil { // nothing to change
		return
	}
	c.round++
	c.ring = r
	for id, dsn := range c.at {
		if _, seated := r.Seat(id); !seated {
			continue
		}
		if err := rows.Restore(context.Background(), dsn, id, reshard.Ballot{Counter: c.round, By: "test"}, r); err != nil {
			c.t.Fatal(err)
		}
	}
}

// followed waits until the node knows the document.
func (c *court) followed() {
	c.t.Helper()
	eventually(c.t, "the node follows the document", func() bool { return c.RingDocument().Hash() == c.ring.Hash() })
}

// newInstance is an empty shard, not in the ring yet.
func (c *court) newInstance(id shard.ID) {
	c.t.Helper()
	c.at[id] = storetest.DSN(c.t)
	if err := Migrate(context.Background(), c.at[id], id, nil); err != nil {
		c.t.Fatal(err)
	}
}

// noPace is a mover that is in a hurry.
type noPace struct{}

func (noPace) Take(ctx context.Context, _ int) error { return ctx.Err() }

// carryOut moves what the document says.
func (c *court) carryOut() {
	c.t.Helper()
	ctx := context.Background()
	look, err := c.engine.Look(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	groups := map[[2]shard.ID][]shard.Partition{}
	for p := range shard.Partition(shard.Partitions) {
		at, _ := look.Serving(p)
		if to := c.ring.Map.Owner(p); to != at.Shard {
			groups[[2]shard.ID{at.Shard, to}] = append(groups[[2]shard.ID{at.Shard, to}], p)
		}
	}
	for pair, ps := range groups {
		for len(ps) > 0 {
			n := min(len(ps), 48)
			c.moveGroup(reshard.Group{Reshard: c.ring.Plan.ID, From: pair[0], To: pair[1], Partitions: ps[:n]})
			ps = ps[n:]
		}
	}
}

func (c *court) moveGroup(g reshard.Group) {
	c.t.Helper()
	ctx := context.Background()
	for {
		w, err := c.engine.Begin(ctx, g)
		if err != nil {
			c.t.Fatal(err)
		}
		if err = w.Fill(ctx, noPace{}); err == nil {
			_, err = w.Cut(ctx)
		}
		w.Close()
		if err == nil {
			return
		}
		if over := (*reshard.BudgetError)(nil); !errors.As(err, &over) {
			c.t.Fatalf("move %v: %v", g, err)
		}
	}
}

// owners are who serves each partition, by the rows.
func (c *court) owners() *shard.Owners {
	c.t.Helper()
	look, err := c.engine.Look(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	var owners shard.Owners
	for p := range shard.Partition(shard.Partitions) {
		at, _ := look.Serving(p)
		owners[p] = at.Shard
	}
	return &owners
}

// count runs a query that counts, on one shard.
func (c *court) count(id shard.ID, sql string, args ...any) int {
	c.t.Helper()
	return c.on(c.at[id], sql, args...)
}

func (c *court) on(dsn, sql string, args ...any) (n int) {
	c.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

var plan = shard.Plan{ID: "test", Slowdown: 2}

// names lists the shards that a node uses.
func names(s *Store) string {
	var list []string
	for _, sh := range s.shards() {
		list = append(list, string(sh.id))
	}
	return strings.Join(list, " ")
}
