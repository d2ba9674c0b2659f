package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gori/chat"
)

const sweepRows = 64 // pending rows claimed at once

// sqlClaimPending takes rows that nobody has finished for long, and makes them
// young again, so that other sweepers leave them alone meanwhile. Should this
// node die now they become old again.
const sqlClaimPending = `UPDATE control.fanout_pending SET made_at = now()
	WHERE batch_id IN (SELECT batch_id FROM control.fanout_pending WHERE made_at < now() - $1::interval
		ORDER BY batch_id LIMIT $2 FOR UPDATE SKIP LOCKED)
	RETURNING batch_id, channels, from_seqs, to_seqs`

// runSweeps finishes, on every shard, the fan-outs that a dead node or a shard
// that was down has left. It returns when ctx has ended and its goroutines have.
func (s *Store) runSweeps(ctx context.Context) {
	if mutantRepairs {
		<-ctx.Done()
		return
	}
	s.onShards(ctx, func(ctx context.Context, sh *shardConn) {
		for nap(ctx, s.cfg.SweepEvery) == nil {
			for {
				n, err := s.sweepFans(ctx, sh)
				if err != nil && ctx.Err() == nil {
					s.log.Debug("sweep of fan-outs", "shard", sh.id, "error", err)
				}
				if err != nil || n < sweepRows {
					break
				}
			}
		}
	})
}

// sweepFans claims left-over rows of one shard and queues their fan-outs.
func (s *Store) sweepFans(ctx context.Context, sh *shardConn) (int, error) {
	ctx, done, err := sh.during(ctx)
	if err != nil {
		return 0, nil // it is down; others say so
	}
	defer done()
	rows, err := sh.pool().Query(ctx, sqlClaimPending, s.cfg.SweepAge, sweepRows)
	if err != nil {
		return 0, sh.settle(ctx, err)
	}
	var (
		id                   int64
		channels, froms, tos []int64
		n                    int
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &channels, &froms, &tos}, func() error {
		n++
		s.count.swept.Add(1)
		ref := newFanRef(sh, id)
		for i, ch := range channels {
			ref.add()
			s.fan.read(fanRequest{ref: ref, channel: chat.ChannelID(ch), from: chat.Seq(froms[i]), to: chat.Seq(tos[i])})
		}
		ref.done()
		return nil
	})
	return n, sh.settle(ctx, err)
}
