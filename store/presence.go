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

var _ presence.Beats = (*Store)(nil)

// LastActive reads when users were last active. Those who never were are left
// out, and those whose shard did not answer, together with an error.
func (s *Store) LastActive(ctx context.Context, ids []chat.UserID) (map[chat.UserID]chat.Millis, error) {
	type seen struct {
		User chat.UserID
		At   time.Time
	}
	rows, err := readUsers(ctx, s, ids, func(ctx context.Context, q querier, parts []int32, ids []int64) ([]seen, error) {
		rows, err := q.Query(ctx, `SELECT t.user_id, t.last_active_at FROM unnest($1::int[], $2::bigint[]) AS want (partition, user_id)
			JOIN data.user_state t USING (partition, user_id) WHERE t.last_active_at IS NOT NULL`, parts, ids)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowToStructByPos[seen])
	})
	at := make(map[chat.UserID]chat.Millis, len(rows))
	for _, r := range rows {
		at[r.User] = chat.MillisOf(r.At)
	}
	return at, err
}

// SaveActive writes when users were last active, each shard's in one
// transaction. A time never goes back. A shard that is down does not keep the
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
				SELECT t.partition, t.user_id, w.at
				FROM unnest($1::int[], $2::bigint[], $3::timestamptz[]) AS w (partition, user_id, at)
				JOIN data.user_state t USING (partition, user_id)
				WHERE t.last_active_at IS NULL OR t.last_active_at < w.at
				ORDER BY t.partition, t.user_id FOR NO KEY UPDATE OF t)
			UPDATE data.user_state t SET last_active_at = greatest(t.last_active_at, due.at)
			FROM due WHERE t.partition = due.partition AND t.user_id = due.user_id`, parts, users, times)
		return err
	}))
}
