package move

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// owner is a row of control.partition_owner.
type owner struct {
	state    reshard.OwnerState
	epoch    shard.Epoch
	peer     shard.ID
	moveID   string
	attempt  int
	capture  bool
	cleaned  bool
	fencedAt time.Time
}

const selectOwner = `SELECT partition, state, epoch, peer, move_id, attempt, capture, cleaned, coalesce(fenced_at, 'epoch')
	FROM control.partition_owner`

// ownersOf reads the ownership rows of ps, or all if ps is nil.
func ownersOf(ctx context.Context, q querier, ps []int32) (map[shard.Partition]owner, error) {
	sql, args := selectOwner, []any{}
	if ps != nil {
		sql, args = sql+" WHERE partition = ANY($1)", []any{ps}
	}
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	all := map[shard.Partition]owner{}
	var o owner
	var p int32
	var state, peer string
	_, err = pgx.ForEachRow(rows, []any{&p, &state, &o.epoch, &peer, &o.moveID, &o.attempt, &o.capture, &o.cleaned, &o.fencedAt}, func() error {
		o.state, o.peer = reshard.OwnerState(state), shard.ID(peer)
		all[shard.Partition(p)] = o
		return nil
	})
	return all, err
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// weigh estimates the rows of partitions from the channels' counters, without
// reading messages; nil: of all.
func weigh(ctx context.Context, q querier, ps []int32) (map[shard.Partition]int64, error) {
	rows, err := q.Query(ctx, `SELECT partition, sum(n)::bigint FROM (
			SELECT partition, last_seq + member_count + 1 AS n FROM data.channels WHERE $1::int[] IS NULL OR partition = ANY($1)
			UNION ALL SELECT partition, 12 FROM data.user_state WHERE $1::int[] IS NULL OR partition = ANY($1)
		) w GROUP BY 1`, ps)
	if err != nil {
		return nil, err
	}
	all := map[shard.Partition]int64{}
	var p int32
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&p, &n}, func() error {
		all[shard.Partition(p)] = n
		return nil
	})
	return all, err
}

func ints(ps []shard.Partition) []int32 {
	list := make([]int32, len(ps))
	for i, p := range ps {
		list[i] = int32(p)
	}
	return list
}
