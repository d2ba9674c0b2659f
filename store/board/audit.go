package board

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gori/chat"
	"gori/shard"
)

// AuditLine is a line of the audit log.
type AuditLine struct {
	Shard   shard.ID
	ID      int64 // grows with time
	At      time.Time
	Actor   chat.UserID
	Action  string
	Subject string
	Address string
}

// The lines lie with their partitions; the newest of each are the end of an
// index, so that a long log costs no more than a short one.
const sqlAudit = `
	SELECT a.audit_id, a.at, a.actor, a.action, a.subject, a.address
	FROM control.partition_owner o
	CROSS JOIN LATERAL (SELECT * FROM data.audit x WHERE x.partition = o.partition AND x.audit_id < $1
		ORDER BY x.audit_id DESC LIMIT $2) a
	WHERE o.state IN ('active', 'fenced') ORDER BY a.audit_id DESC LIMIT $2`

// Audit returns up to limit lines that are older than before (0: than nothing),
// newest first, and the shards that did not answer.
func (b *Board) Audit(ctx context.Context, before int64, limit int) (lines []AuditLine, missing []shard.ID) {
	if before == 0 {
		before = math.MaxInt64
	}
	seen := map[int64]bool{}
	for _, a := range each(ctx, b, func(ctx context.Context, p *pgxpool.Pool) ([]AuditLine, error) { return auditOf(ctx, p, before, limit) }) {
		if a.Err != nil {
			missing = append(missing, a.Shard)
		}
		for _, l := range a.Value {
			// While a partition passes on, both sides may show it.
			if !seen[l.ID] {
				l.Shard = a.Shard
				seen[l.ID] = true
				lines = append(lines, l)
			}
		}
	}
	slices.SortFunc(lines, func(a, b AuditLine) int { return cmp.Compare(b.ID, a.ID) })
	return lines[:min(limit, len(lines))], missing
}

func auditOf(ctx context.Context, p *pgxpool.Pool, before int64, limit int) ([]AuditLine, error) {
	rows, err := p.Query(ctx, sqlAudit, before, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (l AuditLine, err error) {
		err = row.Scan(&l.ID, &l.At, &l.Actor, &l.Action, &l.Subject, &l.Address)
		return l, err
	})
}
