package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// Channel reads a channel for a member. The membership is checked by the
// statement that reads.
func (s *Store) Channel(ctx context.Context, viewer chat.UserID, id chat.ChannelID) (chat.Channel, error) {
	var c chat.Channel
	err := s.read(ctx, shard.Of(id), func(ctx context.Context, q querier) error {
		return readChannel(ctx, q, viewer, id, &c)
	})
	return c, err
}

func readChannel(ctx context.Context, q querier, viewer chat.UserID, id chat.ChannelID, c *chat.Channel) error {
	var created time.Time
	*c = chat.Channel{ID: id}
	err := q.QueryRow(ctx, `SELECT c.kind, c.name, c.created_at, c.last_seq, c.last_count, c.last_change,
			c.member_count, c.member_limit, c.member_version, m.role
		FROM data.channels c JOIN data.members m USING (partition, channel_id)
		WHERE c.partition = $1 AND c.channel_id = $2 AND m.user_id = $3`, shard.Of(id), id, viewer).
		Scan(&c.Kind, &c.Name, &created, &c.LastSeq, &c.LastCount, &c.LastChange,
			&c.MemberCount, &c.MemberLimit, &c.MemberVersion, &c.Role)
	c.CreatedAt = chat.MillisOf(created)
	return orNotFound(err, chat.CodeNotMember, notMember)
}

// notMember is said of channels that do not exist, too: who is outside learns
// nothing.
const notMember = "there is no such channel for you"

// Members lists the members by user id, for one of them.
func (s *Store) Members(ctx context.Context, viewer chat.UserID, id chat.ChannelID) ([]chat.Member, error) {
	var members []chat.Member
	err := s.read(ctx, shard.Of(id), func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `SELECT user_id, role, joined_at, read_seq FROM data.members
			WHERE partition = $1 AND channel_id = $2 AND EXISTS
				(SELECT FROM data.members WHERE partition = $1 AND channel_id = $2 AND user_id = $3)
			ORDER BY user_id`, shard.Of(id), id, viewer)
		if err != nil {
			return err
		}
		members, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (chat.Member, error) {
			var m chat.Member
			var joined time.Time
			err := row.Scan(&m.User, &m.Role, &joined, &m.ReadSeq)
			m.JoinedAt = chat.MillisOf(joined)
			return m, err
		})
		if err == nil && len(members) == 0 {
			return chat.Errorf(chat.CodeNotMember, notMember)
		}
		return err
	})
	return members, err
}

// directPlace is where a direct channel is, or would be.
type directPlace struct {
	id   chat.ChannelID
	made bool
}

// findDirect looks for the direct channel of two users among the ids their pair
// may have. Channels are never deleted, so the answer for a made one is final.
func (s *Store) findDirect(ctx context.Context, a, b chat.UserID) (directPlace, error) {
	a, b = min(a, b), max(a, b)
	for probe := range chat.MaxDirectProbes {
		at := directPlace{id: chat.DirectID(a, b, probe)}
		var kind chat.ChannelKind
		var gotA, gotB chat.UserID
		err := s.read(ctx, shard.Of(at.id), func(ctx context.Context, q querier) error {
			err := q.QueryRow(ctx, `SELECT kind, user_a, user_b FROM data.channels WHERE partition = $1 AND channel_id = $2`,
				shard.Of(at.id), at.id).Scan(&kind, &gotA, &gotB)
			return orNotFound(err, chat.CodeNotFound, "no such channel")
		})
		if chat.CodeOf(err) == chat.CodeNotFound {
			return at, nil
		}
		if err != nil {
			return at, err
		}
		if kind == chat.KindDirect && gotA == a && gotB == b {
			at.made = true
			return at, nil
		}
	}
	return directPlace{}, chat.Errorf(chat.CodeInternal, "no free id for the channel of %d and %d", a, b)
}

// OpenDirect finds or makes the direct channel of two users, and puts it into
// the viewer's inbox. The peer's inbox learns of it with the first message.
func (s *Store) OpenDirect(ctx context.Context, viewer, peer chat.UserID) (chat.Channel, error) {
	if viewer == peer {
		return chat.Channel{}, chat.Errorf(chat.CodeBadRequest, "a direct channel has two users")
	}
	ofPeer, err := s.standing(ctx, viewer, peer)
	if err != nil {
		return chat.Channel{}, err
	}
	ofViewer, err := s.standing(ctx, peer, viewer)
	if err != nil {
		return chat.Channel{}, err
	}
	if ofPeer[peer].Wants == wantsBlocked || ofViewer[viewer].Wants == wantsBlocked {
		return chat.Channel{}, chat.Errorf(chat.CodeBlocked, "one of you has blocked the other")
	}
	for {
		at, err := s.findDirect(ctx, viewer, peer)
		if err != nil {
			return chat.Channel{}, err
		}
		if at.made {
			if err := s.enterInbox(ctx, viewer, at.id); err != nil {
				return chat.Channel{}, err
			}
			return s.Channel(ctx, viewer, at.id)
		}
		if ofPeer[peer].Disabled {
			return chat.Channel{}, chat.Errorf(chat.CodeNotFound, "there is no such user")
		}
		if err := s.makeDirect(ctx, at.id, viewer, peer); err != nil {
			return chat.Channel{}, err
		}
		// Made by us or by someone else meanwhile: the next look tells whose it is.
	}
}

// makeDirect inserts the channel unless its id is taken by now. A block that
// came between the caller's check and this insert found no channel to muzzle,
// so the insert owes another look.
func (s *Store) makeDirect(ctx context.Context, id chat.ChannelID, viewer, peer chat.UserID) error {
	p := shard.Of(id)
	a, b := min(viewer, peer), max(viewer, peer)
	var owed []effect
	err := s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		owed = nil
		tag, err := tx.Exec(ctx, `INSERT INTO data.channels (partition, channel_id, kind, user_a, user_b, created_by, created_at, last_at, member_limit, member_count)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 2, 2) ON CONFLICT DO NOTHING`, p, id, chat.KindDirect, a, b, viewer, s.now())
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if err := insertMembers(ctx, tx, id, chat.RoleMember, 0, 0, s.now(), a, b); err != nil {
			return err
		}
		return s.owe(ctx, tx, p, &owed, muzzleEffect{A: a, B: b})
	})
	if err == nil {
		s.carryOut(ctx, owed)
	}
	return err
}

// insertMembers adds members who are not there yet, with their read mark at
// seq, where the channel's count was count.
func insertMembers(ctx context.Context, tx pgx.Tx, id chat.ChannelID, role chat.Role, seq chat.Seq, count chat.Count, now time.Time, users ...chat.UserID) error {
	_, err := tx.Exec(ctx, `INSERT INTO data.members (partition, channel_id, user_id, role, joined_at, joined_seq, joined_count, read_seq)
		SELECT $1, $2, u, $4, $5, $6, $7, $6 FROM unnest($3::bigint[]) u ORDER BY u ON CONFLICT DO NOTHING`,
		shard.Of(id), id, int64s(users), role, now, seq, count)
	return err
}
