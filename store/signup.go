package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

const (
	// firstAccountKey is the row of data.singletons that names the first
	// account. Whoever inserts it is the admin; nobody else ever is by it.
	firstAccountKey = "first_account"
	// reserveLimit is how long a sign-up may hold an invitation before another
	// one may try to take it over.
	reserveLimit = time.Minute
)

// SignUp makes an account: its login name, user row, state and first login in
// one transaction, as all lie in the partition of the login name.
func (s *Store) SignUp(ctx context.Context, a chat.NewAccount) (chat.Self, chat.LoginID, error) {
	founded, err := s.Founded(ctx)
	if err != nil {
		return chat.Self{}, 0, err
	}
	home := shard.OfName(a.LoginName)
	user := newUserID(s.now(), home)
	var login chat.LoginID
	if !a.NoLogin {
		login = chat.LoginID(newID(s.now()))
	}
	if a.Invite != "" {
		if err := s.reserveSignUpInvite(ctx, a.Invite, user); err != nil {
			return chat.Self{}, 0, err
		}
	}
	var owed []effect
	err = s.write(ctx, home, func(ctx context.Context, tx pgx.Tx) error {
		owed = nil
		if err := s.insertAccount(ctx, tx, user, login, a); err != nil || founded {
			return err
		}
		return s.owe(ctx, tx, home, &owed, founderEffect{User: user})
	})
	if err != nil {
		if a.Invite != "" && chat.CodeOf(err) == chat.CodeNameTaken {
			// A failure here only delays the invitation's next use.
			_ = s.releaseSignUpInvite(ctx, a.Invite, user)
		}
		return chat.Self{}, 0, err
	}
	s.carryOut(ctx, owed)
	self, err := s.Self(ctx, user)
	return self, login, err
}

func (s *Store) insertAccount(ctx context.Context, tx pgx.Tx, user chat.UserID, login chat.LoginID, a chat.NewAccount) error {
	home, now := shard.Of(user), s.now()
	tag, err := tx.Exec(ctx, `INSERT INTO data.login_names (partition, name, user_id) VALUES ($1, $2, $3)
		ON CONFLICT DO NOTHING`, home, a.LoginName, user)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return chat.Errorf(chat.CodeNameTaken, "the name %s is taken", a.LoginName)
	}
	if a.Invite != "" {
		if err := settleReservation(ctx, tx, user, "made"); err != nil {
			return err
		}
	}
	// The first colour follows from the id, so that people differ at once.
	_, err = tx.Exec(ctx, `INSERT INTO data.users (partition, user_id, login_name, display_name, search_name, password_hash, avatar_color, lang, created_at, bot_of)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		home, user, a.LoginName, a.DisplayName, searchForm(a.DisplayName), a.PasswordHash, int64(user)%12, a.Lang, now, a.BotOf)
	if err != nil {
		return err
	}
	if _, err = tx.Exec(ctx, `INSERT INTO data.user_state (partition, user_id) VALUES ($1, $2)`, home, user); err != nil {
		return err
	}
	if a.NoLogin {
		return nil
	}
	_, err = insertLogin(ctx, tx, user, login, a.TokenHash, a.DeviceName, now)
	return err
}

// Founded tells whether the first account has been made.
func (s *Store) Founded(ctx context.Context) (bool, error) {
	if s.effects.firstTaken.Load() {
		return true, nil
	}
	p := shard.OfName(firstAccountKey)
	var founded bool
	err := s.read(ctx, p, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM data.singletons WHERE partition = $1 AND key = $2)`,
			p, firstAccountKey).Scan(&founded)
	})
	if err == nil && founded {
		s.effects.firstTaken.Store(true)
	}
	return founded, err
}

// founderEffect makes a user the admin if no account was first before. The
// account owes it in its own transaction, so a crash delays it and loses
// nothing; and as one row decides, one account is the first.
type founderEffect struct {
	User chat.UserID `json:"user"`
}

func (founderEffect) kind() string { return "founder" }

func (e founderEffect) apply(ctx context.Context, s *Store) error {
	p := shard.OfName(firstAccountKey)
	var first string
	err := s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO data.singletons (partition, key, value)
			VALUES ($1, $2, jsonb_build_object('user', $3::text)) ON CONFLICT DO NOTHING`, p, firstAccountKey, e.User.String())
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT value ->> 'user' FROM data.singletons WHERE partition = $1 AND key = $2`,
			p, firstAccountKey).Scan(&first)
	})
	if err != nil {
		return err
	}
	s.effects.firstTaken.Store(true)
	if first != e.User.String() {
		return nil
	}
	return s.write(ctx, shard.Of(e.User), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE data.users SET admin = true WHERE partition = $1 AND user_id = $2`, shard.Of(e.User), e.User)
		return err
	})
}

// Credentials finds an account by its canonical login name. Names match byte
// for byte.
func (s *Store) Credentials(ctx context.Context, loginName string) (chat.Credentials, error) {
	// The name and its user share a partition.
	p := shard.OfName(loginName)
	return s.credentials(ctx, p, `SELECT u.user_id, u.password_hash, u.disabled
		FROM data.login_names n JOIN data.users u USING (partition, user_id)
		WHERE n.partition = $1 AND n.name = $2`, loginName)
}

// CredentialsByID finds an account by its id.
func (s *Store) CredentialsByID(ctx context.Context, user chat.UserID) (chat.Credentials, error) {
	return s.credentials(ctx, shard.Of(user), `SELECT user_id, password_hash, disabled FROM data.users
		WHERE partition = $1 AND user_id = $2`, user)
}

func (s *Store) credentials(ctx context.Context, p shard.Partition, sql string, key any) (chat.Credentials, error) {
	var c chat.Credentials
	err := s.read(ctx, p, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, sql, p, key).Scan(&c.User, &c.PasswordHash, &c.Disabled)
		return orNotFound(err, chat.CodeNotFound, "there is no such user")
	})
	return c, err
}

// SetPassword replaces the hash and ends all logins but keep, whose ids it
// returns.
func (s *Store) SetPassword(ctx context.Context, user chat.UserID, hash string, keep chat.LoginID) ([]chat.LoginID, error) {
	var ended []chat.LoginID
	err := s.write(ctx, shard.Of(user), func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE data.users SET password_hash = $3 WHERE partition = $1 AND user_id = $2`,
			shard.Of(user), user, hash)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return chat.Errorf(chat.CodeNotFound, "there is no such user")
		}
		ended, err = endLogins(ctx, tx, user, keep)
		return err
	})
	return ended, err
}
