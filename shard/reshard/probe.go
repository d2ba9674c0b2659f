package reshard

import (
	"context"
	"sync"
	"time"

	"gori/shard"
)

// Probe measures how long a live write takes.
type Probe interface {
	// Sample makes one small durable write on a shard, not in anybody's data, and
	// returns how long it took.
	Sample(ctx context.Context, at shard.ID) (time.Duration, error)
}

// How often and how long is measured.
const (
	sampleEvery  = 20 * time.Millisecond
	baselineTime = 1500 * time.Millisecond
	adjustEvery  = 250 * time.Millisecond
)

// startProbe measures live writes as they are now, and from then on lets the
// throttle follow them. The returned function ends that and waits.
func (r *Runner) startProbe(ctx context.Context, ring *shard.Ring) func() {
	if r.cfg.Probe == nil {
		return func() {}
	}
	var seats []shard.ID
	for _, s := range ring.Seats {
		seats = append(seats, s.ID)
	}
	var mu sync.Mutex
	var before []time.Duration
	r.sample(ctx, seats, baselineTime, func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		before = append(before, d)
	})
	if len(before) < enough {
		r.cfg.Logger.Warn("live writes cannot be measured: only the rate bounds this reshard", "samples", len(before))
		return func() {}
	}
	r.throttle.follow(percentile99(before))
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { r.sample(ctx, seats, 0, r.throttle.heard) })
	wg.Go(func() {
		tick := time.NewTicker(adjustEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.throttle.adjust()
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
		r.throttle.unfollow()
	}
}

// sample measures all shards for a time (0: until ctx ends), each by itself: one
// that is slow does not keep the others from being measured.
func (r *Runner) sample(ctx context.Context, at []shard.ID, length time.Duration, heard func(time.Duration)) {
	if length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, length)
		defer cancel()
	}
	var wg sync.WaitGroup
	for _, id := range at {
		wg.Go(func() {
			for ctx.Err() == nil {
				if d, err := r.cfg.Probe.Sample(ctx, id); err == nil {
					heard(d)
				}
				_ = sleep(ctx, sampleEvery)
			}
		})
	}
	wg.Wait()
}
