package board

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gori/shard"
)

// Owner is a partition's row on one shard.
type Owner struct {
	Partition shard.Partition
	State     string // active, fenced, incoming, gone
	Epoch     shard.Epoch
	Peer      shard.ID
	Cleaned   bool
}

// Look is what one shard says about partitions.
type Look struct {
	Ring   *shard.Ring // as this shard last accepted it; nil: none yet
	Owners []Owner
	Moves  map[shard.Partition]string // states of the moves it has a part in
	Rows   int64                      // of all tables, estimated
	Bytes  int64                      // of all tables with their indexes
	// Weight is each partition's part of the rows, 0 to 1.
	Weight map[shard.Partition]float64
}

// Look asks every shard what it owns.
func (b *Board) Look(ctx context.Context) []Answer[Look] {
	return each(ctx, b, func(ctx context.Context, p *pgxpool.Pool) (l Look, err error) {
		if l.Ring, err = readRing(ctx, p); err != nil {
			return l, err
		}
		if l.Owners, err = readOwners(ctx, p); err != nil {
			return l, err
		}
		if l.Moves, err = readStates(ctx, p); err != nil {
			return l, err
		}
		err = p.QueryRow(ctx, `SELECT coalesce(sum(greatest(s.n_live_tup, 0)), 0)::bigint, coalesce(sum(pg_total_relation_size(s.relid)), 0)::bigint
			FROM pg_stat_user_tables s WHERE s.schemaname = 'data'`).Scan(&l.Rows, &l.Bytes)
		if err != nil {
			return l, err
		}
		l.Weight, err = readWeights(ctx, p)
		return l, err
	})
}

func readRing(ctx context.Context, p *pgxpool.Pool) (*shard.Ring, error) {
	var doc []byte
	err := p.QueryRow(ctx, "SELECT doc FROM control.ring_acceptor WHERE doc IS NOT NULL").Scan(&doc)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := new(shard.Ring)
	return r, json.Unmarshal(doc, r)
}

func readOwners(ctx context.Context, p *pgxpool.Pool) ([]Owner, error) {
	rows, err := p.Query(ctx, "SELECT partition, state, epoch, peer, cleaned FROM control.partition_owner ORDER BY partition")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o Owner, err error) {
		var at int32
		err = row.Scan(&at, &o.State, &o.Epoch, &o.Peer, &o.Cleaned)
		o.Partition = shard.Partition(at)
		return o, err
	})
}

func readStates(ctx context.Context, p *pgxpool.Pool) (map[shard.Partition]string, error) {
	rows, err := p.Query(ctx, "SELECT partition, state FROM control.moves")
	if err != nil {
		return nil, err
	}
	states := map[shard.Partition]string{}
	var at int32
	var state string
	_, err = pgx.ForEachRow(rows, []any{&at, &state}, func() error {
		states[shard.Partition(at)] = state
		return nil
	})
	return states, err
}

// readWeights estimates each partition's part of a shard by its part of the
// messages, which are nearly all of it: seqs are dense, so the channels'
// counters tell without any message being read.
func readWeights(ctx context.Context, p *pgxpool.Pool) (map[shard.Partition]float64, error) {
	rows, err := p.Query(ctx, "SELECT partition, sum(last_seq)::float8 FROM data.channels GROUP BY partition")
	if err != nil {
		return nil, err
	}
	weights, total := map[shard.Partition]float64{}, 0.0
	var at int32
	var n float64
	_, err = pgx.ForEachRow(rows, []any{&at, &n}, func() error {
		weights[shard.Partition(at)] = n
		total += n
		return nil
	})
	if total > 0 {
		for at := range weights {
			weights[at] /= total
		}
	}
	return weights, err
}
