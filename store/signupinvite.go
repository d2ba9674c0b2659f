package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// A sign-up invitation lies in the partition of its hash, the account in that
// of its name. So it is used in two steps: reserved for the account's id, then
// the account is made. A sign-up that dies in between leaves a reservation,
// which another one may take over after reserveLimit; which of the two wins is
// settled by one row at the home of the reserved account, inserted by both: by
// the account's own transaction as "made", by the take-over as "void".

func signUpInviteKey(code string) (hash []byte, p shard.Partition) {
	sum := sha256.Sum256([]byte(code))
	return sum[:], shard.OfBytes(sum[:])
}

// CreateSignUpInvite makes a single-use invitation; only its hash is kept.
func (s *Store) CreateSignUpInvite(ctx context.Context, actor chat.UserID, code string, expires time.Time) error {
	hash, p := signUpInviteKey(code)
	return s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO data.signup_invites (partition, code_hash, created_by, expires_at)
			VALUES ($1, $2, $3, $4)`, p, hash, actor, expires)
		return err
	})
}

func (s *Store) reserveSignUpInvite(ctx context.Context, code string, user chat.UserID) error {
	hash, p := signUpInviteKey(code)
	invalid := chat.Errorf(chat.CodeInviteInvalid, "this invitation is used, expired or unknown")
	var holder *chat.UserID
	var since *time.Time
	err := s.read(ctx, p, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `SELECT used_by, used_at FROM data.signup_invites
			WHERE partition = $1 AND code_hash = $2 AND expires_at > $3`, p, hash, s.now()).Scan(&holder, &since)
		return orNotFound(err, chat.CodeInviteInvalid, invalid.Message)
	})
	if err != nil {
		return err
	}
	if holder != nil {
		if since == nil || s.now().Sub(*since) < reserveLimit {
			return invalid
		}
		if err := s.voidReservation(ctx, *holder); err != nil {
			return err
		}
	}
	return s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE data.signup_invites SET used_by = $3, used_at = $4
			WHERE partition = $1 AND code_hash = $2 AND expires_at > $4 AND used_by IS NOT DISTINCT FROM $5`,
			p, hash, user, s.now(), holder)
		if err == nil && tag.RowsAffected() == 0 {
			return invalid
		}
		return err
	})
}

// voidReservation makes sure that the account for which an invitation was
// reserved will never be made. CodeInviteInvalid if it was.
func (s *Store) voidReservation(ctx context.Context, holder chat.UserID) error {
	return s.write(ctx, shard.Of(holder), func(ctx context.Context, tx pgx.Tx) error {
		return settleReservation(ctx, tx, holder, "void")
	})
}

// settleReservation inserts the row that decides what becomes of a reserved
// invitation. The first one decides.
func settleReservation(ctx context.Context, tx pgx.Tx, user chat.UserID, as string) error {
	key := fmt.Sprintf("signup_invite:%d", user)
	_, err := tx.Exec(ctx, `INSERT INTO data.singletons (partition, key, value) VALUES ($1, $2, to_jsonb($3::text))
		ON CONFLICT DO NOTHING`, shard.Of(user), key, as)
	if err != nil {
		return err
	}
	var decided string
	err = tx.QueryRow(ctx, `SELECT value #>> '{}' FROM data.singletons WHERE partition = $1 AND key = $2`,
		shard.Of(user), key).Scan(&decided)
	if err == nil && decided != as {
		return chat.Errorf(chat.CodeInviteInvalid, "this invitation is used, expired or unknown")
	}
	return err
}

func (s *Store) releaseSignUpInvite(ctx context.Context, code string, user chat.UserID) error {
	hash, p := signUpInviteKey(code)
	return s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE data.signup_invites SET used_by = NULL, used_at = NULL
			WHERE partition = $1 AND code_hash = $2 AND used_by = $3`, p, hash, user)
		return err
	})
}
