package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// loginIdleLimit is how long a login lives unused.
const loginIdleLimit = 90 * 24 * time.Hour

// CreateLogin adds a login. Beyond chat.MaxLoginsPerUser the one that was used
// longest ago ends; it is returned.
func (s *Store) CreateLogin(ctx context.Context, user chat.UserID, tokenHash [32]byte, device string) (chat.LoginID, []chat.LoginID, error) {
	id := chat.LoginID(newID(s.now()))
	var ended []chat.LoginID
	err := s.write(ctx, shard.Of(user), func(ctx context.Context, tx pgx.Tx) error {
		var disabled bool
		// The lock makes the limit hold for logins made at once.
		err := tx.QueryRow(ctx, `SELECT disabled FROM data.users
			WHERE partition = $1 AND user_id = $2 FOR NO KEY UPDATE`, shard.Of(user), user).Scan(&disabled)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && disabled {
			return chat.Errorf(chat.CodeUnauthenticated, "this account cannot log in")
		}
		if err != nil {
			return err
		}
		ended, err = insertLogin(ctx, tx, user, id, tokenHash, device, s.now())
		return err
	})
	return id, ended, err
}

// insertLogin returns those that made room.
func insertLogin(ctx context.Context, tx pgx.Tx, user chat.UserID, id chat.LoginID, tokenHash [32]byte, device string, now time.Time) ([]chat.LoginID, error) {
	_, err := tx.Exec(ctx, `INSERT INTO data.logins (partition, user_id, login_id, token_hash, device_name, created_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $6)`, shard.Of(user), user, id, tokenHash[:], device, now)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `DELETE FROM data.logins WHERE partition = $1 AND user_id = $2 AND login_id IN
		(SELECT login_id FROM data.logins WHERE partition = $1 AND user_id = $2 AND login_id <> $3
			ORDER BY last_used_at DESC, login_id DESC OFFSET $4) RETURNING login_id`,
		shard.Of(user), user, id, chat.MaxLoginsPerUser-1)
	if err != nil {
		return nil, err
	}
	ended, err := pgx.CollectRows(rows, pgx.RowTo[chat.LoginID])
	if err != nil {
		return nil, err
	}
	return ended, loginsEnded(ctx, tx, user, ended)
}

// Authenticate finds the login that a token belongs to: one indexed query, one
// round trip, on the user's home shard.
func (s *Store) Authenticate(ctx context.Context, user chat.UserID, tokenHash [32]byte) (chat.Identity, error) {
	id := chat.Identity{User: user}
	err := s.readCrowd(ctx, shard.Of(user), func(ctx context.Context, q querier) error {
		b := &pgx.Batch{}
		b.Queue(`SELECT l.login_id, u.admin FROM data.logins l JOIN data.users u USING (partition, user_id)
			WHERE l.partition = $1 AND l.user_id = $2 AND l.token_hash = $3 AND l.last_used_at > $4 AND NOT u.disabled`,
			shard.Of(user), user, tokenHash[:], s.now().Add(-loginIdleLimit))
		res := q.SendBatch(ctx, b)
		defer res.Close()
		err := res.QueryRow().Scan(&id.Login, &id.Admin)
		return orNotFound(err, chat.CodeUnauthenticated, "log in first")
	})
	if err != nil {
		return chat.Identity{}, err
	}
	return id, nil
}

// Logins lists the logins that still hold, the last used first.
func (s *Store) Logins(ctx context.Context, user chat.UserID) ([]chat.Login, error) {
	var logins []chat.Login
	err := s.read(ctx, shard.Of(user), func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `SELECT login_id, device_name, created_at, last_used_at FROM data.logins
			WHERE partition = $1 AND user_id = $2 AND last_used_at > $3 ORDER BY last_used_at DESC, login_id DESC`,
			shard.Of(user), user, s.now().Add(-loginIdleLimit))
		if err != nil {
			return err
		}
		logins, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (chat.Login, error) {
			var l chat.Login
			var created, used time.Time
			err := row.Scan(&l.ID, &l.DeviceName, &created, &used)
			l.CreatedAt, l.LastUsedAt = chat.MillisOf(created), chat.MillisOf(used)
			return l, err
		})
		return err
	})
	return logins, err
}

// RevokeLogins ends logins; unknown ones are ignored.
func (s *Store) RevokeLogins(ctx context.Context, user chat.UserID, ids ...chat.LoginID) error {
	if len(ids) == 0 {
		return nil
	}
	return s.write(ctx, shard.Of(user), func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `DELETE FROM data.logins WHERE partition = $1 AND user_id = $2 AND login_id = ANY($3)
			RETURNING login_id`, shard.Of(user), user, int64s(ids))
		if err != nil {
			return err
		}
		ended, err := pgx.CollectRows(rows, pgx.RowTo[chat.LoginID])
		if err != nil {
			return err
		}
		return loginsEnded(ctx, tx, user, ended)
	})
}

// endLogins ends all logins of a user but keep (0: none is kept), in a
// transaction on the home shard.
func endLogins(ctx context.Context, tx pgx.Tx, user chat.UserID, keep chat.LoginID) ([]chat.LoginID, error) {
	rows, err := tx.Query(ctx, `DELETE FROM data.logins WHERE partition = $1 AND user_id = $2 AND login_id <> $3
		RETURNING login_id`, shard.Of(user), user, keep)
	if err != nil {
		return nil, err
	}
	ended, err := pgx.CollectRows(rows, pgx.RowTo[chat.LoginID])
	if err != nil {
		return nil, err
	}
	return ended, loginsEnded(ctx, tx, user, ended)
}

// TouchLogins writes when logins were last used. A time never goes back.
func (s *Store) TouchLogins(ctx context.Context, used map[chat.Identity]time.Time) error {
	type touch struct {
		id chat.Identity
		at time.Time
	}
	byHome := map[shard.Partition][]touch{}
	for id, at := range used {
		p := shard.Of(id.User)
		byHome[p] = append(byHome[p], touch{id, at})
	}
	return s.writeEach(ctx, keysOf(byHome), func(ctx context.Context, tx pgx.Tx, parts []shard.Partition) error {
		var ps []int32
		var users, logins []int64
		var times []time.Time
		for _, p := range parts {
			for _, t := range byHome[p] {
				ps, users = append(ps, int32(p)), append(users, int64(t.id.User))
				logins, times = append(logins, int64(t.id.Login)), append(times, t.at)
			}
		}
		_, err := tx.Exec(ctx, `UPDATE data.logins l SET last_used_at = w.at
			FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::timestamptz[]) AS w (partition, user_id, login_id, at)
			WHERE l.partition = w.partition AND l.user_id = w.user_id AND l.login_id = w.login_id AND l.last_used_at < w.at`,
			ps, users, logins, times)
		return err
	})
}
