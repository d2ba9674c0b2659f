package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// InboxPositions reads the last Pos of many users, each shard's in one query;
// see chat.Positions.
func (s *Store) InboxPositions(ctx context.Context, users []chat.UserID) (map[chat.UserID]chat.Pos, error) {
	type position struct {
		User chat.UserID
		Pos  chat.Pos
	}
	rows, err := readUsers(ctx, s, users, func(ctx context.Context, q querier, parts []int32, ids []int64) ([]position, error) {
		rows, err := q.Query(ctx, `SELECT t.user_id, t.inbox_pos FROM unnest($1::int[], $2::bigint[]) AS want (partition, user_id)
			JOIN data.user_state t USING (partition, user_id)`, parts, ids)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowToStructByPos[position])
	})
	at := make(map[chat.UserID]chat.Pos, len(rows))
	for _, r := range rows {
		at[r.User] = max(at[r.User], r.Pos)
	}
	return at, err
}

// advance moves a user's position for a change of which no entry tells, such as
// that of a friend: a node whose sessions were not told finds them behind.
func advance(ctx context.Context, tx pgx.Tx, user chat.UserID) error {
	_, err := tx.Exec(ctx, `UPDATE data.user_state SET inbox_pos = inbox_pos + 1 WHERE partition = $1 AND user_id = $2`, shard.Of(user), user)
	return err
}
