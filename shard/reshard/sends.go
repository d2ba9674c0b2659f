package reshard

import (
	"context"
	"sync"
	"time"
)

// Sends tells how long people's sends take, as the nodes count them.
type Sends interface {
	// Told returns what each node has told in the last seconds, by its run.
	Told(ctx context.Context) (map[string]Told, error)
}

const (
	hearEvery  = 100 * time.Millisecond
	deafAfter  = 20 // looks at which no node has told anything
	hearWithin = time.Second
)

// startHearing lets the throttle follow how long people's sends take. The
// returned function ends that and waits.
func (r *Runner) startHearing(ctx context.Context) func() {
	if r.cfg.Sends == nil {
		return func() {}
	}
	r.throttle.listen()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(hearEvery)
		defer tick.Stop()
		h := hearing{last: map[string]Times{}}
		for n := 0; ; n++ {
			// Where nobody tells, it is enough to ask now and then.
			if h.silent < deafAfter || n%10 == 0 {
				h.look(ctx, r)
			}
			select {
			case <-ctx.Done():
				r.throttle.deaf()
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// hearing adds up what nodes tell.
type hearing struct {
	last   map[string]Times // of each run
	silent int              // looks
}

func (h *hearing) look(ctx context.Context, r *Runner) {
	within, cancel := context.WithTimeout(ctx, hearWithin)
	defer cancel()
	told, err := r.cfg.Sends.Told(within)
	if err != nil || len(told) == 0 {
		if h.silent++; h.silent == deafAfter {
			r.cfg.Logger.Info("no node tells how long sends take: only the rate bounds this reshard", "error", err)
			r.throttle.deaf()
		}
		return
	}
	h.silent = 0
	var before, now Times
	for run, t := range told {
		before = before.Plus(t.Before)
		if last, known := h.last[run]; known {
			now = now.Plus(t.All.Minus(last))
		}
		h.last[run] = t.All
	}
	r.throttle.hear(before, now)
}
