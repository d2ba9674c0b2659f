package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gori/chat"
	"gori/shard"
)

// sqlGate is the first statement of every transaction that writes. The
// function takes the shared advisory lock (77, p) of each partition, in the
// order given, and then, in a statement of its own and so with a snapshot of
// its own, checks that each is active; if not it raises gateClosed and nothing
// of the transaction happens. A mover that wants to fence a partition takes the
// lock exclusively: it waits for the writers inside and keeps the others
// waiting, so whoever has passed commits before the fence. Triggers on all
// data tables refuse rows of partitions for which the transaction did not
// pass.
var sqlGate = mutated("SELECT control.gate($1)")

// partitionArgs brings partitions into the order of locking, without doubles.
func partitionArgs(ps []shard.Partition) []int32 {
	args := make([]int32, len(ps))
	for i, p := range ps {
		args[i] = int32(p)
	}
	slices.Sort(args)
	return slices.Compact(args)
}

// verdict is what a shard says about partitions whose gate was closed.
type verdict struct {
	moved  map[shard.Partition]shard.ID // gone from there, with the new owner
	moving []shard.Partition            // being handed over, or not known there
}

// whyClosed tells why the gate was closed for some of ps: as the refusal err
// says, else as the shard says when asked.
func (s *Store) whyClosed(ctx context.Context, sh *shardConn, ps []int32, err error) (verdict, error) {
	var refusal *pgconn.PgError
	var rows [][3]any
	if !errors.As(err, &refusal) || json.Unmarshal([]byte(refusal.Detail), &rows) != nil {
		return s.inquire(ctx, sh, ps)
	}
	v := verdict{moved: map[shard.Partition]shard.ID{}}
	for _, r := range rows {
		p, _ := r[0].(float64)
		state, _ := r[1].(string)
		peer, _ := r[2].(string)
		s.judgeState(&v, ownerRow{Partition: int32(p), State: state, Peer: peer})
	}
	return v, nil
}

// judgeState adds what a partition's row says; an empty state: there is none.
func (s *Store) judgeState(v *verdict, r ownerRow) {
	p := shard.Partition(r.Partition)
	switch r.State {
	case "active":
	case "gone":
		v.moved[p] = shard.ID(r.Peer)
	default:
		v.moving = append(v.moving, p)
		if r.State == "" {
			s.requestRefresh()
		}
	}
}

// inquire asks the shard why the gate was closed for some of ps.
func (s *Store) inquire(ctx context.Context, sh *shardConn, ps []int32) (verdict, error) {
	rows, err := s.ownerRows(ctx, sh, selectOwners+" WHERE partition = ANY($1)", ps)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{moved: map[shard.Partition]shard.ID{}}
	seen := map[int32]bool{}
	for _, r := range rows {
		seen[r.Partition] = true
		s.judgeState(&v, r)
	}
	for _, p := range ps {
		if !seen[p] {
			s.judgeState(&v, ownerRow{Partition: p})
		}
	}
	return v, nil
}

// heed takes what the shard said about p into the routes. It returns nil if
// another try may succeed at once, and CodeMoving otherwise.
func (s *Store) heed(v verdict, p shard.Partition) error {
	if peer, ok := v.moved[p]; ok && s.learn(p, peer) {
		return nil
	}
	if len(v.moved) == 0 && len(v.moving) == 0 {
		return nil // active again by now
	}
	return movingError()
}

func movingError() error {
	return chat.Retryable(chat.CodeMoving, 0, nil, "this part of the data is being handed over")
}

// querier is what functions that read are given.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}
