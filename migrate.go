package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"gori/shard"
	"gori/store"
	"gori/store/survey"
)

// newMigrate is what gori up runs of a newer program before it replaces the
// nodes by it.
func newMigrate() *cobra.Command {
	return &cobra.Command{
		Use:    "migrate",
		Short:  "Bring the shards to the schema of this program; serve and up do it by themselves",
		Hidden: true,
		Args:   noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := loadConfig("", os.Environ())
			if err != nil {
				return err
			}
			return migrateAll(c.Context(), cfg.Shards, newLogger(cfg.Log, os.Stderr))
		},
	}
}

// greetPatience bounds what a start waits for a shard that does not answer.
const greetPatience = 5 * time.Second

// migrateAll brings every shard to this program's schema, side by side. Shards
// without a map yet get the one the others have, or the first one if the whole
// system is new. A new shard beside old ones that do not know it is refused:
// taking a share by itself it would own partitions that others own. A shard
// that does not answer is left for later if the others know it and have this
// schema already: what it owns is unavailable, and all else is not.
func migrateAll(ctx context.Context, shards []ShardConfig, logger *slog.Logger) error {
	maps, errs := readMaps(ctx, shards)
	layout, err := layoutOf(shards, maps, errs)
	if err != nil {
		return err
	}
	var there []store.ShardConfig
	var missing []shard.ID
	for i, s := range shards {
		if errs[i] != nil {
			logger.Warn("a shard does not answer; starting without it", "shard", s.ID, "error", errs[i])
			missing = append(missing, shard.ID(s.ID))
			continue
		}
		there = append(there, store.ShardConfig{ID: shard.ID(s.ID), DSN: s.DSN})
	}
	return store.MigrateAll(ctx, there, missing, layout)
}

// readMaps asks each shard for its map; nil without an error for one that has
// none yet.
func readMaps(ctx context.Context, shards []ShardConfig) ([]*shard.Map, []error) {
	ctx, cancel := context.WithTimeout(ctx, greetPatience)
	defer cancel()
	maps, errs := make([]*shard.Map, len(shards)), make([]error, len(shards))
	_ = eachShard(ctx, shards, func(ctx context.Context, i int, s ShardConfig) error {
		maps[i], errs[i] = survey.Ring(ctx, s.DSN)
		return nil
	})
	return maps, errs
}

// layoutOf decides the map by which shards without one take their share. Both
// slices are by index of shards.
func layoutOf(shards []ShardConfig, maps []*shard.Map, errs []error) (*shard.Map, error) {
	var known *shard.Map
	for _, m := range maps {
		if m != nil && (known == nil || m.Epoch() > known.Epoch()) {
			known = m
		}
	}
	for i, s := range shards {
		inRing := known != nil && known.Has(shard.ID(s.ID))
		switch {
		case errs[i] != nil && !inRing:
			return nil, fmt.Errorf("shard %s does not answer: %w", s.ID, errs[i])
		case known != nil && maps[i] == nil && !inRing:
			return nil, fmt.Errorf("shard %s is new and the others do not know it: a ring in use grows by gori reshard add, not by naming one more shard", s.ID)
		}
	}
	if known == nil {
		return shard.First(Config{Shards: shards}.shardIDs())
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
