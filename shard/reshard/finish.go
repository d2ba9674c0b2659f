package reshard

import (
	"context"
	"errors"
	"slices"

	"gori/shard"
)

// finish is called when every row is as the map wants it: shards that leave are
// emptied and dropped, and the plan is done.
func (c *carrier) finish(ctx context.Context, t *todo, pic *Picture) (bool, error) {
	for _, s := range c.ring.Seats {
		if !s.Leaving || !slices.Contains(c.ring.Acceptors, string(s.ID)) {
			continue
		}
		if empty, err := c.empty(ctx, s.ID, pic); err != nil || !empty {
			return false, err
		}
	}
	c.finishing = true
	_, err := Update(ctx, c.cfg.Register, func(now *shard.Ring) (*shard.Ring, error) {
		if err := c.same(now); err != nil {
			return nil, err
		}
		return now.Retire()
	})
	if err != nil {
		return finished(err)
	}
	_, err = Update(ctx, c.cfg.Register, func(now *shard.Ring) (*shard.Ring, error) {
		if err := c.same(now); err != nil {
			return nil, err
		}
		return now.Finish(&t.owners)
	})
	if err != nil {
		return finished(err)
	}
	c.cfg.At.Pass("ring-finished")
	return true, nil
}

// finished tells the errors that mean success.
func finished(err error) (bool, error) {
	if errors.Is(err, errFinished) {
		return true, nil
	}
	return false, err
}

// empty cleans a shard that leaves and says whether nothing is left on it.
func (c *carrier) empty(ctx context.Context, id shard.ID, pic *Picture) (bool, error) {
	if slices.Contains(pic.Down, id) {
		return false, nil
	}
	if ps := uncleaned(pic, id, func(Owner) bool { return true }); len(ps) > 0 {
		if err := c.cfg.Backend.Clean(ctx, id, ps, c.throttle.lane()); err != nil {
			c.cfg.Logger.Warn("a shard that leaves cannot be cleaned yet", "shard", id, "error", err)
			return false, ctx.Err()
		}
	}
	left, err := c.cfg.Backend.Left(ctx, id)
	if err != nil || left != "" {
		c.cfg.Logger.Info("a shard that leaves is not empty yet", "shard", id, "left", left, "error", err)
		return false, ctx.Err()
	}
	return true, nil
}

// uncleaned returns the partitions that have gone from a shard and of which it
// still has rows.
func uncleaned(pic *Picture, id shard.ID, which func(Owner) bool) []shard.Partition {
	var ps []shard.Partition
	for p := range shard.Partition(shard.Partitions) {
		for _, o := range pic.Owners[p] {
			if o.Shard == id && o.State == Gone && !o.Cleaned && which(o) {
				ps = append(ps, p)
			}
		}
	}
	return ps
}
