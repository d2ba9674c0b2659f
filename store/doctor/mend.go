package doctor

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// sqlNamed lists the unread messages of a channel itself that name somebody.
const sqlNamed = `SELECT m.seq FROM data.messages m WHERE m.partition = $1 AND m.channel_id = $2 AND m.seq > $4 AND m.seq <= $5 AND m.thread IS NULL
	AND m.sender_id <> $3 AND (m.mention_all OR $3 = ANY (m.mentions)) ORDER BY m.seq`

// mend makes a person's numbers in a channel what was counted, unless the person
// has read or heard something meanwhile: then another look tells whether that was
// wrong at all. The entry gets a new position, so that devices hear of it.
func (r *recount) mend(ctx context.Context, w wrong) error {
	var seqs []int64
	if p := r.at[w.channelPart]; p != nil {
		rows, err := p.conn.Query(ctx, sqlNamed, w.channelPart, w.channel, w.user, w.readSeq, w.lastSeq)
		if err != nil {
			return err
		}
		if seqs, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, w.home.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT control.gate(ARRAY[$1::int])", w.part); err != nil {
			return err
		}
		// Whoever changes an inbox takes this lock first (see package store).
		if _, err := tx.Exec(ctx, "UPDATE data.user_state SET inbox_pos = inbox_pos + 1 WHERE partition = $1 AND user_id = $2", w.part, w.user); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `UPDATE data.inbox i SET last_count = $6, read_count = $7, pos = u.inbox_pos FROM data.user_state u
			WHERE i.partition = $1 AND i.user_id = $2 AND i.channel_id = $3 AND i.member AND i.read_seq = $4 AND i.last_seq = $5
				AND u.partition = $1 AND u.user_id = $2`, w.part, w.user, w.channel, w.readSeq, w.lastSeq, w.wantLast, w.wantLast-w.wantUnread)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return pgx.ErrNoRows
		}
		if _, err := tx.Exec(ctx, `DELETE FROM data.mentions WHERE partition = $1 AND user_id = $2 AND channel_id = $3 AND root_seq = 0
			AND seq > $4 AND seq <= $5 AND seq <> ALL ($6)`, w.part, w.user, w.channel, w.readSeq, w.lastSeq, seqs); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO data.mentions (partition, user_id, channel_id, seq, root_seq)
			SELECT $1, $2, $3, s, 0 FROM unnest($4::bigint[]) s ON CONFLICT DO NOTHING`, w.part, w.user, w.channel, seqs)
		return err
	})
}
