package store

import (
	"context"
	"sync"

	"gori/chat"
	"gori/shard"
)

// unknownOwner marks a partition whose owner this node has not learnt yet.
const unknownOwner = int16(-1)

// routes is the cache of who owns which partition: a slot of the topology for
// each. It is immutable; the authority are the rows of the shards.
type routes struct {
	owner [shard.Partitions]int16
	// epoch of the ownership, as far as known. A read counts only if it is still
	// that one afterwards: then it has not begun before the ownership did, when
	// rows were still on their way.
	epoch [shard.Partitions]int64
}

// partitionOf returns the partition of a user or channel.
func partitionOf[T ~int64](id T) shard.Partition { return shard.Of(id) }

// locate returns the shard believed to own p.
func (s *Store) locate(p shard.Partition) (*shardConn, error) {
	sh := s.at(s.routes.Load().owner[p])
	if sh == nil {
		s.requestRefresh()
		return nil, chat.Retryable(chat.CodeShardDown, 0, nil, "this part of the data cannot be reached for the moment")
	}
	return sh, nil
}

// learn notes that p has moved to the shard named peer. If this node does not
// know it yet, learn has the ring looked at and returns false.
func (s *Store) learn(p shard.Partition, peer shard.ID) bool {
	sh := s.topo.Load().find(peer)
	if sh == nil {
		s.lookSoon()
		return false
	}
	for {
		old := s.routes.Load()
		if old.owner[p] == int16(sh.slot) {
			return true
		}
		next := *old
		next.owner[p], next.epoch[p] = int16(sh.slot), 0
		if s.routes.CompareAndSwap(old, &next) {
			return true
		}
	}
}

// learnEpoch notes since which epoch sh owns p.
func (s *Store) learnEpoch(p shard.Partition, sh *shardConn, epoch int64) {
	for {
		old := s.routes.Load()
		if old.owner[p] != int16(sh.slot) || old.epoch[p] == epoch {
			return
		}
		next := *old
		next.epoch[p] = epoch
		if s.routes.CompareAndSwap(old, &next) {
			return
		}
	}
}

// ownerRow is a row of control.partition_owner.
type ownerRow struct {
	Partition int32
	State     string
	Epoch     int64
	Peer      string
	Capture   bool
}

const selectOwners = `SELECT partition, state, epoch, peer, capture FROM control.partition_owner`

// refresh rebuilds the routes from the owner rows of all shards that answer.
// What belongs to a shard that does not answer stays as it was known.
func (s *Store) refresh(ctx context.Context) {
	shards := s.shards()
	rows := make([][]ownerRow, len(shards))
	var wg sync.WaitGroup
	for i, sh := range shards {
		wg.Go(func() { rows[i], _ = s.ownerRows(ctx, sh, selectOwners) })
	}
	wg.Wait()
	for {
		old := s.routes.Load()
		next := *old
		epochs := [shard.Partitions]int64{}
		for i, shardRows := range rows {
			for _, r := range shardRows {
				// A fenced row still says where to ask: its owner knows when
				// the hand-over is done.
				if (r.State == "active" || r.State == "fenced") && r.Epoch > epochs[r.Partition] {
					epochs[r.Partition] = r.Epoch
					next.owner[r.Partition], next.epoch[r.Partition] = int16(shards[i].slot), r.Epoch
				}
			}
		}
		if s.routes.CompareAndSwap(old, &next) {
			return
		}
	}
}

func (s *Store) ownerRows(ctx context.Context, sh *shardConn, sql string, args ...any) ([]ownerRow, error) {
	ctx, done, err := sh.during(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	q, err := sh.pool().Query(ctx, sql, args...)
	if err != nil {
		return nil, sh.settle(ctx, err)
	}
	defer q.Close()
	var out []ownerRow
	for q.Next() {
		var r ownerRow
		if err := q.Scan(&r.Partition, &r.State, &r.Epoch, &r.Peer, &r.Capture); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, sh.settle(ctx, q.Err())
}

// requestRefresh asks the refresher to look at the owner rows soon.
func (s *Store) requestRefresh() {
	select {
	case s.refreshNow <- struct{}{}:
	default:
	}
}

// refresher rebuilds the routes when asked, and now and then by itself while a
// partition has no known owner.
func (s *Store) refresher(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.refreshNow:
			s.refresh(ctx)
		}
	}
}
