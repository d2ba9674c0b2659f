package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// place is what an inbox must know of a channel and its owner's place in it,
// beside the messages.
type place struct {
	kind        chat.ChannelKind
	name        string
	peer        chat.UserID
	version     int64 // of the member list that says so
	joinedSeq   chat.Seq
	joinedCount chat.Count
	joined      time.Time
}

// enterInbox makes sure that a member's inbox has an entry of the channel.
// CodeNotMember if the channel does not know the member.
func (s *Store) enterInbox(ctx context.Context, user chat.UserID, id chat.ChannelID) error {
	home := shard.Of(user)
	err := s.read(ctx, home, func(ctx context.Context, q querier) error {
		var one int
		err := q.QueryRow(ctx, `SELECT 1 FROM data.inbox WHERE partition = $1 AND user_id = $2 AND channel_id = $3 AND member`,
			home, user, id).Scan(&one)
		return orNotFound(err, chat.CodeNotFound, "this channel is not in the inbox")
	})
	if chat.CodeOf(err) != chat.CodeNotFound {
		return err
	}
	at, err := s.readPlace(ctx, user, id)
	if err != nil {
		return err
	}
	return s.takePlace(ctx, user, id, at)
}

// readPlace reads a member's place at the channel. CodeNotMember if there is
// none.
func (s *Store) readPlace(ctx context.Context, user chat.UserID, id chat.ChannelID) (place, error) {
	var at place
	p := shard.Of(id)
	err := s.read(ctx, p, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `SELECT c.kind, c.name, CASE WHEN c.kind <> $4 THEN 0 WHEN c.user_a = $3 THEN c.user_b ELSE c.user_a END,
				c.member_version, m.joined_seq, m.joined_count, m.joined_at
			FROM data.channels c JOIN data.members m USING (partition, channel_id)
			WHERE c.partition = $1 AND c.channel_id = $2 AND m.user_id = $3`, p, id, user, chat.KindDirect).
			Scan(&at.kind, &at.name, &at.peer, &at.version, &at.joinedSeq, &at.joinedCount, &at.joined)
		return orNotFound(err, chat.CodeNotMember, notMember)
	})
	return at, err
}

// sqlTakePlace makes an entry, or renews that of someone who has come back. The
// version of the member list decides what is newer.
const sqlTakePlace = `WITH new AS (
		INSERT INTO data.inbox AS i (partition, user_id, channel_id, kind, peer_id, name, member, member_as_of, joined_seq, pos, last_at, read_seq, read_count)
		SELECT $1, $2, $3, $4, $5, $6, true, $7, $9, t.inbox_pos + 1, $8, $9, $10
		FROM data.user_state t WHERE t.partition = $1 AND t.user_id = $2
		ON CONFLICT (partition, user_id, channel_id) DO UPDATE SET
			kind = excluded.kind, peer_id = excluded.peer_id, name = excluded.name, member = true, pos = excluded.pos,
			member_as_of = excluded.member_as_of, joined_seq = excluded.joined_seq,
			read_seq = greatest(i.read_seq, excluded.read_seq), read_count = greatest(i.read_count, excluded.read_count)
		WHERE i.member_as_of < excluded.member_as_of
		RETURNING pos)
	UPDATE data.user_state t SET inbox_pos = new.pos FROM new WHERE t.partition = $1 AND t.user_id = $2`

// takePlace brings a member's place to the inbox, unless it knows a newer one.
func (s *Store) takePlace(ctx context.Context, user chat.UserID, id chat.ChannelID, at place) error {
	home := shard.Of(user)
	var entry chat.InboxEntry
	var entered bool
	err := s.write(ctx, home, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockInboxes(ctx, tx, []int32{int32(home)}, []int64{int64(user)}); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sqlTakePlace, home, user, id, at.kind, at.peer, at.name, at.version, at.joined, at.joinedSeq, at.joinedCount)
		if err != nil {
			return err
		}
		if entered = tag.RowsAffected() > 0; entered {
			entry, err = readEntry(ctx, tx, user, id)
		}
		return err
	})
	if err == nil && entered {
		s.cfg.OnInbox([]chat.InboxNotice{{User: user, Entry: entry}})
	}
	return err
}
