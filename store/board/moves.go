package board

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gori/chat"
	"gori/shard"
)

// Move is how far a partition's move is, as one of its shards has it.
type Move struct {
	At        shard.ID // the shard that says so
	Partition shard.Partition
	Reshard   string
	Role      string // source, target
	Peer      shard.ID
	Attempt   int
	State     string
	Rows      int64
	TotalRows int64
	Bytes     int64
	Dirty     int64
	PauseUS   int64
	Error     string
	Cause     *shard.Cause // of Error
	Started   time.Time
	Updated   time.Time
}

// Moves returns what the shards that answer say about the moves of a reshard.
func (b *Board) Moves(ctx context.Context, reshard string) []Move {
	var all []Move
	for _, a := range each(ctx, b, func(ctx context.Context, p *pgxpool.Pool) ([]Move, error) {
		rows, err := p.Query(ctx, `SELECT partition, reshard, role, peer, attempt, state, rows, total_rows, bytes, dirty, pause_us, error,
			CASE WHEN error <> '' THEN cause END, started_at, updated_at FROM control.moves WHERE reshard = $1`, reshard)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Move, err error) {
			var at int32
			err = row.Scan(&at, &m.Reshard, &m.Role, &m.Peer, &m.Attempt, &m.State, &m.Rows, &m.TotalRows, &m.Bytes, &m.Dirty, &m.PauseUS,
				&m.Error, &m.Cause, &m.Started, &m.Updated)
			m.Partition = shard.Partition(at)
			return m, err
		})
	}) {
		for _, m := range a.Value {
			m.At = a.Shard
			all = append(all, m)
		}
	}
	return all
}

// Receipt is what proves one move, without its tables and channels.
type Receipt struct {
	Partition shard.Partition
	At        time.Time
	From, To  shard.ID
	Rows      int64
	Bytes     int64
	Followed  int64
	PauseUS   int64
	Channels  int64
	Gaps      int64
}

// Receipts returns the receipts of a reshard written after a time, one a
// partition, in the order of time.
func (b *Board) Receipts(ctx context.Context, reshard string, after time.Time) []Receipt {
	found := map[shard.Partition]Receipt{}
	for _, a := range each(ctx, b, func(ctx context.Context, p *pgxpool.Pool) ([]Receipt, error) {
		rows, err := p.Query(ctx, `SELECT r.partition, r.at, doc ->> 'from', doc ->> 'to', (doc ->> 'rows')::bigint, (doc ->> 'bytes')::bigint,
				(doc ->> 'followed')::bigint, (doc ->> 'pause_us')::bigint, c.n, c.gaps
			FROM control.receipts r CROSS JOIN LATERAL (
				SELECT count(*) AS n, coalesce(sum((x ->> 'gaps')::bigint), 0)::bigint AS gaps
				FROM jsonb_array_elements(CASE jsonb_typeof(r.doc -> 'channels') WHEN 'array' THEN r.doc -> 'channels' ELSE '[]' END) x) c
			WHERE r.reshard = $1 AND r.at > $2`, reshard, after)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Receipt, err error) {
			var at int32
			err = row.Scan(&at, &r.At, &r.From, &r.To, &r.Rows, &r.Bytes, &r.Followed, &r.PauseUS, &r.Channels, &r.Gaps)
			r.Partition = shard.Partition(at)
			return r, err
		})
	}) {
		for _, r := range a.Value {
			found[r.Partition] = r
		}
	}
	list := make([]Receipt, 0, len(found))
	for _, r := range found {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Receipt) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Partition, b.Partition))
	})
	return list
}

// Reshard is a reshard that has receipts.
type Reshard struct {
	ID     string
	Count  int // of receipts; each move has one on both its shards
	Newest time.Time
}

// Reshards returns the reshards that have receipts, newest first.
func (b *Board) Reshards(ctx context.Context, limit int) []Reshard {
	found := map[string]*Reshard{}
	for _, a := range each(ctx, b, func(ctx context.Context, p *pgxpool.Pool) ([]Reshard, error) {
		rows, err := p.Query(ctx, "SELECT reshard, count(*), max(at) AS newest FROM control.receipts GROUP BY reshard ORDER BY newest DESC LIMIT $1", limit)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Reshard, err error) {
			err = row.Scan(&r.ID, &r.Count, &r.Newest)
			return r, err
		})
	}) {
		for _, r := range a.Value {
			f := found[r.ID]
			if f == nil {
				f = &Reshard{ID: r.ID}
				found[r.ID] = f
			}
			f.Count += r.Count
			if r.Newest.After(f.Newest) {
				f.Newest = r.Newest
			}
		}
	}
	list := make([]Reshard, 0, len(found))
	for _, r := range found {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b Reshard) int { return cmp.Or(b.Newest.Compare(a.Newest), cmp.Compare(a.ID, b.ID)) })
	return list[:min(limit, len(list))]
}

var errNoReceipt = chat.Errorf(chat.CodeNotFound, "there is no receipt of such a reshard")

// EachReceipt hands over the receipts of a reshard one by one, in the order of
// partitions, as they are kept.
func (b *Board) EachReceipt(ctx context.Context, reshard string, tell func(doc json.RawMessage) error) error {
	at := map[shard.Partition]shard.ID{}
	for _, a := range each(ctx, b, func(ctx context.Context, p *pgxpool.Pool) ([]int32, error) {
		rows, err := p.Query(ctx, "SELECT partition FROM control.receipts WHERE reshard = $1", reshard)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[int32])
	}) {
		for _, p := range a.Value {
			at[shard.Partition(p)] = a.Shard
		}
	}
	if len(at) == 0 {
		return errNoReceipt
	}
	for p := range shard.Partition(shard.Partitions) {
		holder, ok := at[p]
		if !ok {
			continue
		}
		doc, err := b.receiptDoc(ctx, holder, reshard, p)
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		if err := tell(doc); err != nil {
			return err
		}
	}
	return nil
}

func (b *Board) receiptDoc(ctx context.Context, holder shard.ID, reshard string, p shard.Partition) (doc json.RawMessage, err error) {
	all := b.shards()
	i := slices.IndexFunc(all, func(in Instance) bool { return in.ID == holder })
	if i < 0 {
		return nil, pgx.ErrNoRows
	}
	pool, err := b.pool(all[i], all)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = pool.QueryRow(ctx, "SELECT doc::text FROM control.receipts WHERE reshard = $1 AND partition = $2", reshard, int32(p)).Scan((*[]byte)(&doc))
	return doc, err
}
