package reshard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gori/shard"
)

// Abandoner is a Backend that can give up moves whose target does not answer:
// the source, which must not be fenced, forgets them.
type Abandoner interface {
	Abandon(ctx context.Context, g Group) error
}

// StuckError says that an abort has to wait: a shard that does not answer may be
// the owner of partitions.
type StuckError struct {
	Partitions []shard.Partition
	Down       []shard.ID
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("%d partitions may be owned by shards that do not answer: %v", len(e.Partitions), e.Down)
}

// Abort ends the plan under way and leaves every partition where it is. What is
// unfinished is released first; what another mover holds is waited for. waiting,
// if not nil, hears why it takes long. It may be repeated until it succeeds.
func (r *Runner) Abort(ctx context.Context, waiting func(error)) (*shard.Ring, error) {
	on := true
	ring, err := Update(ctx, r.cfg.Register, func(now *shard.Ring) (*shard.Ring, error) {
		if now.Plan != nil && now.Plan.Paused && now.Plan.Why == whyAborting {
			return nil, nil
		}
		return now.Adjust(shard.PlanChange{Paused: &on, Why: whyAborting, Cause: &shard.Cause{Code: shard.CauseAborting}})
	})
	if err != nil {
		return nil, err
	}
	id := ring.Plan.ID
	for {
		owners, err := r.releaseAll(ctx, ring)
		if err == nil {
			return r.aborted(ctx, id, owners)
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if waiting != nil {
			waiting(err)
		}
		if err := sleep(ctx, r.cfg.Poll/2); err != nil {
			return nil, err
		}
	}
}

const whyAborting = "it is being aborted"

// aborted writes the end of the plan into the document.
func (r *Runner) aborted(ctx context.Context, id string, owners *shard.Owners) (*shard.Ring, error) {
	ring, err := Update(ctx, r.cfg.Register, func(now *shard.Ring) (*shard.Ring, error) {
		switch {
		case now.Plan == nil:
			return nil, nil // somebody else has aborted it too
		case now.Plan.ID != id:
			return nil, ErrReplaced
		case !now.Plan.Paused:
			return nil, errors.New("somebody has resumed the reshard while it was being aborted")
		}
		return now.Abort(owners)
	})
	if err != nil {
		return nil, err
	}
	if settled, err := Settle(ctx, r.cfg.Register); err == nil {
		ring = settled
	}
	r.cfg.At.Pass("ring-finished")
	return ring, nil
}

// releaseAll takes every unfinished move back and returns who then owns what. It
// claims also what nobody seems to have begun: a mover that has begun unseen
// holds its claim, one that begins later sees that the plan is paused.
func (r *Runner) releaseAll(ctx context.Context, ring *shard.Ring) (*shard.Owners, error) {
	pic, err := r.cfg.Backend.Look(ctx)
	if err != nil {
		return nil, err
	}
	for _, j := range look(ring.Map, pic, r.cfg.Bounds, false).jobs {
		if err := r.takeBack(ctx, ring, j); err != nil {
			return nil, err
		}
	}
	if err := r.abandon(ctx, ring, pic); err != nil {
		return nil, err
	}
	if pic, err = r.cfg.Backend.Look(ctx); err != nil {
		return nil, err
	}
	t := look(ring.Map, pic, r.cfg.Bounds, true)
	if len(t.jobs) > 0 {
		return nil, fmt.Errorf("%d groups of partitions are still being moved", len(t.jobs))
	}
	for _, p := range slices.Concat(t.stuck, t.lost) {
		if t.owners[p] == "" {
			return nil, &StuckError{Partitions: slices.Concat(t.stuck, t.lost), Down: pic.Down}
		}
	}
	return &t.owners, nil
}

// takeBack claims a group and releases it; what has passed already is forwarded.
func (r *Runner) takeBack(ctx context.Context, ring *shard.Ring, j job) error {
	j.Reshard, j.Turn = ring.Plan.ID, ring.Plan.Turn
	w, err := r.cfg.Backend.Begin(ctx, j.Group)
	if err != nil {
		return err
	}
	defer w.Close()
	if j.kind == forwarding {
		_, err := cut(ctx, w)
		return err
	}
	return release(ctx, w)
}

// abandon gives up moves to shards that do not answer.
func (r *Runner) abandon(ctx context.Context, ring *shard.Ring, pic *Picture) error {
	a, can := r.cfg.Backend.(Abandoner)
	if !can {
		return nil
	}
	ways := map[way][]shard.Partition{}
	for p := range shard.Partition(shard.Partitions) {
		now, ok := pic.Serving(p)
		to := ring.Map.Owner(p)
		if ok && now.State == Active && now.Shard != to && slices.Contains(pic.Down, to) && !slices.Contains(pic.Down, now.Shard) {
			ways[way{from: now.Shard, to: to}] = append(ways[way{from: now.Shard, to: to}], p)
		}
	}
	for w, ps := range ways {
		if err := a.Abandon(ctx, Group{Reshard: ring.Plan.ID, From: w.from, To: w.to, Partitions: ps}); err != nil {
			return err
		}
	}
	return nil
}

// CleanGrace is how long a shard keeps what has gone from it.
const CleanGrace = 24 * time.Hour

// CleanOld removes what shards still have of partitions that went before a time,
// and returns of how many. While a plan is under way it does nothing: the rows
// may save copying.
func (r *Runner) CleanOld(ctx context.Context, before time.Time) (int, error) {
	ring, err := r.cfg.Register.Peek(ctx)
	if err != nil {
		return 0, err
	}
	if ring.Plan != nil {
		return 0, &shard.UnderwayError{Plan: *ring.Plan}
	}
	pic, err := r.cfg.Backend.Look(ctx)
	if err != nil {
		return 0, err
	}
	r.throttle.unheard(shareOfCleaning)
	defer r.startHearing(ctx)()
	pace := r.throttle.lane()
	n := 0
	for _, s := range ring.Seats {
		if slices.Contains(pic.Down, s.ID) {
			continue
		}
		ps := uncleaned(pic, s.ID, func(o Owner) bool { return o.FencedAt.Before(before) })
		if len(ps) == 0 {
			continue
		}
		if err := r.cfg.Backend.Clean(ctx, s.ID, ps, pace); err != nil {
			return n, err
		}
		n += len(ps)
	}
	return n, nil
}
