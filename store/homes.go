package store

import (
	"context"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// What touches many partitions at once is grouped by shard: one transaction or
// query for each shard, all shards at the same time. A group that has come
// apart meanwhile, because a partition moved, goes on one partition at a time.

// writeEach runs fn once for each shard that owns some of ps, with those of ps
// that it owns. Each call is a transaction of its own; all are tried, and the
// first error is returned. fn must be safe for concurrent use and keep no
// state of a run that failed.
func (s *Store) writeEach(ctx context.Context, ps []shard.Partition, fn func(ctx context.Context, tx pgx.Tx, ps []shard.Partition) error) error {
	write := func(ps []shard.Partition) error {
		return s.writeAll(ctx, ps, func(ctx context.Context, tx pgx.Tx) error { return fn(ctx, tx, ps) })
	}
	return s.eachGroup(ps, write)
}

// readEachHome is writeEach for reading.
func (s *Store) readEachHome(ctx context.Context, ps []shard.Partition, fn func(ctx context.Context, q querier, ps []shard.Partition) error) error {
	return s.eachGroup(ps, func(ps []shard.Partition) error {
		if len(ps) == 1 {
			return s.read(ctx, ps[0], func(ctx context.Context, q querier) error { return fn(ctx, q, ps) })
		}
		return s.readAll(ctx, ps, fn)
	})
}

// eachGroup calls do for the partitions of each shard, concurrently; if that
// answers errSplit, for each partition by itself.
func (s *Store) eachGroup(ps []shard.Partition, do func(ps []shard.Partition) error) error {
	groups, lost := s.byShard(ps)
	if lost > 0 {
		s.requestRefresh()
		return chat.Retryable(chat.CodeShardDown, 0, nil, "this part of the data cannot be reached for the moment")
	}
	settle := func(ps []shard.Partition) error {
		err := do(ps)
		// CodeMoving of one partition must not keep the others waiting.
		if !errors.Is(err, errSplit) && (len(ps) == 1 || chat.CodeOf(err) != chat.CodeMoving) {
			return err
		}
		var first error
		for i := range ps {
			if err := do(ps[i : i+1]); err != nil && first == nil {
				first = err
			}
		}
		return first
	}
	if len(groups) == 1 {
		return settle(groups[0])
	}
	errs := make([]error, len(groups))
	var wg sync.WaitGroup
	for i, g := range groups {
		wg.Go(func() { errs[i] = settle(g) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// readAll reads several partitions of one shard, then checks that all of them
// are still active there, and were before. errSplit if not.
func (s *Store) readAll(ctx context.Context, ps []shard.Partition, fn func(ctx context.Context, q querier, ps []shard.Partition) error) error {
	known := s.routes.Load()
	sh, err := s.locateAll(ps)
	if err != nil {
		return err
	}
	ctx, done, err := sh.during(ctx)
	if err != nil {
		return err
	}
	defer done()
	conn, err := sh.pool().Acquire(ctx)
	if err != nil {
		return sh.settle(ctx, err)
	}
	defer conn.Release()
	fnErr := sh.settle(ctx, fn(ctx, conn, ps))
	if code := chat.CodeOf(fnErr); code == chat.CodeShardDown || ctx.Err() != nil {
		return fnErr
	}
	args := partitionArgs(ps)
	epochs := make([]int64, len(args))
	for i, p := range args {
		epochs[i] = known.epoch[p]
	}
	var served int
	err = conn.QueryRow(ctx, `SELECT count(*) FROM control.partition_owner o
		JOIN unnest($1::int[], $2::bigint[]) k (p, e) ON o.partition = k.p AND o.epoch = k.e
		WHERE o.state = 'active'`, args, epochs).Scan(&served)
	if err != nil {
		return sh.settle(ctx, err)
	}
	if served != len(args) {
		return errSplit // or one of them is fenced, which is looked at by itself
	}
	return fnErr
}

// homesOf groups users by their home partition.
func homesOf(users []chat.UserID) map[shard.Partition][]chat.UserID {
	homes := map[shard.Partition][]chat.UserID{}
	for _, u := range users {
		p := shard.Of(u)
		homes[p] = append(homes[p], u)
	}
	return homes
}

// homeKeys returns the keys of the users who live in ps, as two columns for
// unnest.
func homeKeys(homes map[shard.Partition][]chat.UserID, ps []shard.Partition) (parts []int32, users []int64) {
	for _, p := range ps {
		for _, u := range homes[p] {
			parts, users = append(parts, int32(p)), append(users, int64(u))
		}
	}
	return parts, users
}

// readUsers collects what fn reads of users at their homes.
func readUsers[T any](ctx context.Context, s *Store, users []chat.UserID, fn func(ctx context.Context, q querier, parts []int32, users []int64) ([]T, error)) ([]T, error) {
	homes := homesOf(users)
	var mu sync.Mutex
	var all []T
	err := s.readEachHome(ctx, keysOf(homes), func(ctx context.Context, q querier, ps []shard.Partition) error {
		parts, ids := homeKeys(homes, ps)
		got, err := fn(ctx, q, parts, ids)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		// A group read twice, as its partitions moved, may leave rows twice:
		// callers key what they get.
		all = append(all, got...)
		return nil
	})
	return all, err
}

func keysOf[K comparable, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// int64s makes the plain form of ids that pgx encodes as an array.
func int64s[T ~int64](ids []T) []int64 {
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = int64(id)
	}
	return out
}

func idsOf[T ~int64](plain []int64) []T {
	out := make([]T, len(plain))
	for i, v := range plain {
		out[i] = T(v)
	}
	return out
}

// orNotFound makes a coded error of a row that is not there. It must happen
// within the function given to read or write, which take an error without a
// code for a fault.
func orNotFound(err error, code chat.Code, what string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return chat.Errorf(code, "%s", what)
	}
	return err
}
