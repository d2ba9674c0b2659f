package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// Audit appends a line to the audit log, at the home of the one who acted, or
// where the subject's name hashes to if nobody was logged in. Triggers refuse
// to change or delete lines.
func (s *Store) Audit(ctx context.Context, e chat.AuditEvent) error {
	p := shard.OfName(e.Subject)
	if e.Actor != 0 {
		p = shard.Of(e.Actor)
	}
	return s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO data.audit (partition, audit_id, at, actor, action, subject, address)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, p, newID(s.now()), e.At, e.Actor, e.Action, e.Subject, e.Address)
		return err
	})
}
