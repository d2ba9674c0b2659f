package store

import (
	"context"
	"fmt"
	"sync"

	"gori/chat"
	"gori/shard"
)

// PartitionInfo is a partition as one shard keeps it.
type PartitionInfo struct {
	Partition shard.Partition `json:"partition"`
	State     string          `json:"state"` // active, fenced, incoming, gone
	Epoch     int64           `json:"epoch"`
	Peer      shard.ID        `json:"peer,omitempty"`
	Rows      int64           `json:"rows"`  // estimated from the shard's totals
	Bytes     int64           `json:"bytes"` // likewise
}

// ShardInfo is what one shard says of itself.
type ShardInfo struct {
	ID         shard.ID        `json:"id"`
	Up         bool            `json:"up"`
	Error      string          `json:"error,omitempty"` // why it did not answer
	States     map[string]int  `json:"states"`          // partitions by state
	Rows       int64           `json:"rows"`            // of all tables, estimated
	Bytes      int64           `json:"bytes"`           // of all tables with their indexes
	Partitions []PartitionInfo `json:"partitions,omitempty"`
}

// RingInfo is where data lives, as the shards themselves say.
type RingInfo struct {
	Shards  []ShardInfo       `json:"shards"`
	Unowned []shard.Partition `json:"unowned,omitempty"` // no shard that answers serves them
	Doubled []shard.Partition `json:"doubled,omitempty"` // more than one is active: must never be
}

// Ring asks all shards what they own.
func (s *Store) Ring(ctx context.Context) RingInfo {
	shards := s.shards()
	info := RingInfo{Shards: make([]ShardInfo, len(shards))}
	var wg sync.WaitGroup
	for i, sh := range shards {
		wg.Go(func() { info.Shards[i] = s.shardInfo(ctx, sh) })
	}
	wg.Wait()
	var owners [shard.Partitions]int
	for _, si := range info.Shards {
		for _, p := range si.Partitions {
			if p.State == "active" || p.State == "fenced" {
				owners[p.Partition]++
			}
		}
	}
	for p, n := range owners {
		switch {
		case n == 0:
			info.Unowned = append(info.Unowned, shard.Partition(p))
		case n > 1:
			info.Doubled = append(info.Doubled, shard.Partition(p))
		}
	}
	return info
}

func (s *Store) shardInfo(ctx context.Context, sh *shardConn) ShardInfo {
	si := ShardInfo{ID: sh.id, States: map[string]int{}}
	fail := func(err error) ShardInfo {
		si.Error = err.Error()
		return si
	}
	rows, err := s.ownerRows(ctx, sh, selectOwners+" ORDER BY partition")
	if err != nil {
		return fail(err)
	}
	ctx, done, err := sh.during(ctx)
	if err != nil {
		return fail(err)
	}
	defer done()
	err = sh.pool().QueryRow(ctx, `SELECT coalesce(sum(greatest(s.n_live_tup, 0)), 0)::bigint, coalesce(sum(pg_total_relation_size(s.relid)), 0)::bigint
		FROM pg_stat_user_tables s WHERE s.schemaname = 'data'`).Scan(&si.Rows, &si.Bytes)
	if err != nil {
		return fail(sh.settle(ctx, err))
	}
	si.Up = true
	weights, err := s.partitionWeights(ctx, sh)
	if err != nil {
		return fail(sh.settle(ctx, err))
	}
	served := 0
	for _, r := range rows {
		si.States[r.State]++
		if r.State == "active" || r.State == "fenced" {
			served++
		}
	}
	for _, r := range rows {
		p := PartitionInfo{Partition: shard.Partition(r.Partition), State: r.State, Epoch: r.Epoch, Peer: shard.ID(r.Peer)}
		if w, ok := weights[p.Partition]; ok {
			p.Rows, p.Bytes = int64(w*float64(si.Rows)), int64(w*float64(si.Bytes))
		} else if len(weights) == 0 && served > 0 && r.State != "gone" && r.State != "incoming" {
			p.Rows, p.Bytes = si.Rows/int64(served), si.Bytes/int64(served)
		}
		si.Partitions = append(si.Partitions, p)
	}
	return si
}

// partitionWeights estimates each partition's share of a shard by its share of
// the messages, which are nearly all of it: seqs are dense, so the channels'
// counters tell without reading any.
func (s *Store) partitionWeights(ctx context.Context, sh *shardConn) (map[shard.Partition]float64, error) {
	rows, err := sh.pool().Query(ctx, "SELECT partition, sum(last_seq)::float8 FROM data.channels GROUP BY partition")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	weights := map[shard.Partition]float64{}
	total := 0.0
	for rows.Next() {
		var p int32
		var n float64
		if err := rows.Scan(&p, &n); err != nil {
			return nil, err
		}
		weights[shard.Partition(p)] = n
		total += n
	}
	for p := range weights {
		if total > 0 {
			weights[p] /= total
		}
	}
	return weights, rows.Err()
}

// Place is where something lives, and how that was found.
type Place struct {
	What      string          `json:"what"`
	Partition shard.Partition `json:"partition"`
	Shard     shard.ID        `json:"shard"`
	State     string          `json:"state"`
	Epoch     int64           `json:"epoch"`
}

// WhereChannel tells where a channel and its messages live.
func (s *Store) WhereChannel(ctx context.Context, id chat.ChannelID) (Place, error) {
	return s.where(ctx, fmt.Sprintf("channel %v", id), partitionOf(id))
}

// WhereUser tells where a user's home is.
func (s *Store) WhereUser(ctx context.Context, id chat.UserID) (Place, error) {
	return s.where(ctx, fmt.Sprintf("user %v", id), partitionOf(id))
}

// WhereName tells where a login name, in its canonical form, is kept.
func (s *Store) WhereName(ctx context.Context, name string) (Place, error) {
	return s.where(ctx, fmt.Sprintf("login name %q", name), shard.OfName(name))
}

func (s *Store) where(ctx context.Context, what string, p shard.Partition) (Place, error) {
	pl := Place{What: what, Partition: p}
	err := s.read(ctx, p, func(ctx context.Context, q querier) error {
		var id string
		err := q.QueryRow(ctx, `SELECT s.shard_id, coalesce(o.state, ''), coalesce(o.epoch, 0) FROM control.shard_self s
			LEFT JOIN control.partition_owner o ON o.partition = $1`, int32(p)).Scan(&id, &pl.State, &pl.Epoch)
		pl.Shard = shard.ID(id)
		return err
	})
	return pl, err
}
