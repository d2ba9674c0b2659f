package store

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// Alter edits, deletes or reacts. All that alters a channel's messages happens
// under the lock of the channel's row, like sending, so alterations have one
// order and changes no gaps. A deletion is final: what comes late finds the
// message deleted.
func (s *Store) Alter(ctx context.Context, a chat.Alteration) (chat.Altered, error) {
	p := shard.Of(a.Channel)
	var out chat.Altered
	err := s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		out = chat.Altered{}
		c, err := s.lockChannel(ctx, tx, a.Channel, a.Actor)
		if err != nil {
			return err
		}
		if c.Role == chat.RoleNone {
			return chat.Errorf(chat.CodeNotMember, notMember)
		}
		out.MemberVersion = c.MemberVersion
		t, err := readTarget(ctx, tx, a)
		if err != nil {
			return err
		}
		change := c.LastChange + 1
		if out.Applied, err = t.alter(ctx, tx, c, a); err != nil {
			return err
		}
		if out.Applied {
			if err := s.noteChange(ctx, tx, a, change); err != nil {
				return err
			}
		}
		got, err := pick(ctx, tx, a.Channel, a.Actor, 1, sqlForward, a.Seq-1, 1)
		if err == nil {
			out.Message = got.messages[0]
		}
		return err
	})
	if err != nil {
		return chat.Altered{}, err
	}
	return out, nil
}

// noteChange gives the altered message and its channel the change's number and
// asks that the members' inboxes follow.
func (s *Store) noteChange(ctx context.Context, tx pgx.Tx, a chat.Alteration, change chat.Change) error {
	_, err := tx.Exec(ctx, `UPDATE data.messages SET change = $4 WHERE partition = $1 AND channel_id = $2 AND seq = $3`,
		shard.Of(a.Channel), a.Channel, a.Seq, change)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE data.channels SET last_change = $3 WHERE partition = $1 AND channel_id = $2`,
		shard.Of(a.Channel), a.Channel, change)
	if err != nil {
		return err
	}
	return s.fanIn(ctx, tx, a.Channel, 0)
}

// target is the message about to be altered.
type target struct {
	sender   chat.UserID
	kind     chat.MessageKind
	body     string
	mentions []int64
	created  time.Time
	deleted  bool
	muzzled  bool // the actor may not write here
}

func readTarget(ctx context.Context, tx pgx.Tx, a chat.Alteration) (target, error) {
	var t target
	err := tx.QueryRow(ctx, `SELECT t.sender_id, t.kind, t.body,
			CASE WHEN t.edited_at IS NULL THEN t.mentions ELSE t.edited_mentions END, t.created_at, t.deleted_at IS NOT NULL, m.muzzled
		FROM data.messages t JOIN data.members m USING (partition, channel_id)
		WHERE t.partition = $1 AND t.channel_id = $2 AND t.seq = $3 AND m.user_id = $4`,
		shard.Of(a.Channel), a.Channel, a.Seq, a.Actor).
		Scan(&t.sender, &t.kind, &t.body, &t.mentions, &t.created, &t.deleted, &t.muzzled)
	return t, orNotFound(err, chat.CodeNotFound, "there is no such message")
}

// alter makes the alteration, if it is allowed and not in force already.
func (t target) alter(ctx context.Context, tx pgx.Tx, c lockedChannel, a chat.Alteration) (applied bool, err error) {
	if t.kind == chat.KindSystem {
		return false, chat.Errorf(chat.CodeForbidden, "system messages stay as they are")
	}
	if a.Kind == chat.AlterDelete {
		return t.erase(ctx, tx, c, a)
	}
	if t.deleted {
		return false, chat.Errorf(chat.CodeDeleted, "this message has been deleted")
	}
	if t.muzzled {
		return false, chat.Errorf(chat.CodeBlocked, "one of you has blocked the other")
	}
	switch a.Kind {
	case chat.AlterEdit:
		return t.edit(ctx, tx, c, a)
	case chat.AlterReact:
		return react(ctx, tx, a)
	case chat.AlterUnreact:
		tag, err := tx.Exec(ctx, `DELETE FROM data.reactions
			WHERE partition = $1 AND channel_id = $2 AND seq = $3 AND emoji = $4 AND user_id = $5`,
			shard.Of(a.Channel), a.Channel, a.Seq, a.Emoji, a.Actor)
		return tag.RowsAffected() > 0, err
	}
	return false, chat.Errorf(chat.CodeBadRequest, "unknown alteration")
}

func (t target) edit(ctx context.Context, tx pgx.Tx, c lockedChannel, a chat.Alteration) (bool, error) {
	if t.sender != a.Actor {
		return false, chat.Errorf(chat.CodeForbidden, "only its sender may edit a message")
	}
	mentions := int64s(a.Mentions)
	if t.body == a.Body && slices.Equal(t.mentions, mentions) {
		return false, nil
	}
	_, err := tx.Exec(ctx, `UPDATE data.messages SET body = $4, edited_mentions = nullif($5::bigint[], '{}'), edited_at = $6
		WHERE partition = $1 AND channel_id = $2 AND seq = $3`,
		shard.Of(a.Channel), a.Channel, a.Seq, a.Body, mentions, c.now)
	return err == nil, err
}

// erase deletes for everyone: the body and the reactions are gone from the
// database; the place in the order stays. Whom it mentioned stays known to the
// store, as deleting changes no count, and is shown to nobody.
func (t target) erase(ctx context.Context, tx pgx.Tx, c lockedChannel, a chat.Alteration) (bool, error) {
	governs := c.Kind == chat.KindGroup && c.Role >= chat.RoleAdmin
	if t.sender != a.Actor && !governs {
		return false, chat.Errorf(chat.CodeForbidden, "only its sender may delete a message")
	}
	if t.deleted {
		return false, nil
	}
	if !governs && a.Now.Sub(t.created) > chat.DeleteWindow {
		return false, chat.Errorf(chat.CodeTooLate, "a message can be deleted for everyone within %.0f hours", chat.DeleteWindow.Hours())
	}
	if _, err := tx.Exec(ctx, `UPDATE data.messages SET body = '', edited_mentions = NULL, edited_at = NULL,
			deleted_at = $4, deleted_by = $5 WHERE partition = $1 AND channel_id = $2 AND seq = $3`,
		shard.Of(a.Channel), a.Channel, a.Seq, c.now, a.Actor); err != nil {
		return false, err
	}
	_, err := tx.Exec(ctx, `DELETE FROM data.reactions WHERE partition = $1 AND channel_id = $2 AND seq = $3`,
		shard.Of(a.Channel), a.Channel, a.Seq)
	return err == nil, err
}

func react(ctx context.Context, tx pgx.Tx, a chat.Alteration) (bool, error) {
	var mine bool
	var others int
	err := tx.QueryRow(ctx, `SELECT coalesce(bool_or(emoji = $4 AND user_id = $5), false),
			count(DISTINCT emoji) FILTER (WHERE emoji <> $4)
		FROM data.reactions WHERE partition = $1 AND channel_id = $2 AND seq = $3`,
		shard.Of(a.Channel), a.Channel, a.Seq, a.Emoji, a.Actor).Scan(&mine, &others)
	if err != nil || mine {
		return false, err
	}
	if others >= chat.MaxReactionKinds {
		return false, chat.Errorf(chat.CodeTooLong, "a message takes at most %d different reactions", chat.MaxReactionKinds)
	}
	_, err = tx.Exec(ctx, `INSERT INTO data.reactions (partition, channel_id, seq, emoji, user_id, created_at)
		VALUES ($1, $2, $3, $4, $5, clock_timestamp())`, shard.Of(a.Channel), a.Channel, a.Seq, a.Emoji, a.Actor)
	return err == nil, err
}
