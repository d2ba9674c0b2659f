package reshard

import (
	"context"
	"fmt"
	"slices"

	"gori/shard"
)

// Rejoin makes an acceptor a member again that has lost its memory or gone back
// to an older one: it was restored from a backup, or its standby, which was
// behind, was promoted. The others agree without it that it is none of them,
// reset makes it empty with a promise of floor, and it is added like a new one. A
// majority of all, without it, must answer.
func (r *Register) Rejoin(ctx context.Context, name string, reset func(ctx context.Context, floor Ballot) error) error {
	r.distrust(name)
	defer r.distrust("")
	if _, err := Settle(ctx, r); err != nil {
		return err
	}
	_, err := Update(ctx, r, func(now *shard.Ring) (*shard.Ring, error) {
		if !slices.Contains(now.Acceptors, name) {
			return nil, nil // an earlier attempt came so far
		}
		return now.DropAcceptor(name)
	})
	if err != nil {
		return fmt.Errorf("take %s out of those who keep the ring: %w", name, err)
	}
	if _, err := Settle(ctx, r); err != nil {
		return err
	}
	// Whatever was sent to it before has a lower ballot than that.
	if err := reset(ctx, r.floor()); err != nil {
		return fmt.Errorf("reset %s: %w", name, err)
	}
	r.distrust("")
	_, err = Update(ctx, r, func(now *shard.Ring) (*shard.Ring, error) {
		if slices.Contains(now.Acceptors, name) {
			return nil, nil
		}
		return now.AddAcceptor(name)
	})
	if err != nil {
		return fmt.Errorf("add %s to those who keep the ring: %w", name, err)
	}
	_, err = Settle(ctx, r)
	return err
}

func (r *Register) distrust(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.distrusted = name
}

func (r *Register) floor() Ballot {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	r.counter++
	return Ballot{Counter: r.counter, By: r.cfg.Name}
}
