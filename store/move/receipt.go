package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// sqlChannels counts the channels of partitions; $2 and $3 are channels with
// the seqs up to which to look, NULL: all. Their identity is of what never
// changes of a message, in PostgreSQL's wire form, which is the same for ever
// and everywhere: the SHA-256 of the SHA-256 of each 1024 seqs.
const sqlChannels = `SELECT c.partition, c.channel_id, c.last_seq, coalesce(n.rows, 0), coalesce(n.first, 0), coalesce(n.identity, '')
	FROM (SELECT c.partition, c.channel_id, coalesce(u.upto, c.last_seq) AS last_seq FROM data.channels c
		LEFT JOIN unnest($2::bigint[], $3::bigint[]) u(channel, upto) ON u.channel = c.channel_id
		WHERE c.partition = ANY($1) AND ($2 IS NULL OR u.channel IS NOT NULL)) c
	LEFT JOIN LATERAL (
		SELECT sum(rows)::bigint AS rows, min(first) AS first, encode(sha256(string_agg(h, ''::bytea ORDER BY b)), 'hex') AS identity
		FROM (SELECT m.seq >> 10 AS b, count(*) AS rows, min(m.seq) AS first, sha256(string_agg(
				int8send(m.seq) || int8send(m.sender_id) || uuid_send(m.client_msg_id) || int8send(m.digest) || timestamptz_send(m.created_at), ''::bytea ORDER BY m.seq)) AS h
			FROM data.messages m WHERE m.partition = c.partition AND m.channel_id = c.channel_id AND m.seq <= c.last_seq GROUP BY 1) b) n ON true
	ORDER BY 1, 2`

// channelReceipts counts channels; upto nil: all there are, to their ends.
func channelReceipts(ctx context.Context, q querier, ps []int32, upto map[int64]int64) (map[int32][]reshard.ChannelReceipt, error) {
	var ids, seqs []int64
	for id, seq := range upto {
		ids, seqs = append(ids, id), append(seqs, seq)
	}
	if upto != nil && ids == nil {
		return nil, nil
	}
	rows, err := q.Query(ctx, sqlChannels, ps, ids, seqs)
	if err != nil {
		return nil, err
	}
	all := map[int32][]reshard.ChannelReceipt{}
	var p int32
	var c reshard.ChannelReceipt
	_, err = pgx.ForEachRow(rows, []any{&p, &c.Channel, &c.Last, &c.Rows, &c.First, &c.Identity}, func() error {
		c.Gaps = c.Last - c.Rows
		all[p] = append(all[p], c)
		return nil
	})
	return all, err
}

// forwardLate does what a mover that died after the commit point left undone.
func (w *work) forwardLate(ctx context.Context) (*fence, error) {
	src, err := ownersOf(ctx, w.s, w.switched)
	if err != nil {
		return nil, err
	}
	if err := sure(ctx, w.t); err != nil {
		return nil, err
	}
	f := &fence{ps: w.switched, late: true, at: w.e.cfg.Now(), switched: true}
	if err := w.forward(ctx, f.ps); err != nil {
		return nil, err
	}
	w.switched = nil
	w.e.cfg.At.Pass("forwarded")
	f.pause = w.e.cfg.Now().Sub(src[shard.Partition(f.ps[0])].fencedAt)
	return f, nil
}

// receipts writes what proves the moves of fences, at both shards. The source
// does not change any more: its rows are digested once more, as a whole, and
// must give what the target's sums had come to at the commit.
func (w *work) receipts(ctx context.Context, fences []*fence) ([]reshard.Receipt, error) {
	if len(fences) == 0 {
		return nil, nil
	}
	conn, target, err := w.proving(ctx)
	if err != nil {
		return nil, err
	}
	var ps []int32
	for _, f := range fences {
		ps = append(ps, f.ps...)
	}
	slices.Sort(ps)
	list, err := witness(ctx, conn, w.tables, w.g, ps)
	if err != nil {
		return nil, err
	}
	at := map[shard.Partition]int{}
	for i, r := range list {
		at[r.Partition] = i
	}
	var differs error
	for _, f := range fences {
		for _, p := range f.ps {
			r := &list[at[shard.Partition(p)]]
			r.At, r.PauseUS = f.at.UTC(), f.pause.Microseconds()
			if c := w.counts[p]; c != nil {
				r.Bytes, r.Followed = c.bytes, c.followed
			}
			if !f.late && differs == nil {
				differs = w.against(r)
			}
		}
	}
	also := func(b *pgx.Batch) { w.noteSwitched(b, list) }
	if differs != nil {
		also = nil
	}
	return list, errors.Join(keepReceipts(ctx, conn, target, list, also), differs)
}

// proving returns a session at the source to read all of it, and one at the
// target: those of this work, if they have not ended.
func (w *work) proving(ctx context.Context) (source, target *pgx.Conn, err error) {
	for _, at := range w.sessions()[2:] {
		if *at.conn != nil && !(*at.conn).IsClosed() && (*at.conn).PgConn().TxStatus() == 'I' {
			continue
		}
		hangUp(*at.conn)
		if *at.conn, err = w.e.lend(ctx, at.id, at.purpose, at.settings...); err != nil {
			return nil, nil, err
		}
	}
	return w.bulkS, w.bulkT, nil
}

// against compares a receipt with the target's sums.
func (w *work) against(r *reshard.Receipt) error {
	sums := w.sums[int32(r.Partition)]
	for _, t := range r.Tables {
		if d := sums[t.Table]; d.rows != t.Rows || d.hex() != t.Digest {
			return &reshard.DigestError{Partition: r.Partition, Table: t.Table, Bucket: "all rows", Source: fmt.Sprintf("%d rows, digest %s", t.Rows, t.Digest), Target: d.String()}
		}
	}
	return nil
}

// witness makes receipts from the rows that the source still has of partitions
// that are gone from it.
func witness(ctx context.Context, conn *pgx.Conn, tables []*statements, g reshard.Group, ps []int32) ([]reshard.Receipt, error) {
	owners, err := ownersOf(ctx, conn, ps)
	if err != nil {
		return nil, err
	}
	list, err := totals(ctx, conn, tables, ps)
	if err != nil {
		return nil, err
	}
	channels, err := channelReceipts(ctx, conn, ps, nil)
	if err != nil {
		return nil, err
	}
	for i, p := range ps {
		o, r := owners[shard.Partition(p)], &list[i]
		r.Reshard, r.Partition, r.From, r.To = g.Reshard, shard.Partition(p), g.From, g.To
		r.Epoch, r.Attempt, r.At, r.Channels = o.epoch, o.attempt, o.fencedAt.UTC(), channels[p]
	}
	return list, nil
}

// totals makes the parts of receipts that are about tables.
func totals(ctx context.Context, conn *pgx.Conn, tables []*statements, ps []int32) ([]reshard.Receipt, error) {
	list := make([]reshard.Receipt, len(ps))
	some, err := filled(ctx, conn, tables)
	if err != nil {
		return nil, err
	}
	found := map[string]map[int32]digest{}
	var b pgx.Batch
	for _, t := range some {
		of := map[int32]digest{}
		found[t.name] = of
		b.Queue(t.totals, ps).Query(func(rows pgx.Rows) error {
			var p int32
			var d digest
			_, err := pgx.ForEachRow(rows, []any{&p, &d.rows, &d.a, &d.b}, func() error {
				of[p] = d
				return nil
			})
			return err
		})
	}
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	for _, t := range tables {
		for i, p := range ps {
			r, d := &list[i], found[t.name][p]
			r.Rows += d.rows
			r.Tables = append(r.Tables, reshard.TableReceipt{Table: t.name, Rows: d.rows, Digest: d.hex()})
		}
	}
	return list, nil
}

// keepReceipts writes receipts at both shards, or at the source alone if there is
// no target any more (nil), and with them, unless nil, what is queued by also. The
// first receipt of a move stays.
func keepReceipts(ctx context.Context, source, target *pgx.Conn, list []reshard.Receipt, also func(*pgx.Batch)) error {
	var names []string
	var ps []int32
	var ats []time.Time
	var docs []string
	for _, r := range list {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		names, ps, ats, docs = append(names, r.Reshard), append(ps, int32(r.Partition)), append(ats, r.At), append(docs, string(text))
	}
	write := func(conn *pgx.Conn) error {
		var b pgx.Batch
		b.Queue("BEGIN")
		b.Queue("SET LOCAL synchronous_commit = on")
		b.Queue(`INSERT INTO control.receipts (reshard, partition, at, doc)
			SELECT r, p, a, d::jsonb FROM unnest($1::text[], $2::int[], $3::timestamptz[], $4::text[]) u(r, p, a, d) ON CONFLICT DO NOTHING`, names, ps, ats, docs)
		if also != nil {
			also(&b)
		}
		b.Queue("COMMIT")
		return inOne(ctx, conn, &b)
	}
	if target == nil {
		return write(source)
	}
	return both(func() error { return write(source) }, func() error { return write(target) })
}
