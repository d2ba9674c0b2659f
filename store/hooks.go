package store

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

const hookColumns = `hook_id, name, bot_id, created_by, created_at`

func scanHook(row pgx.Row, h *chat.Hook) error {
	var at time.Time
	err := row.Scan(&h.ID, &h.Name, &h.Bot, &h.CreatedBy, &at)
	h.CreatedAt = chat.MillisOf(at)
	return err
}

// CreateHook keeps an incoming webhook of a group.
func (s *Store) CreateHook(ctx context.Context, actor chat.UserID, h chat.Hook, tokenHash [32]byte) (chat.Hook, error) {
	now := s.now()
	h.ID, h.CreatedAt = chat.HookID(newID(now)), chat.MillisOf(now)
	err := s.governInvites(ctx, actor, h.Channel, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `INSERT INTO data.hooks (partition, channel_id, token_hash, `+hookColumns+`)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8
			WHERE (SELECT count(*) FROM data.hooks WHERE partition = $1 AND channel_id = $2 AND token_hash <> '') < $9`,
			shard.Of(h.Channel), h.Channel, tokenHash[:], h.ID, h.Name, h.Bot, h.CreatedBy, now, chat.MaxHooks)
		if err == nil && tag.RowsAffected() == 0 {
			return chat.Errorf(chat.CodeTooLong, "a channel has at most %d incoming webhooks", chat.MaxHooks)
		}
		return err
	})
	if err != nil {
		return chat.Hook{}, err
	}
	return h, nil
}

// Hooks lists a group's incoming webhooks for an admin.
func (s *Store) Hooks(ctx context.Context, actor chat.UserID, id chat.ChannelID) ([]chat.Hook, error) {
	hooks := []chat.Hook{}
	err := s.read(ctx, shard.Of(id), func(ctx context.Context, q querier) error {
		var c chat.Channel
		if err := readChannel(ctx, q, actor, id, &c); err != nil {
			return err
		}
		if c.Role < chat.RoleAdmin {
			return chat.Errorf(chat.CodeForbidden, "your role in this group does not allow that")
		}
		// The role once more, in the statement that reads.
		rows, err := q.Query(ctx, `SELECT `+hookColumns+` FROM data.hooks
			WHERE partition = $1 AND channel_id = $2 AND token_hash <> '' AND EXISTS
				(SELECT FROM data.members m WHERE m.partition = $1 AND m.channel_id = $2 AND m.user_id = $3 AND m.role >= $4)
			ORDER BY hook_id`, shard.Of(id), id, actor, chat.RoleAdmin)
		if err != nil {
			return err
		}
		hooks, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (chat.Hook, error) {
			h := chat.Hook{Channel: id}
			return h, scanHook(row, &h)
		})
		return err
	})
	return hooks, err
}

// ShutHook makes a hook's token worthless.
func (s *Store) ShutHook(ctx context.Context, actor chat.UserID, id chat.ChannelID, hook chat.HookID) (chat.Hook, error) {
	h := chat.Hook{Channel: id}
	err := s.governInvites(ctx, actor, id, func(ctx context.Context, tx pgx.Tx) error {
		err := scanHook(tx.QueryRow(ctx, `UPDATE data.hooks SET token_hash = '' WHERE partition = $1 AND channel_id = $2 AND hook_id = $3
			RETURNING `+hookColumns, shard.Of(id), id, hook), &h)
		return orNotFound(err, chat.CodeNotFound, noSuchHook)
	})
	return h, err
}

const noSuchHook = "there is no such hook"

// shutHooksOf makes the token of a hook that speaks by an account worthless.
func (s *Store) shutHooksOf(ctx context.Context, id chat.ChannelID, bot chat.UserID) error {
	return s.write(ctx, shard.Of(id), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE data.hooks SET token_hash = '' WHERE partition = $1 AND channel_id = $2 AND bot_id = $3`,
			shard.Of(id), id, bot)
		return err
	})
}

// DropHook forgets a hook.
func (s *Store) DropHook(ctx context.Context, id chat.ChannelID, hook chat.HookID) error {
	return s.write(ctx, shard.Of(id), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM data.hooks WHERE partition = $1 AND channel_id = $2 AND hook_id = $3`, shard.Of(id), id, hook)
		return err
	})
}

// HookByToken finds a hook by its token. All of the channel's are compared, so
// the time it takes tells nothing.
func (s *Store) HookByToken(ctx context.Context, id chat.ChannelID, tokenHash [32]byte) (chat.Hook, error) {
	var found chat.Hook
	err := s.read(ctx, shard.Of(id), func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `SELECT `+hookColumns+`, token_hash FROM data.hooks
			WHERE partition = $1 AND channel_id = $2 AND token_hash <> ''`, shard.Of(id), id)
		if err != nil {
			return err
		}
		h := chat.Hook{Channel: id}
		var at time.Time
		var hash []byte
		_, err = pgx.ForEachRow(rows, []any{&h.ID, &h.Name, &h.Bot, &h.CreatedBy, &at, &hash}, func() error {
			if subtle.ConstantTimeCompare(hash, tokenHash[:]) == 1 {
				found = h
				found.CreatedAt = chat.MillisOf(at)
			}
			return nil
		})
		return err
	})
	if err == nil && found.ID == 0 {
		err = chat.Errorf(chat.CodeNotFound, noSuchHook)
	}
	return found, err
}
