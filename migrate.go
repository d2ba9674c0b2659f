package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gori/shard"
	"gori/store"
	"gori/store/survey"
)

// migrateAll brings every shard to this program's schema, side by side. Shards
// without a map yet get the one the others have, or the first one if the whole
// system is new. A new shard beside old ones that do not know it is refused:
// taking a share by itself it would own partitions that others own.
func migrateAll(ctx context.Context, shards []ShardConfig) error {
	maps := make([]*shard.Map, len(shards))
	err := eachShard(ctx, shards, func(ctx context.Context, i int, s ShardConfig) (err error) {
		maps[i], err = survey.Ring(ctx, s.DSN)
		return err
	})
	if err != nil {
		return err
	}
	layout, err := layoutOf(shards, maps)
	if err != nil {
		return err
	}
	return eachShard(ctx, shards, func(ctx context.Context, _ int, s ShardConfig) error {
		return store.Migrate(ctx, s.DSN, shard.ID(s.ID), layout)
	})
}

// layoutOf decides the map by which shards without one take their share.
func layoutOf(shards []ShardConfig, maps []*shard.Map) (*shard.Map, error) {
	var known *shard.Map
	for _, m := range maps {
		if m != nil && (known == nil || m.Epoch() > known.Epoch()) {
			known = m
		}
	}
	if known == nil {
		return shard.First(Config{Shards: shards}.shardIDs())
	}
	for i, s := range shards {
		if maps[i] == nil && !known.Has(shard.ID(s.ID)) {
			return nil, fmt.Errorf("shard %s is new and the others do not know it: a ring in use grows by gori reshard add, not by naming one more shard", s.ID)
		}
	}
	return known, nil
}

// eachShard runs do for all shards side by side and joins what went wrong.
func eachShard(ctx context.Context, shards []ShardConfig, do func(ctx context.Context, i int, s ShardConfig) error) error {
	errs := make([]error, len(shards))
	var wg sync.WaitGroup
	for i, s := range shards {
		wg.Go(func() {
			if err := do(ctx, i, s); err != nil {
				errs[i] = fmt.Errorf("shard %s: %w", s.ID, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
