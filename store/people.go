package store

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"gori/chat"
	"gori/shard"
)

// userColumns are what scanUser reads of other people, from data.users u.
// selfColumns, from data.user_state t as well, are for the user alone: when
// someone was last active is presence's to tell, which knows who may hear it.
const (
	userColumns = namedColumns + `, NULL::timestamptz`
	selfColumns = namedColumns + `, t.last_active_at`
)

const namedColumns = `u.user_id, u.login_name, u.display_name, u.avatar_color, u.avatar_version,
	u.status_line, u.disabled, u.bot_of <> 0`

const userTables = `data.users u LEFT JOIN data.user_state t USING (partition, user_id)`

func userFields(u *chat.User, active **time.Time) []any {
	return []any{&u.ID, &u.LoginName, &u.DisplayName, &u.AvatarColor, &u.AvatarVersion,
		&u.StatusLine, &u.Disabled, &u.Bot, active}
}

func scanUser(row pgx.CollectableRow) (chat.User, error) {
	var u chat.User
	var active *time.Time
	err := row.Scan(userFields(&u, &active)...)
	u.LastActiveAt = millisOf(active)
	return u, err
}

// millisOf converts a time that may be null.
func millisOf(t *time.Time) chat.Millis {
	if t == nil {
		return 0
	}
	return chat.MillisOf(*t)
}

// searchForm is how names are compared by search: NFC, lower case.
func searchForm(name string) string { return strings.ToLower(norm.NFC.String(name)) }

// Self reads an account for its owner.
func (s *Store) Self(ctx context.Context, user chat.UserID) (chat.Self, error) {
	var self chat.Self
	err := s.read(ctx, shard.Of(user), func(ctx context.Context, q querier) error {
		return readSelf(ctx, q, user, &self)
	})
	return self, err
}

const sqlSelf = `SELECT ` + selfColumns + `, u.admin, u.lang, u.presence_to FROM ` + userTables + `
	WHERE u.partition = $1 AND u.user_id = $2`

func readSelf(ctx context.Context, q querier, user chat.UserID, self *chat.Self) error {
	return scanSelf(q.QueryRow(ctx, sqlSelf, shard.Of(user), user), self)
}

func scanSelf(row pgx.Row, self *chat.Self) error {
	var active *time.Time
	err := row.Scan(append(userFields(&self.User, &active), &self.Admin, &self.Lang, &self.PresenceTo)...)
	self.LastActiveAt = millisOf(active)
	return orNotFound(err, chat.CodeNotFound, "there is no such user")
}

// Profiles reads users, each shard's in one query and all shards at once.
// Unknown ids are left out; the order is that of ids. When some shards fail it
// returns what the others know, with the error.
func (s *Store) Profiles(ctx context.Context, ids []chat.UserID) ([]chat.User, error) {
	if len(ids) > chat.MaxProfilesPerCall {
		return nil, chat.Errorf(chat.CodeTooLong, "at most %d profiles in one call", chat.MaxProfilesPerCall)
	}
	rows, err := readUsers(ctx, s, ids, func(ctx context.Context, q querier, parts []int32, ids []int64) ([]chat.User, error) {
		rows, err := q.Query(ctx, `SELECT `+userColumns+` FROM unnest($1::int[], $2::bigint[]) AS want (partition, user_id)
			JOIN data.users u USING (partition, user_id)`, parts, ids)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, scanUser)
	})
	byID := make(map[chat.UserID]chat.User, len(rows))
	for _, u := range rows {
		byID[u.ID] = u
	}
	found := make([]chat.User, 0, len(byID))
	for _, id := range ids {
		if u, ok := byID[id]; ok {
			found = append(found, u)
			delete(byID, id) // an id asked for twice is answered once
		}
	}
	return found, err
}

// EditProfile changes what the edit names.
func (s *Store) EditProfile(ctx context.Context, user chat.UserID, e chat.ProfileEdit) (chat.Self, error) {
	var self chat.Self
	var search *string
	if e.DisplayName != nil {
		form := searchForm(*e.DisplayName)
		search = &form
	}
	err := s.write(ctx, shard.Of(user), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE data.users SET
				display_name = coalesce($3, display_name), search_name = coalesce($4, search_name),
				status_line = coalesce($5, status_line), avatar_color = coalesce($6, avatar_color),
				lang = coalesce($7, lang), presence_to = coalesce($8, presence_to)
			WHERE partition = $1 AND user_id = $2`,
			shard.Of(user), user, e.DisplayName, search, e.StatusLine, e.AvatarColor, e.Lang, e.PresenceTo)
		if err != nil {
			return err
		}
		return readSelf(ctx, tx, user, &self)
	})
	return self, err
}

// SetDisabled shuts an account out or lets it back in. Shutting out ends all
// logins, whose ids it returns, and what the user's programs may do.
func (s *Store) SetDisabled(ctx context.Context, user chat.UserID, disabled bool) ([]chat.LoginID, error) {
	var ended []chat.LoginID
	var owed []effect
	err := s.write(ctx, shard.Of(user), func(ctx context.Context, tx pgx.Tx) error {
		ended, owed = nil, nil
		tag, err := tx.Exec(ctx, `UPDATE data.users SET disabled = $3 WHERE partition = $1 AND user_id = $2`,
			shard.Of(user), user, disabled)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return chat.Errorf(chat.CodeNotFound, "there is no such user")
		}
		if !disabled {
			return nil
		}
		if ended, err = endLogins(ctx, tx, user, 0); err != nil {
			return err
		}
		return s.owe(ctx, tx, shard.Of(user), &owed, outEffect{User: user})
	})
	if err != nil {
		return nil, err
	}
	s.carryOut(ctx, owed)
	return ended, nil
}
