package reshard

import (
	"context"
	"errors"

	"gori/shard"
)

// Ledger is where the ring document is read and changed: a Register.
type Ledger interface {
	Read(ctx context.Context) (*shard.Ring, error)
	Peek(ctx context.Context) (*shard.Ring, error)
	Change(ctx context.Context, from, to *shard.Ring) error
}

// Update changes the ring by change, which is given the document as it is and
// returns the next version, or nil if nothing is to change. When others change
// it meanwhile, or it is not known what came of an attempt, change is asked
// again. It returns the document as it then is.
func Update(ctx context.Context, l Ledger, change func(*shard.Ring) (*shard.Ring, error)) (*shard.Ring, error) {
	for try := 1; ; try++ {
		now, err := l.Peek(ctx)
		if err != nil {
			return nil, err
		}
		to, err := change(now)
		if err != nil || to == nil {
			return now, err
		}
		err = l.Change(ctx, now, to)
		var conflict *ConflictError
		var unknown *UnknownError
		switch {
		case err == nil:
			return to, nil
		case ctx.Err() != nil:
			return nil, err
		case errors.As(err, &unknown):
			after, readErr := l.Read(ctx)
			if readErr != nil {
				return nil, err
			}
			if after.Hash() == to.Hash() || after.Prev == to.Hash() {
				return after, nil
			}
		case errors.As(err, &conflict):
		default:
			return nil, err
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
}

// Settle brings a change of the acceptors to its end, if one was left half way.
func Settle(ctx context.Context, l Ledger) (*shard.Ring, error) {
	return Update(ctx, l, (*shard.Ring).Settle)
}
