package reshard

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gori/shard"
)

// Baton is what the one node holds that carries out a detached plan.
type Baton interface {
	// Take returns a context that ends when the baton is lost, and how to give it
	// back. ok is false if another node has it.
	Take(ctx context.Context, ring *shard.Ring) (held context.Context, giveBack func(), ok bool, err error)
}

// Conductor carries out detached plans, in a node.
type Conductor struct {
	Config Config
	Baton  Baton
	// Ring returns the document as the node knows it, nil if it does not yet. It
	// is asked every second and may be some seconds old.
	Ring func() *shard.Ring
	// Grace is how long a shard keeps what has gone from it; 0: CleanGrace.
	Grace time.Duration
	// CleanEvery is how often to look for what may go; 0: 10 minutes.
	CleanEvery time.Duration
}

// Run conducts until ctx ends.
func (c *Conductor) Run(ctx context.Context) error {
	c.Config = c.Config.withDefaults()
	every := c.CleanEvery
	if every == 0 {
		every = 10 * time.Minute
	}
	cleaned := time.Now()
	for sleep(ctx, c.Config.Poll) == nil {
		ring := c.Ring()
		switch {
		case ring == nil:
		case ring.Plan != nil && ring.Plan.Detached && !ring.Plan.Paused:
			c.with(ctx, ring, func(ctx context.Context, r *Runner) error { return r.Run(ctx) })
		case ring.Plan == nil && time.Since(cleaned) >= every:
			cleaned = time.Now()
			c.with(ctx, ring, c.clean)
		}
	}
	return nil
}

// with does something while it holds the baton, if it gets it.
func (c *Conductor) with(ctx context.Context, ring *shard.Ring, do func(context.Context, *Runner) error) {
	held, giveBack, ok, err := c.Baton.Take(ctx, ring)
	if err != nil || !ok {
		if err != nil && ctx.Err() == nil {
			c.Config.Logger.Warn("it cannot be found out who conducts the reshard", "error", err)
		}
		return
	}
	defer giveBack()
	err = do(held, NewRunner(c.Config))
	level := slog.LevelInfo
	var paused *PausedError
	var taken *TakenError
	switch {
	case err == nil, ctx.Err() != nil, errors.As(err, &taken):
		return
	case !errors.As(err, &paused), paused.Why != "":
		level = slog.LevelWarn
	}
	c.Config.Logger.Log(ctx, level, "a reshard has stopped", "error", err)
}

func (c *Conductor) clean(ctx context.Context, r *Runner) error {
	grace := c.Grace
	if grace == 0 {
		grace = CleanGrace
	}
	n, err := r.CleanOld(ctx, time.Now().Add(-grace))
	if n > 0 {
		c.Config.Logger.Info("cleaned what had gone to other shards", "partitions", n)
	}
	return err
}
