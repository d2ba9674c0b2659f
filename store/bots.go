package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// botReserve is how long a bot's row at its owner's may be without an account
// before it makes room for another.
const botReserve = time.Minute

// MakeBot makes a bot's account. Its row at the owner's home comes first, so
// that the number of bots is bounded under one lock; what a crash leaves of
// that is found when the bots are listed. The owner is looked at once more
// after the account is made: if they were shut out meanwhile, what ends their
// programs may not have found this one.
func (s *Store) MakeBot(ctx context.Context, a chat.NewAccount, hook chat.ChannelID) (chat.User, chat.LoginID, error) {
	home := shard.OfName(a.LoginName)
	bot := newUserID(s.now(), home)
	var login chat.LoginID
	if !a.NoLogin {
		login = chat.LoginID(newID(s.now()))
	}
	if err := s.reserveBot(ctx, a.BotOf, bot, hook); err != nil {
		return chat.User{}, 0, err
	}
	err := s.write(ctx, home, func(ctx context.Context, tx pgx.Tx) error {
		if err := s.insertAccount(ctx, tx, bot, login, a); err != nil || hook == 0 {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE data.users SET hook_channel = $3 WHERE partition = $1 AND user_id = $2`, home, bot, hook)
		return err
	})
	if err == nil {
		err = s.mayOwnBots(ctx, a.BotOf)
		if chat.CodeOf(err) == chat.CodeForbidden {
			_, _ = s.EndBot(ctx, a.BotOf, bot) // nobody has its token
		}
	}
	if chat.CodeOf(err) == chat.CodeNameTaken {
		_ = s.dropBot(ctx, a.BotOf, bot) // a failure only makes the place free a minute later
	}
	if err != nil {
		return chat.User{}, 0, err
	}
	self, err := s.Self(ctx, bot)
	return self.User, login, err
}

// sqlMayOwnBots reads, and locks where a number is to be bounded, the owner.
const sqlMayOwnBots = `SELECT disabled, bot_of <> 0 FROM data.users WHERE partition = $1 AND user_id = $2`

func scanMayOwnBots(row pgx.Row) error {
	var disabled, bot bool
	err := row.Scan(&disabled, &bot)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || err == nil && disabled:
		return chat.Errorf(chat.CodeForbidden, "this account cannot have programs")
	case err == nil && bot:
		return chat.Errorf(chat.CodeForbidden, "bots make no bots")
	}
	return err
}

func (s *Store) mayOwnBots(ctx context.Context, owner chat.UserID) error {
	return s.read(ctx, shard.Of(owner), func(ctx context.Context, q querier) error {
		return scanMayOwnBots(q.QueryRow(ctx, sqlMayOwnBots, shard.Of(owner), owner))
	})
}

func (s *Store) reserveBot(ctx context.Context, owner, bot chat.UserID, hook chat.ChannelID) error {
	home := shard.Of(owner)
	return s.write(ctx, home, func(ctx context.Context, tx pgx.Tx) error {
		if err := scanMayOwnBots(tx.QueryRow(ctx, sqlMayOwnBots+` FOR NO KEY UPDATE`, home, owner)); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO data.bots (partition, user_id, bot_id, hook_channel, created_at)
			SELECT $1, $2, $3, $4::bigint, $5 WHERE $4::bigint <> 0 OR
				(SELECT count(*) FROM data.bots WHERE partition = $1 AND user_id = $2 AND hook_channel = 0) < $6`,
			home, owner, bot, int64(hook), s.now(), chat.MaxBots)
		if err == nil && tag.RowsAffected() == 0 {
			return chat.Errorf(chat.CodeTooLong, "one person has at most %d bots", chat.MaxBots)
		}
		return err
	})
}

func (s *Store) dropBot(ctx context.Context, owner chat.UserID, bots ...chat.UserID) error {
	home := shard.Of(owner)
	return s.write(ctx, home, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM data.bots WHERE partition = $1 AND user_id = $2 AND bot_id = ANY($3)`, home, owner, int64s(bots))
		return err
	})
}

// botRow is a row of data.bots.
type botRow struct {
	Bot  chat.UserID
	Hook chat.ChannelID
	At   time.Time
}

func (s *Store) botRows(ctx context.Context, owner chat.UserID) ([]botRow, error) {
	var list []botRow
	err := s.read(ctx, shard.Of(owner), func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `SELECT bot_id, hook_channel, created_at FROM data.bots WHERE partition = $1 AND user_id = $2
			ORDER BY created_at, bot_id`, shard.Of(owner), owner)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[botRow])
		return err
	})
	return list, err
}

// Bots lists the bots of a person, hooks' aside, the oldest first. Rows whose
// account was never made are deleted.
func (s *Store) Bots(ctx context.Context, owner chat.UserID) ([]chat.User, error) {
	list, err := s.botRows(ctx, owner)
	if err != nil {
		return nil, err
	}
	var ids, never []chat.UserID
	for _, b := range list {
		if b.Hook == 0 {
			ids = append(ids, b.Bot)
		}
	}
	bots, err := s.Profiles(ctx, ids)
	if err != nil {
		return nil, err
	}
	made := make(map[chat.UserID]bool, len(bots))
	for _, b := range bots {
		made[b.ID] = true
	}
	for _, b := range list {
		if b.Hook == 0 && !made[b.Bot] && s.now().Sub(b.At) > botReserve {
			never = append(never, b.Bot)
		}
	}
	if len(never) > 0 {
		err = s.dropBot(ctx, owner, never...)
	}
	return bots, err
}

// sqlOwnBot finds a bot of an owner that is no hook's.
const sqlOwnBot = `SELECT disabled FROM data.users WHERE partition = $1 AND user_id = $2 AND bot_of = $3 AND hook_channel = 0`

// OwnBot tells whether the bot is the owner's, and no hook's, and the owner may
// have one.
func (s *Store) OwnBot(ctx context.Context, owner, bot chat.UserID) error {
	if err := s.mayOwnBots(ctx, owner); err != nil {
		return err
	}
	return s.read(ctx, shard.Of(bot), func(ctx context.Context, q querier) error {
		var disabled bool
		err := q.QueryRow(ctx, sqlOwnBot, shard.Of(bot), bot, owner).Scan(&disabled)
		return orNotFound(err, chat.CodeNotFound, noSuchBot)
	})
}

const noSuchBot = "you have no such bot"

// RenewBot replaces all logins of a bot by one. The owner is looked at once
// more at the end, as in MakeBot.
func (s *Store) RenewBot(ctx context.Context, owner, bot chat.UserID, tokenHash [32]byte, device string) (chat.LoginID, []chat.LoginID, error) {
	id := chat.LoginID(newID(s.now()))
	var ended []chat.LoginID
	err := s.write(ctx, shard.Of(bot), func(ctx context.Context, tx pgx.Tx) error {
		var disabled bool
		err := tx.QueryRow(ctx, sqlOwnBot+` FOR NO KEY UPDATE`, shard.Of(bot), bot, owner).Scan(&disabled)
		if err != nil {
			return orNotFound(err, chat.CodeNotFound, noSuchBot)
		}
		if disabled {
			return chat.Errorf(chat.CodeForbidden, "this bot has ended")
		}
		if ended, err = endLogins(ctx, tx, bot, 0); err != nil {
			return err
		}
		_, err = insertLogin(ctx, tx, bot, id, tokenHash, device, s.now())
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	if err := s.mayOwnBots(ctx, owner); err != nil {
		return 0, nil, errors.Join(err, s.endTokens(ctx, bot))
	}
	return id, ended, nil
}

// endTokens ends what a bot's owner could act and hear by.
func (s *Store) endTokens(ctx context.Context, bot chat.UserID) error {
	return s.write(ctx, shard.Of(bot), func(ctx context.Context, tx pgx.Tx) error {
		if _, err := endLogins(ctx, tx, bot, 0); err != nil {
			return err
		}
		return dropDevices(ctx, tx, bot, `true`)
	})
}

// EndBot disables a bot for good and gives its place free.
func (s *Store) EndBot(ctx context.Context, owner, bot chat.UserID) ([]chat.LoginID, error) {
	var ended []chat.LoginID
	err := s.write(ctx, shard.Of(bot), func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE data.users SET disabled = true WHERE partition = $1 AND user_id = $2 AND bot_of = $3`,
			shard.Of(bot), bot, owner)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return chat.Errorf(chat.CodeNotFound, noSuchBot)
		}
		if ended, err = endLogins(ctx, tx, bot, 0); err != nil {
			return err
		}
		return dropDevices(ctx, tx, bot, `true`)
	})
	if err != nil {
		return nil, err
	}
	return ended, s.dropBot(ctx, owner, bot)
}

// outEffect ends what someone who was shut out could still do by programs: the
// tokens and outgoing webhooks of their bots, and the webhooks made by them; and if it is a hook's
// account that was shut out, the hook. It does nothing when they are back.
type outEffect struct {
	User chat.UserID `json:"user"`
}

func (outEffect) kind() string { return "out" }

func (e outEffect) apply(ctx context.Context, s *Store) error {
	var out bool
	var hook chat.ChannelID
	err := s.read(ctx, shard.Of(e.User), func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `SELECT disabled, hook_channel FROM data.users WHERE partition = $1 AND user_id = $2`,
			shard.Of(e.User), e.User).Scan(&out, &hook)
	})
	if err != nil || !out {
		return err
	}
	list, err := s.botRows(ctx, e.User)
	if err != nil {
		return err
	}
	if hook != 0 {
		list = append(list, botRow{Bot: e.User, Hook: hook})
	}
	for _, b := range list {
		if b.Hook != 0 {
			err = s.shutHooksOf(ctx, b.Hook, b.Bot)
		} else {
			err = s.endTokens(ctx, b.Bot)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
