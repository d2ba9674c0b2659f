package proof

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// hand is a mover as simple as can be: it copies, follows what changes once,
// fences, brings over the rest and hands over. It compares nothing and cannot
// be interrupted: what it loses only the checker can notice.
type hand struct {
	w        *town
	from, to post
	// watermark copies messages by their seqs, those above the highest one
	// copied before, instead of by the keys that the gate noted.
	watermark bool
	race      *race // nil: nobody is held up
}

// moved is a table of schema data, with the columns of its primary key.
type moved struct {
	name string
	key  []string
}

func movedTables(ctx context.Context, conn *pgx.Conn) ([]moved, error) {
	rows, err := conn.Query(ctx, `SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
		FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
		WHERE c.relnamespace = 'data'::regnamespace AND c.relkind = 'r' GROUP BY 1 ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m moved, err error) {
		err = row.Scan(&m.name, &m.key)
		return m, err
	})
}

// of is the condition that a row's key is among those noted, a JSON array.
func (m moved) of(noted string) string {
	var in []string
	for _, c := range m.key {
		in = append(in, "(jsonb_populate_record(NULL::data."+m.name+", k))."+c)
	}
	return "(" + strings.Join(m.key, ", ") + ") IN (SELECT " + strings.Join(in, ", ") + " FROM jsonb_array_elements($j$" + noted + "$j$::jsonb) k)"
}

// move hands p over.
func (h *hand) move(p shard.Partition) {
	h.w.t.Helper()
	h.w.with(h.from, func(ctx context.Context, src *pgx.Conn) error {
		dst, err := pgx.Connect(ctx, h.to.dsn)
		if err != nil {
			return err
		}
		defer dst.Close(ctx)
		return h.between(ctx, src, dst, int32(p))
	})
}

func (h *hand) between(ctx context.Context, src, dst *pgx.Conn, p int32) error {
	var epoch int64
	if err := src.QueryRow(ctx, "SELECT epoch FROM control.partition_owner WHERE partition = $1", p).Scan(&epoch); err != nil {
		return err
	}
	tables, err := movedTables(ctx, src)
	if err != nil {
		return err
	}
	_, err = dst.Exec(ctx, `INSERT INTO control.partition_owner (partition, state, peer, epoch) VALUES ($1, 'incoming', $2, $3)
		ON CONFLICT (partition) DO UPDATE SET state = 'incoming', peer = $2, epoch = $3`, p, string(h.from.id), epoch)
	if err == nil {
		err = locked(ctx, src, p, func() {}, "capture = true")
	}
	for _, table := range tables {
		if err == nil {
			err = carry(ctx, src, dst, table.name, p, "true", true)
		}
	}
	if err == nil && h.race != nil {
		err = h.race.begin(ctx, src)
		defer h.race.end(ctx)
	}
	if err == nil {
		err = h.fence(ctx, src, p)
	}
	if err == nil {
		err = h.rest(ctx, src, dst, tables, p)
	}
	if err == nil {
		_, err = dst.Exec(ctx, "UPDATE control.partition_owner SET state = 'active', peer = '', epoch = $2 WHERE partition = $1", p, epoch+1)
	}
	if err == nil {
		_, err = src.Exec(ctx, "UPDATE control.partition_owner SET state = 'gone', epoch = $2, capture = false WHERE partition = $1", p, epoch+1)
	}
	if err == nil {
		_, err = src.Exec(ctx, "DELETE FROM control.partition_dirty WHERE partition = $1", p)
	}
	return err
}

func (h *hand) fence(ctx context.Context, src *pgx.Conn, p int32) error {
	inside := func() {}
	if h.race != nil {
		inside = func() { h.race.locked(ctx) }
	}
	return locked(ctx, src, p, inside, "state = 'fenced', peer = $2", string(h.to.id))
}

// locked changes the state of p once all writers inside are out.
func locked(ctx context.Context, conn *pgx.Conn, p int32, inside func(), set string, args ...any) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(77, $1)", p); err != nil {
			return err
		}
		inside()
		_, err := tx.Exec(ctx, "UPDATE control.partition_owner SET "+set+" WHERE partition = $1", append([]any{p}, args...)...)
		return err
	})
}

// carry replaces the rows of a table in p that fit a condition; again deletes
// those of the target first.
func carry(ctx context.Context, src, dst *pgx.Conn, table string, p int32, where string, again bool) error {
	rows, err := src.Query(ctx, "SELECT to_jsonb(t)::text FROM data."+table+" t WHERE partition = $1 AND ("+where+")", p)
	if err != nil {
		return err
	}
	docs, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, dst, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('gori.gate', $1, true)", fmt.Sprintf("/%d/", p)); err != nil {
			return err
		}
		if again {
			if _, err := tx.Exec(ctx, "DELETE FROM data."+table+" t WHERE partition = $1 AND ("+where+")", p); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO data."+table+" SELECT r.* FROM unnest($1::text[]) d, jsonb_populate_record(NULL::data."+table+", d::jsonb) r", docs)
		return err
	})
}

// rest brings over what has changed since the copy.
func (h *hand) rest(ctx context.Context, src, dst *pgx.Conn, tables []moved, p int32) error {
	for _, table := range tables {
		if h.watermark && table.name == "messages" {
			if err := h.above(ctx, src, dst, p); err != nil {
				return err
			}
			continue
		}
		var noted string
		err := src.QueryRow(ctx, "SELECT coalesce(jsonb_agg(key), '[]')::text FROM (SELECT DISTINCT key FROM control.partition_dirty WHERE partition = $1 AND tbl = $2) k", p, table.name).Scan(&noted)
		if err != nil {
			return err
		}
		if noted == "[]" {
			continue
		}
		if err := carry(ctx, src, dst, table.name, p, table.of(noted), true); err != nil {
			return err
		}
	}
	return nil
}

// above copies the messages with seqs above the highest ones copied.
func (h *hand) above(ctx context.Context, src, dst *pgx.Conn, p int32) error {
	rows, err := dst.Query(ctx, "SELECT channel_id, max(seq) FROM data.messages WHERE partition = $1 GROUP BY 1", p)
	if err != nil {
		return err
	}
	where := "true"
	var id, seq int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &seq}, func() error {
		where += fmt.Sprintf(" AND NOT (channel_id = %d AND seq <= %d)", id, seq)
		return nil
	}); err != nil {
		return err
	}
	return carry(ctx, src, dst, "messages", p, where, false)
}

// toAndFro moves some places of a town several times while people write.
func (w *town) toAndFro(times int, ps []shard.Partition, edit func(*hand, *load)) *load {
	l := w.begin(2, 2*time.Millisecond)
	l.more(50)
	for n := range times {
		from, to := w.posts[n%2], w.posts[1-n%2]
		for _, p := range ps {
			h := hand{w: w, from: from, to: to}
			edit(&h, l)
			h.move(p)
		}
	}
	l.end()
	return l
}

// more waits until so many more calls are acknowledged, or nothing is any more.
func (l *load) more(n int64) {
	last := l.acked.Load()
	want, alive := last+n, time.Now()
	for last < want && time.Since(alive) < 20*time.Second {
		rest(context.Background(), 5*time.Millisecond)
		if now := l.acked.Load(); now != last {
			last, alive = now, time.Now()
		}
	}
}

// The checker finds nothing wrong with a mover that does it right, however many
// people write.
func TestAHandMadeMoveLosesNothing(t *testing.T) {
	t.Parallel()
	w := newTown(t, townOptions{shards: 2, people: 4, rooms: 2, seed: seedOf(t)})
	w.mustBeRight(w.toAndFro(2, w.places("a"), func(*hand, *load) {}))
}
