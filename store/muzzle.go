package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// muzzleEffect brings the direct channel of two users, if there is one, in line
// with who has blocked whom: a blocked member may not write there. It reads the
// present decisions at both homes, so it is never out of date; the version of
// each decides between two that run at once.
type muzzleEffect struct {
	A chat.UserID `json:"a"`
	B chat.UserID `json:"b"`
}

func (muzzleEffect) kind() string { return "muzzle" }

func (e muzzleEffect) apply(ctx context.Context, s *Store) error {
	found, err := s.findDirect(ctx, e.A, e.B)
	if err != nil || !found.made {
		return err
	}
	ofA, err := s.standing(ctx, e.B, e.A) // what A has decided about B
	if err != nil {
		return err
	}
	ofB, err := s.standing(ctx, e.A, e.B)
	if err != nil {
		return err
	}
	p := shard.Of(found.id)
	return s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE data.members m SET muzzled = w.muzzled, muzzle_version = w.version
			FROM (VALUES ($3::bigint, $4::bool, $5::bigint), ($6, $7, $8)) AS w (user_id, muzzled, version)
			WHERE m.partition = $1 AND m.channel_id = $2 AND m.user_id = w.user_id AND m.muzzle_version < w.version`,
			p, found.id,
			e.B, ofA[e.A].Wants == wantsBlocked, ofA[e.A].Version,
			e.A, ofB[e.B].Wants == wantsBlocked, ofB[e.B].Version)
		return err
	})
}
