package store

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// leftEffect tells the homes of users that they have left a channel, or were
// removed from it. It reads who is a member now, and as of which version of the
// member list, so it is never out of date: those who have come back meanwhile
// keep their entry. Of those who have not it stays in the inbox, emptied, so
// that their devices learn of it; and as it remembers the version, nothing that
// is older brings the membership back.
type leftEffect struct {
	Channel chat.ChannelID `json:"channel"`
	Seq     chat.Seq       `json:"seq"` // of the message that tells of it
	Users   []chat.UserID  `json:"users"`
}

func (leftEffect) kind() string { return "left" }

func (e leftEffect) apply(ctx context.Context, s *Store) error {
	version, back, err := e.present(ctx, s)
	if err != nil {
		return err
	}
	homes := homesOf(e.Users)
	var mu sync.Mutex
	var told []chat.InboxNotice
	err = s.writeEach(ctx, keysOf(homes), func(ctx context.Context, tx pgx.Tx, ps []shard.Partition) error {
		parts, users := homeKeys(homes, ps)
		changed, err := e.leave(ctx, tx, version, parts, users, int64s(back))
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		told = append(told, changed...)
		return nil
	})
	if len(told) > 0 {
		s.cfg.OnInbox(told)
	}
	if err != nil {
		return err
	}
	for _, u := range back {
		at, err := s.readPlace(ctx, u, e.Channel)
		if err == nil {
			err = s.takePlace(ctx, u, e.Channel, at)
		}
		// Gone again: that removal has an effect of its own.
		if err != nil && chat.CodeOf(err) != chat.CodeNotMember {
			return err
		}
	}
	return nil
}

// present reads the version of the member list, and which of the users are on
// it again.
func (e leftEffect) present(ctx context.Context, s *Store) (version int64, back []chat.UserID, err error) {
	p := shard.Of(e.Channel)
	err = s.read(ctx, p, func(ctx context.Context, q querier) error {
		var plain []int64
		err := q.QueryRow(ctx, `SELECT c.member_version, coalesce((SELECT array_agg(m.user_id) FROM data.members m
				WHERE m.partition = $1 AND m.channel_id = $2 AND m.user_id = ANY($3)), '{}')
			FROM data.channels c WHERE c.partition = $1 AND c.channel_id = $2`, p, e.Channel, int64s(e.Users)).Scan(&version, &plain)
		back = idsOf[chat.UserID](plain)
		return err
	})
	return version, back, err
}

// leave empties the entries of those who are not back, as of a version, and
// returns those that changed.
func (e leftEffect) leave(ctx context.Context, tx pgx.Tx, version int64, parts []int32, users, back []int64) ([]chat.InboxNotice, error) {
	if err := lockInboxes(ctx, tx, parts, users); err != nil {
		return nil, err
	}
	// What was counted up to the leaving goes, whatever came later.
	for _, sql := range []string{
		`DELETE FROM data.mentions d USING unnest($1::int[], $2::bigint[]) AS w (partition, user_id)
			WHERE d.partition = w.partition AND d.user_id = w.user_id AND d.channel_id = $3 AND d.seq <= $4`,
		`DELETE FROM data.thread_inbox d USING unnest($1::int[], $2::bigint[]) AS w (partition, user_id)
			WHERE d.partition = w.partition AND d.user_id = w.user_id AND d.channel_id = $3 AND d.last_seq <= $4`,
	} {
		if _, err := tx.Exec(ctx, sql, parts, users, e.Channel, e.Seq); err != nil {
			return nil, err
		}
	}
	rows, err := tx.Query(ctx, `WITH w AS (SELECT * FROM unnest($1::int[], $2::bigint[]) AS w (partition, user_id) WHERE NOT user_id = ANY($6)),
		gone AS (
			INSERT INTO data.inbox AS i (partition, user_id, channel_id, kind, member, member_as_of, pos)
			SELECT partition, user_id, $3, $5, false, $4, t.inbox_pos + 1 FROM w JOIN data.user_state t USING (partition, user_id)
			ON CONFLICT (partition, user_id, channel_id) DO UPDATE SET
				member = false, member_as_of = excluded.member_as_of, pos = excluded.pos, peer_id = 0, name = '',
				last_sender = 0, preview = '', preview_kind = 0, pinned = false, level = 0
			WHERE i.member_as_of < excluded.member_as_of
			RETURNING partition, user_id, pos, kind),
		up AS (
			UPDATE data.user_state t SET inbox_pos = gone.pos FROM gone
			WHERE t.partition = gone.partition AND t.user_id = gone.user_id)
		SELECT user_id, pos, kind FROM gone`, parts, users, e.Channel, version, chat.KindGroup, back)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (chat.InboxNotice, error) {
		n := chat.InboxNotice{Entry: chat.InboxEntry{Channel: e.Channel}}
		err := row.Scan(&n.User, &n.Entry.Pos, &n.Entry.Kind)
		return n, err
	})
}
