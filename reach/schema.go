package reach

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gori/config"
	"gori/shard"
	"gori/store"
)

// greetPatience bounds what a start waits for a shard that does not answer.
const greetPatience = 5 * time.Second

// Migrate brings every shard to this program's schema, side by side. Which
// shards there are and where is said by the newest ring document, if there is
// one: a new system's configured shards take their shares of the first. A
// configured shard that the ring does not name is left alone, as it owns nothing
// by itself. A shard that does not answer is left for later if all others have
// this schema already: what it owns is unavailable, and all else is not.
func Migrate(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
	return MigrateShards(ctx, cfg.Shards, NewAddresses(cfg).Resolve, logger)
}

// MigrateShards is Migrate for shards that are not in a configuration.
func MigrateShards(ctx context.Context, shards []config.Shard, resolve func(string) (string, error), logger *slog.Logger) error {
	found := find(ctx, shards, resolve)
	layout, err := layoutOf(found)
	if err != nil {
		return err
	}
	for _, s := range found.strange {
		logger.Warn("a configured shard is not in the ring and is left alone; a ring in use grows by gori reshard add", "shard", s.ID)
	}
	for _, id := range found.lost {
		logger.Warn("the ring names an instance that is not configured; starting without it", "shard", id)
	}
	var there []store.ShardConfig
	missing := found.lost
	for i, s := range found.list {
		if found.errs[i] != nil {
			logger.Warn("a shard does not answer; starting without it", "shard", s.ID, "error", found.errs[i])
			missing = append(missing, shard.ID(s.ID))
			continue
		}
		there = append(there, store.ShardConfig{ID: shard.ID(s.ID), DSN: s.DSN})
	}
	if len(there) == 0 {
		return fmt.Errorf("no shard of the ring answers: %w", errors.Join(found.errs...))
	}
	return store.MigrateAll(ctx, there, missing, layout)
}

// layoutOf decides the map by which shards that were never started take their
// share: only those of the first document have one of their own. A later one
// gives away what others hold, and what a shard is given it then gets from them.
func layoutOf(found foundShards) (*shard.Map, error) {
	if found.ring != nil {
		if found.ring.Version == 1 {
			return found.ring.Map, nil
		}
		return nil, nil
	}
	for i, s := range found.list {
		if found.errs[i] != nil {
			return nil, fmt.Errorf("shard %s does not answer: %w", s.ID, found.errs[i])
		}
	}
	return shard.First(config.Config{Shards: found.list}.ShardIDs())
}

// EachShard runs do for all shards side by side and joins what went wrong.
func EachShard(ctx context.Context, shards []config.Shard, do func(ctx context.Context, i int, s config.Shard) error) error {
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
