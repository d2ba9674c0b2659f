package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/store/storetest"
)

// While a node was frozen a shard was started again: the connection that is left
// of the time before says nothing about the shard.
func TestRevocationsAreReadThoughTheirConnectionHasDied(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t, 2, asNodes)
	user := w.person("ann")
	start := sure(w.Revoked(ctx, nil, 0))
	login := w.ends(user, 1)
	for _, sh := range w.shards() {
		pid := sh.revoked.hot.conn.PgConn().PID()
		conn := sure(pgx.Connect(ctx, w.dsns[sh.slot]))
		if _, err := conn.Exec(ctx, "SELECT pg_terminate_backend($1, 5000)", pid); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(ctx)
	}
	page, err := w.Revoked(ctx, start.Since, 0)
	if err != nil || len(page.Missed) != 0 || !tells(page, login) {
		t.Fatalf("%+v, %v", page, err)
	}
}

// A shard may be back before the node has noticed.
func TestRevocationsAreReadOfAShardThatIsThoughtToBeDown(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := openOn(t, storetest.DSNs(t, 1))
	start := sure(s.Revoked(ctx, nil, 0))
	sh := s.shards()[0]
	for range 20 {
		old := sh.revoked.hot.conn
		sh.goDown(errors.New("for the test"))
		if page, err := s.Revoked(ctx, start.Since, 0); err != nil {
			t.Fatalf("%+v, %v", page, err)
		}
		if sh.revoked.hot.conn == old {
			t.Fatal("it was read over a connection of the time before: that need not be the primary's any more")
		}
	}
}

// A shard that has been silent takes no more of the time of a node that was away.
func TestASilentShardIsNotWaitedForAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := openOn(t, storetest.DSNs(t, 2))
	start := sure(s.Revoked(context.Background(), nil, 0))
	silent := s.shards()[1].revoked
	silent.turn <- struct{}{} // never answers
	defer func() { <-silent.turn }()
	first, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if page, err := s.Revoked(first, start.Since, 0); err == nil {
		t.Fatalf("%+v", page)
	}
	long, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	page, err := s.Revoked(long, start.Since, time.Second)
	if err == nil || len(page.Missed) != 1 || page.Missed[0] != "s2" || long.Err() != nil {
		t.Fatalf("%+v, %v, %v", page, err, long.Err())
	}
}

// A shard has come, and has taken partitions over, while this node was away.
func TestWhoWasAwayHasNotSeenAllUntilEveryShardWasAsked(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := newCourt(t, 2)
	frozen := openOn(t, c.dsns, func(c *Config) { c.PingEvery = time.Hour }) // it learns nothing by itself
	eventually(t, "the first pings are over", func() bool {
		for _, sh := range frozen.shards() {
			if len(sh.wake) != 0 || sh.answered.Load() == 0 {
				return false
			}
		}
		return true
	})
	before := sure(frozen.Revoked(ctx, nil, movedWithin))
	c.newInstance("s3")
	c.publish(c.ring.Add("s3", c.at["s3"], plan))
	c.carryOut()
	if page, err := frozen.Revoked(ctx, before.Since, 0); err != nil || len(page.Since) != 2 {
		t.Fatalf("a node that was not away need not ask who is there: %+v, %v", page, err)
	}
	if _, err := frozen.Revoked(ctx, before.Since, time.Second); !errors.Is(err, errNotAll) {
		t.Fatalf("there is a shard of which it has not heard: %v", err)
	}
	eventually(t, "having asked, it hears of it", func() bool {
		page, err := frozen.Revoked(ctx, before.Since, movedWithin)
		return err == nil && !page.Lost && len(page.Since) == 3
	})
	// Of a new shard more may have been taken away than the first look tells.
	if page, err := frozen.Revoked(ctx, before.Since, revokedOverlap); err != nil || !page.Lost {
		t.Fatalf("a node that was away for long: %+v, %v", page, err)
	}
}

func TestEveryPartitionMustBeServedByWhoWasAsked(t *testing.T) {
	all := func(state string, peer string) *surroundings {
		a := &surroundings{}
		for p := range int32(shard.Partitions) {
			a.owners = append(a.owners, ownerRow{Partition: p, State: state, Peer: peer})
		}
		return a
	}
	but := func(a *surroundings, n int) *surroundings { return &surroundings{owners: a.owners[:len(a.owners)-n]} }
	for name, c := range map[string]struct {
		seen map[shard.ID]*surroundings
		want bool
	}{
		"all":                         {map[shard.ID]*surroundings{"a": all("active", "")}, true},
		"one is missing":              {map[shard.ID]*surroundings{"a": but(all("active", ""), 1)}, false},
		"handed over among the asked": {map[shard.ID]*surroundings{"a": all("fenced", "b"), "b": {}}, true},
		"handed over to another":      {map[shard.ID]*surroundings{"a": all("fenced", "c"), "b": {}}, false},
		"fenced without a peer":       {map[shard.ID]*surroundings{"a": all("fenced", "")}, true},
	} {
		if got := servesAll(c.seen); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
