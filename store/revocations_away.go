package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// A node that was away cannot know how the ring has changed meanwhile: what was
// taken away may be written on a shard, or a new primary of one, of which it has
// not heard. So it also asks every shard what it serves and what ring document it
// has accepted, and has seen all only when nothing points elsewhere.

// movedWithin is for how long a node may be away before it asks for the owners
// too, which costs a thousand rows a shard: a shard is in the ring first.
const movedWithin = 2 * time.Second

// errNotAll says that there may be a shard that was not asked.
var errNotAll = errors.New("the shards are not those that this node knows")

// surroundings is what one shard says of itself and of the ring.
type surroundings struct {
	owners []ownerRow // of the partitions it serves, if asked
	ballot ballot     // of the ring document it has accepted
}

const (
	sqlServed   = selectOwners + ` WHERE state IN ('active', 'fenced')`
	sqlAccepted = sqlBallot + ` WHERE doc IS NOT NULL`
)

func lookAround(ctx context.Context, conn *pgx.Conn, away time.Duration) (*surroundings, error) {
	var a surroundings
	err := conn.QueryRow(ctx, sqlAccepted).Scan(&a.ballot.counter, &a.ballot.by)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	if away < movedWithin {
		return &a, nil
	}
	rows, err := conn.Query(ctx, sqlServed)
	if err != nil {
		return nil, err
	}
	a.owners, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ownerRow])
	return &a, err
}

// sawAll tells whether the shards that were asked, all known ones, are all there
// are.
func (s *Store) sawAll(seen map[shard.ID]*surroundings, away time.Duration) bool {
	for id, a := range seen {
		if s.reports.ballotOf(string(id)).before(a.ballot) {
			return false
		}
	}
	if agreed, _ := s.reports.judge(); agreed != nil {
		if now := s.topo.Load().ring; now == nil || now.Version < agreed.Version {
			return false
		}
	}
	return away < movedWithin || servesAll(seen)
}

// ballotOf is that of the newest document known from an acceptor.
func (rs *reports) ballotOf(acceptor string) ballot {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.by[acceptor].ballot
}

// servesAll tells whether every partition is served by one of the shards, or is
// being handed over to one of them.
func servesAll(seen map[shard.ID]*surroundings) bool {
	var served [shard.Partitions]bool
	for _, a := range seen {
		for _, o := range a.owners {
			if o.State == "active" || o.Peer == "" || seen[shard.ID(o.Peer)] != nil {
				served[o.Partition] = true
			}
		}
	}
	for _, yes := range served {
		if !yes {
			return false
		}
	}
	return true
}
