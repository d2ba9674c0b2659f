package reshard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// errStale says that the ring did not want a move any more when it was claimed.
var errStale = errors.New("the ring has changed since")

// Bounds of what goes on after a run was told to stop.
const (
	cutPatience     = 30 * time.Second
	releasePatience = 5 * time.Second
)

// carry does one job.
func (c *carrier) carry(ctx context.Context, j job) ([]Receipt, error) {
	pace := c.throttle.lane()
	// The next one rests for this one.
	defer func() { _ = pace.Take(ctx, 0) }()
	w, err := c.cfg.Backend.Begin(ctx, j.Group)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	// Whoever aborts first changes the document and then claims what is unfinished.
	// So a claim after which the document is still the same was there before, and
	// is waited for; one that comes later sees the change here.
	if err := c.wanted(ctx, j); err != nil {
		return nil, errors.Join(err, release(ctx, w))
	}
	switch j.kind {
	case stray:
		return nil, release(ctx, w)
	case forwarding:
		return cut(ctx, w)
	}
	receipts, err := c.move(ctx, w, pace)
	var digest *DigestError
	if err != nil && !errors.As(err, &digest) { // what differs is kept for people to look at
		// The source would note changed keys for nobody. If a shard is down, or somebody
		// else has taken over, this may fail, and the next attempt does it.
		if err := release(ctx, w); err != nil {
			c.cfg.Logger.Info("a move could not be taken back", "from", j.From, "to", j.To, "error", err)
		}
	}
	return receipts, err
}

// wanted says whether the document still wants a job.
func (c *carrier) wanted(ctx context.Context, j job) error {
	ring, err := c.cfg.Register.Peek(ctx)
	if err != nil {
		return err
	}
	if ring.Plan == nil || ring.Plan.ID != j.Reshard || ring.Plan.Turn != j.Turn || ring.Plan.Paused {
		return errStale
	}
	return nil
}

// release takes a move back, also when ctx has ended.
func release(ctx context.Context, w Work) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releasePatience)
	defer cancel()
	return w.Release(ctx)
}

// move fills and cuts, several times if the fence took too long.
func (c *carrier) move(ctx context.Context, w Work, pace Pace) (receipts []Receipt, err error) {
	for try := 1; ; try++ {
		if err := w.Fill(ctx, pace); err != nil {
			return receipts, err
		}
		if err := ctx.Err(); err != nil {
			return receipts, err
		}
		// Some partitions of a group may move before the fence of others is too long.
		got, err := cut(ctx, w)
		receipts = append(receipts, got...)
		var budget *BudgetError
		if !errors.As(err, &budget) {
			return receipts, err
		}
		if try >= c.cfg.Patience {
			return receipts, fmt.Errorf("%d fences in a row: %w", try, err)
		}
		if err := sleep(ctx, backOff(try, c.cfg.Poll)); err != nil {
			return receipts, err
		}
	}
}

// cut is not given up half way: it has a budget of its own.
func cut(ctx context.Context, w Work) ([]Receipt, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutPatience)
	defer cancel()
	return w.Cut(ctx)
}

// backOff is a random time, longer with each try: up to a tenth of unit after
// the first, up to five units later.
func backOff(try int, unit time.Duration) time.Duration {
	most := min(unit/10<<min(try-1, 10), 5*unit)
	return most/2 + time.Duration(rand.Int64N(int64(most/2)+1))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
