package store

import (
	"container/list"
	"context"
	"strconv"
	"sync"

	"golang.org/x/sync/singleflight"

	"gori/chat"
	"gori/shard"
)

// roster is who is in a channel, as of a version. It is immutable.
type roster struct {
	version int64
	ids     []chat.UserID
	homes   []shard.Partition // of ids, aligned
}

func newRoster(version int64, ids []chat.UserID) *roster {
	r := &roster{version: version, ids: ids, homes: make([]shard.Partition, len(ids))}
	for i, u := range ids {
		r.homes[i] = partitionOf(u)
	}
	return r
}

// rosters keeps rosters by channel, at most max member ids in all; the least
// recently used go first.
type rosters struct {
	flight singleflight.Group

	mu   sync.Mutex
	max  int
	ids  int
	byID map[chat.ChannelID]*list.Element
	lru  list.List // of *rosterEntry, the most recent at the front
}

type rosterEntry struct {
	id chat.ChannelID
	r  *roster
}

func newRosters(max int) *rosters {
	return &rosters{max: max, byID: map[chat.ChannelID]*list.Element{}}
}

// get returns the roster if it is known as of at least version.
func (c *rosters) get(id chat.ChannelID, version int64) *roster {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id]
	if e == nil {
		return nil
	}
	c.lru.MoveToFront(e)
	if r := e.Value.(*rosterEntry).r; r.version >= version {
		return r
	}
	return nil
}

// put keeps r unless a newer one is known.
func (c *rosters) put(id chat.ChannelID, r *roster) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A roster costs something even when it is short.
	const base = 4
	if e := c.byID[id]; e != nil {
		old := e.Value.(*rosterEntry)
		if old.r.version >= r.version {
			return
		}
		c.ids += len(r.ids) - len(old.r.ids)
		old.r = r
		c.lru.MoveToFront(e)
	} else {
		c.byID[id] = c.lru.PushFront(&rosterEntry{id, r})
		c.ids += len(r.ids) + base
	}
	for c.ids > c.max && c.lru.Len() > 1 {
		last := c.lru.Remove(c.lru.Back()).(*rosterEntry)
		delete(c.byID, last.id)
		c.ids -= len(last.r.ids) + base
	}
}

// MemberIDs returns the members of a channel as of at least version, by id; see
// chat.Roster. The result is shared and must not be changed. A channel that
// does not exist has none.
func (s *Store) MemberIDs(ctx context.Context, id chat.ChannelID, version int64) ([]chat.UserID, error) {
	r, err := s.roster(ctx, id, version)
	if err != nil {
		return nil, err
	}
	return r.ids, nil
}

func (s *Store) roster(ctx context.Context, id chat.ChannelID, version int64) (*roster, error) {
	if r := s.rosters.get(id, version); r != nil {
		return r, nil
	}
	// Those who ask for the same version share one query, which outlives each.
	key := id.String() + "@" + strconv.FormatInt(version, 10)
	ch := s.rosters.flight.DoChan(key, func() (any, error) {
		r, err := s.readRoster(context.WithoutCancel(ctx), id)
		if err == nil && r.version > 0 {
			s.rosters.put(id, r)
		}
		return r, err
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case res := <-ch:
		if res.Err != nil {
			return nil, res.Err
		}
		return res.Val.(*roster), nil
	}
}

func (s *Store) readRoster(ctx context.Context, id chat.ChannelID) (*roster, error) {
	var version int64
	var ids []chat.UserID
	p := partitionOf(id)
	err := s.read(ctx, p, func(ctx context.Context, q querier) error {
		var plain []int64
		// One statement, so the list is that of the version.
		err := q.QueryRow(ctx, `SELECT coalesce(max(c.member_version), 0), coalesce(array_agg(m.user_id ORDER BY m.user_id)
				FILTER (WHERE m.user_id IS NOT NULL), '{}')
			FROM data.channels c LEFT JOIN data.members m ON m.partition = c.partition AND m.channel_id = c.channel_id
			WHERE c.partition = $1 AND c.channel_id = $2`, int32(p), int64(id)).Scan(&version, &plain)
		ids = make([]chat.UserID, len(plain))
		for i, n := range plain {
			ids[i] = chat.UserID(n)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return newRoster(version, ids), nil
}
