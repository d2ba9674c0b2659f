package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// lockedChannel is a channel's row under its lock, in a transaction that will
// change it: no message and no member comes or goes meanwhile.
type lockedChannel struct {
	chat.Channel
	actor chat.UserID // whose role Channel.Role is
	now   time.Time
}

// lockChannel locks a channel's row and reads the actor's role. CodeNotFound if
// there is no such channel; a role of RoleNone is the caller's to judge.
func (s *Store) lockChannel(ctx context.Context, tx pgx.Tx, id chat.ChannelID, actor chat.UserID) (lockedChannel, error) {
	c := lockedChannel{Channel: chat.Channel{ID: id}, actor: actor, now: s.now()}
	var created time.Time
	err := tx.QueryRow(ctx, `SELECT kind, name, created_at, last_seq, last_count, last_change, member_count, member_limit, member_version
		FROM data.channels WHERE partition = $1 AND channel_id = $2 FOR UPDATE`, shard.Of(id), id).
		Scan(&c.Kind, &c.Name, &created, &c.LastSeq, &c.LastCount, &c.LastChange, &c.MemberCount, &c.MemberLimit, &c.MemberVersion)
	if err != nil {
		return c, orNotFound(err, chat.CodeNotMember, notMember)
	}
	c.CreatedAt = chat.MillisOf(created)
	// A statement of its own, so that it sees what was committed before the lock.
	c.Role, err = roleOf(ctx, tx, id, actor)
	return c, err
}

// roleOf reads a user's role, RoleNone if not a member.
func roleOf(ctx context.Context, tx pgx.Tx, id chat.ChannelID, user chat.UserID) (chat.Role, error) {
	roles, err := rolesOf(ctx, tx, id, user)
	return roles[user], err
}

func rolesOf(ctx context.Context, tx pgx.Tx, id chat.ChannelID, users ...chat.UserID) (map[chat.UserID]chat.Role, error) {
	rows, err := tx.Query(ctx, `SELECT user_id, role FROM data.members
		WHERE partition = $1 AND channel_id = $2 AND user_id = ANY($3)`, shard.Of(id), id, int64s(users))
	if err != nil {
		return nil, err
	}
	roles := map[chat.UserID]chat.Role{}
	var user chat.UserID
	var role chat.Role
	_, err = pgx.ForEachRow(rows, []any{&user, &role}, func() error {
		roles[user] = role
		return nil
	})
	return roles, err
}

// say stores a system message as the channel's next, and whatever the caller
// has changed in c, and asks for the fan-out. System messages have a seq but do
// not count as unread.
func (s *Store) say(ctx context.Context, tx pgx.Tx, c *lockedChannel, sys chat.System) (*chat.Message, error) {
	c.LastSeq++
	m := &chat.Message{
		Channel: c.ID, Seq: c.LastSeq, Count: c.LastCount, Sender: sys.Actor, ClientMsgID: newMsgID(c.now),
		Kind: chat.KindSystem, At: chat.MillisOf(c.now), System: &sys,
	}
	content, err := json.Marshal(sys)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO data.messages (partition, channel_id, seq, count, sender_id, client_msg_id, digest, kind, body, created_at, system)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, '', $8, $9)`,
		shard.Of(c.ID), c.ID, m.Seq, m.Count, m.Sender, [16]byte(m.ClientMsgID), m.Kind, c.now, content)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `UPDATE data.channels SET name = $3, member_count = $4, member_limit = $5, member_version = $6,
			last_seq = $7, last_at = $8 WHERE partition = $1 AND channel_id = $2`,
		shard.Of(c.ID), c.ID, c.Name, c.MemberCount, c.MemberLimit, c.MemberVersion, c.LastSeq, c.now)
	if err != nil {
		return nil, err
	}
	return m, s.fanIn(ctx, tx, c.ID, m.Seq)
}
