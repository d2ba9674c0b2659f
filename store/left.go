package store

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// leftEffect tells the homes of users that they are no longer in a channel as
// of a version of its member list. The entry stays in the inbox, emptied, so
// that their devices learn of it; and as it remembers the version, nothing that
// is older brings the membership back.
type leftEffect struct {
	Channel chat.ChannelID `json:"channel"`
	Version int64          `json:"version"`
	Seq     chat.Seq       `json:"seq"` // of the message that tells of it
	Users   []chat.UserID  `json:"users"`
}

func (leftEffect) kind() string { return "left" }

func (e leftEffect) apply(ctx context.Context, s *Store) error {
	homes := homesOf(e.Users)
	var mu sync.Mutex
	var told []chat.InboxNotice
	err := s.writeEach(ctx, keysOf(homes), func(ctx context.Context, tx pgx.Tx, ps []shard.Partition) error {
		parts, users := homeKeys(homes, ps)
		changed, err := e.leave(ctx, tx, parts, users)
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
	return err
}

// leave empties the entries and returns those that changed.
func (e leftEffect) leave(ctx context.Context, tx pgx.Tx, parts []int32, users []int64) ([]chat.InboxNotice, error) {
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
	rows, err := tx.Query(ctx, `WITH w AS (SELECT * FROM unnest($1::int[], $2::bigint[]) AS w (partition, user_id)),
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
		SELECT user_id, pos, kind FROM gone`, parts, users, e.Channel, e.Version, chat.KindGroup)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (chat.InboxNotice, error) {
		n := chat.InboxNotice{Entry: chat.InboxEntry{Channel: e.Channel}}
		err := row.Scan(&n.User, &n.Entry.Pos, &n.Entry.Kind)
		return n, err
	})
}
