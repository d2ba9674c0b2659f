package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// inviteSecretBytes of randomness make an invite's code unguessable.
const inviteSecretBytes = 16

// An invite's code is the channel id in base 36, a hyphen and the secret, so
// any node finds the channel's shard. Only the secret's hash is kept.
func inviteCode(id chat.ChannelID, secret []byte) string {
	return strconv.FormatInt(int64(id), 36) + "-" + base64.RawURLEncoding.EncodeToString(secret)
}

func parseInviteCode(code string) (chat.ChannelID, []byte, error) {
	invalid := chat.Errorf(chat.CodeInviteInvalid, "this invite link is not valid any more")
	head, tail, ok := strings.Cut(code, "-")
	id, err := strconv.ParseInt(head, 36, 64)
	if !ok || err != nil || id <= 0 || strconv.FormatInt(id, 36) != head {
		return 0, nil, invalid
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(tail)
	if err != nil || len(secret) != inviteSecretBytes {
		return 0, nil, invalid
	}
	hash := sha256.Sum256(secret)
	return chat.ChannelID(id), hash[:], nil
}

// inviteHolds is the condition for an invite to be usable at time $3.
const inviteHolds = `(expires_at IS NULL OR expires_at > $3) AND (max_uses = 0 OR uses < max_uses)`

const inviteColumns = `invite_id, created_by, created_at, expires_at, max_uses, uses`

// CreateInvite makes an invite link; its code is shown this once.
func (s *Store) CreateInvite(ctx context.Context, actor chat.UserID, id chat.ChannelID, maxUses int, expires time.Time) (chat.Invite, error) {
	secret := make([]byte, inviteSecretBytes)
	if _, err := io.ReadFull(s.cfg.Rand, secret); err != nil {
		return chat.Invite{}, err
	}
	hash := sha256.Sum256(secret)
	now := s.now()
	inv := chat.Invite{
		ID: newID(now), Channel: id, Code: inviteCode(id, secret), CreatedBy: actor, CreatedAt: chat.MillisOf(now),
		ExpiresAt: chat.MillisOf(expires), MaxUses: max(maxUses, 0),
	}
	var until *time.Time
	if !expires.IsZero() {
		until = &expires
	}
	err := s.governInvites(ctx, actor, id, func(ctx context.Context, tx pgx.Tx) error {
		// Those that no longer hold make room.
		if _, err := tx.Exec(ctx, `DELETE FROM data.invites WHERE partition = $1 AND channel_id = $2 AND NOT (`+inviteHolds+`)`,
			shard.Of(id), id, now); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO data.invites (partition, channel_id, code_hash, `+inviteColumns+`)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, 0
			WHERE (SELECT count(*) FROM data.invites WHERE partition = $1 AND channel_id = $2) < $9`,
			shard.Of(id), id, hash[:], inv.ID, actor, now, until, inv.MaxUses, chat.MaxInvites)
		if err == nil && tag.RowsAffected() == 0 {
			return chat.Errorf(chat.CodeTooLong, "a group has at most %d invite links", chat.MaxInvites)
		}
		return err
	})
	if err != nil {
		return chat.Invite{}, err
	}
	return inv, nil
}

// governInvites runs fn under the lock of a group's row, if the actor is an
// admin of it.
func (s *Store) governInvites(ctx context.Context, actor chat.UserID, id chat.ChannelID, fn func(ctx context.Context, tx pgx.Tx) error) error {
	return s.write(ctx, shard.Of(id), func(ctx context.Context, tx pgx.Tx) error {
		c, err := s.lockChannel(ctx, tx, id, actor)
		if err != nil {
			return err
		}
		if c.Role == chat.RoleNone {
			return chat.Errorf(chat.CodeNotMember, notMember)
		}
		if c.Kind != chat.KindGroup {
			return chat.Errorf(chat.CodeForbidden, "nobody can join a direct channel")
		}
		if err := c.needs(chat.RoleAdmin); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
}

// Invites lists the invite links that hold, without their codes, for an admin.
func (s *Store) Invites(ctx context.Context, actor chat.UserID, id chat.ChannelID) ([]chat.Invite, error) {
	var invites []chat.Invite
	err := s.read(ctx, shard.Of(id), func(ctx context.Context, q querier) error {
		var c chat.Channel
		if err := readChannel(ctx, q, actor, id, &c); err != nil {
			return err
		}
		if c.Role < chat.RoleAdmin {
			return chat.Errorf(chat.CodeForbidden, "your role in this group does not allow that")
		}
		// The role once more, in the statement that reads.
		rows, err := q.Query(ctx, `SELECT `+inviteColumns+` FROM data.invites
			WHERE partition = $1 AND channel_id = $2 AND `+inviteHolds+` AND EXISTS
				(SELECT FROM data.members m WHERE m.partition = $1 AND m.channel_id = $2 AND m.user_id = $4 AND m.role >= $5)
			ORDER BY invite_id`, shard.Of(id), id, s.now(), actor, chat.RoleAdmin)
		if err != nil {
			return err
		}
		invites, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (chat.Invite, error) {
			inv := chat.Invite{Channel: id}
			var created time.Time
			var expires *time.Time
			err := row.Scan(&inv.ID, &inv.CreatedBy, &created, &expires, &inv.MaxUses, &inv.Uses)
			inv.CreatedAt, inv.ExpiresAt = chat.MillisOf(created), millisOf(expires)
			return inv, err
		})
		return err
	})
	return invites, err
}

// RevokeInvite ends an invite link; an unknown one is ignored.
func (s *Store) RevokeInvite(ctx context.Context, actor chat.UserID, id chat.ChannelID, invite int64) error {
	return s.governInvites(ctx, actor, id, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM data.invites WHERE partition = $1 AND channel_id = $2 AND invite_id = $3`,
			shard.Of(id), id, invite)
		return err
	})
}

// PreviewInvite shows what an invite link leads to. CodeInviteInvalid if it
// does not hold.
func (s *Store) PreviewInvite(ctx context.Context, code string) (chat.InvitePreview, error) {
	id, hash, err := parseInviteCode(code)
	if err != nil {
		return chat.InvitePreview{}, err
	}
	p := chat.InvitePreview{Channel: id}
	err = s.read(ctx, shard.Of(id), func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `SELECT c.name, c.member_count FROM data.invites i JOIN data.channels c USING (partition, channel_id)
			WHERE i.partition = $1 AND i.channel_id = $2 AND i.code_hash = $4 AND `+inviteHolds,
			shard.Of(id), id, s.now(), hash).Scan(&p.Name, &p.MemberCount)
		return orNotFound(err, chat.CodeInviteInvalid, "this invite link is not valid any more")
	})
	if err != nil {
		return chat.InvitePreview{}, err
	}
	return p, nil
}

// useInvite counts one use of an invite in the transaction that lets its user
// in, so it is never used more often than allowed.
func (s *Store) useInvite(ctx context.Context, tx pgx.Tx, id chat.ChannelID, code string) error {
	of, hash, err := parseInviteCode(code)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `UPDATE data.invites SET uses = uses + 1
		WHERE partition = $1 AND channel_id = $2 AND `+inviteHolds+` AND code_hash = $4`, shard.Of(id), id, s.now(), hash)
	if err == nil && (tag.RowsAffected() == 0 || of != id) {
		return chat.Errorf(chat.CodeInviteInvalid, "this invite link is not valid any more")
	}
	return err
}
