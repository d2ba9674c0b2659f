package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/presence"
	"gori/shard"
)

var (
	_ presence.Beats = (*Store)(nil)
	_ chat.Shy       = (*Store)(nil)
)

// sqlSeen selects whether viewer $3 may see user u, whose row about the viewer
// is f: the user, unless blocked everyone or friends, as the user has chosen.
// Who is a friend is as in pair.state.
const sqlSeen = `u.user_id = $3 OR coalesce(f.mine, 0) <> 2 AND (u.presence_to = 0 OR u.presence_to = 1
	AND f.mine = 1 AND f.mine_version > f.their_refused AND f.theirs = 1 AND f.their_version > f.refused)`

// LastActive reads when users were last active, of those whom the viewer may
// see; zero: never. Those whose shard did not answer are left out, together
// with an error.
func (s *Store) LastActive(ctx context.Context, viewer chat.UserID, ids []chat.UserID) (map[chat.UserID]chat.Millis, error) {
	type seen struct {
		User chat.UserID
		At   *time.Time
	}
	rows, err := readUsers(ctx, s, ids, func(ctx context.Context, q querier, parts []int32, ids []int64) ([]seen, error) {
		rows, err := q.Query(ctx, `SELECT u.user_id, t.last_active_at FROM unnest($1::int[], $2::bigint[]) AS want (partition, user_id)
			JOIN data.users u USING (partition, user_id)
			LEFT JOIN data.user_state t USING (partition, user_id)
			LEFT JOIN data.friends f ON f.partition = u.partition AND f.user_id = u.user_id AND f.other_id = $3
			WHERE `+sqlSeen, parts, ids, viewer)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowToStructByPos[seen])
	})
	at := make(map[chat.UserID]chat.Millis, len(rows))
	for _, r := range rows {
		at[r.User] = millisOf(r.At)
	}
	return at, err
}

// SeenBy reads who may see users. Those whose shard did not answer are left
// out, together with an error.
func (s *Store) SeenBy(ctx context.Context, ids []chat.UserID) (map[chat.UserID]chat.PresenceTo, error) {
	type choice struct {
		User chat.UserID
		To   int16
	}
	rows, err := readUsers(ctx, s, ids, func(ctx context.Context, q querier, parts []int32, ids []int64) ([]choice, error) {
		rows, err := q.Query(ctx, `SELECT u.user_id, u.presence_to FROM unnest($1::int[], $2::bigint[]) AS want (partition, user_id)
			JOIN data.users u USING (partition, user_id)`, parts, ids)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowToStructByPos[choice])
	})
	to := make(map[chat.UserID]chat.PresenceTo, len(rows))
	for _, r := range rows {
		to[r.User] = chat.PresenceTo(r.To)
	}
	return to, err
}

// HidingFrom lists those who have blocked a user, as far as the user's home has
// heard.
func (s *Store) HidingFrom(ctx context.Context, user chat.UserID) (ids []chat.UserID, err error) {
	err = s.read(ctx, shard.Of(user), func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `SELECT other_id FROM data.friends
			WHERE partition = $1 AND user_id = $2 AND theirs = $3`, shard.Of(user), user, wantsBlocked)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[chat.UserID])
		return err
	})
	return ids, err
}

// SaveActive writes when users were last active, each shard's in one
// transaction. A time never goes back, and a node whose clock is ahead writes no
// time that has not come. A shard that is down does not keep the
// others from being written; the error then tells of it.
func (s *Store) SaveActive(ctx context.Context, at map[chat.UserID]chat.Millis) error {
	if len(at) == 0 {
		return nil
	}
	homes := homesOf(keysOf(at))
	groups, lost := s.byShard(keysOf(homes))
	var unknown error
	if lost > 0 {
		s.requestRefresh()
		unknown = chat.Retryable(chat.CodeShardDown, 0, nil, "the owner of %d partitions is not known for the moment", lost)
	}
	return errors.Join(unknown, s.writeEach(ctx, slices.Concat(groups...), func(ctx context.Context, tx pgx.Tx, ps []shard.Partition) error {
		parts, users := homeKeys(homes, ps)
		times := make([]time.Time, len(users))
		for i, u := range users {
			times[i] = at[chat.UserID(u)].Time()
		}
		// Rows are locked in the order in which inboxes lock them, so that
		// neither waits for the other in a circle.
		_, err := tx.Exec(ctx, `WITH due AS MATERIALIZED (
				SELECT t.partition, t.user_id, least(w.at, clock_timestamp()) AS at
				FROM unnest($1::int[], $2::bigint[], $3::timestamptz[]) AS w (partition, user_id, at)
				JOIN data.user_state t USING (partition, user_id)
				WHERE t.last_active_at IS NULL OR t.last_active_at < w.at
				ORDER BY t.partition, t.user_id FOR NO KEY UPDATE OF t)
			UPDATE data.user_state t SET last_active_at = greatest(t.last_active_at, due.at)
			FROM due WHERE t.partition = due.partition AND t.user_id = due.user_id`, parts, users, times)
		return err
	}))
}
