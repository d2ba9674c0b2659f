package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// SetAvatar keeps a profile picture and returns its version, which differs from
// that of every earlier picture; nil removes the picture and gives version 0.
func (s *Store) SetAvatar(ctx context.Context, user chat.UserID, png []byte) (int64, error) {
	home := shard.Of(user)
	var version int64
	err := s.write(ctx, home, func(ctx context.Context, tx pgx.Tx) error {
		// The clock makes versions differ across a removal, which leaves none behind.
		err := tx.QueryRow(ctx, `UPDATE data.users SET
				avatar_version = CASE WHEN $3 THEN 0 ELSE greatest(avatar_version + 1, $4) END
			WHERE partition = $1 AND user_id = $2 RETURNING avatar_version`,
			home, user, png == nil, s.now().UnixMilli()).Scan(&version)
		if err != nil {
			return orNotFound(err, chat.CodeNotFound, "there is no such user")
		}
		if png == nil {
			_, err = tx.Exec(ctx, `DELETE FROM data.avatars WHERE partition = $1 AND user_id = $2`, home, user)
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO data.avatars (partition, user_id, version, png) VALUES ($1, $2, $3, $4)
			ON CONFLICT (partition, user_id) DO UPDATE SET version = excluded.version, png = excluded.png`,
			home, user, version, png)
		return err
	})
	return version, err
}

// Avatar reads a profile picture. CodeNotFound if there is none.
func (s *Store) Avatar(ctx context.Context, user chat.UserID) ([]byte, int64, error) {
	var png []byte
	var version int64
	err := s.read(ctx, shard.Of(user), func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `SELECT png, version FROM data.avatars WHERE partition = $1 AND user_id = $2`,
			shard.Of(user), user).Scan(&png, &version)
		return orNotFound(err, chat.CodeNotFound, "this user has no picture")
	})
	return png, version, err
}
