package move

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// servedElsewhere makes sure that what is gone from a shard is served by another
// one. It asks all, and does not follow the pointers: one of them may lead to a
// shard that has given everything away since and left the ring.
func (e *Engine) servedElsewhere(ctx context.Context, at shard.ID, ps []int32, owners map[shard.Partition]owner) error {
	served := map[shard.Partition]bool{}
	down, err := e.each(ctx, func(id shard.ID, conn *pgx.Conn) error {
		if id == at {
			return nil
		}
		there, err := ownersOf(ctx, conn, ps)
		for p, o := range there {
			// Whoever has it since has the epoch that the pointer has, or a later one.
			if (o.state == reshard.Active || o.state == reshard.Fencing) && o.epoch >= owners[p].epoch {
				served[p] = true
			}
		}
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, p := range ps {
		if part := shard.Partition(p); !served[part] {
			reason := fmt.Sprintf("it went to shard %s, and no shard serves it", owners[part].peer)
			if len(down) > 0 {
				reason = fmt.Sprintf("it went to shard %s, and none of those that answer serves it (%s)", owners[part].peer, firstLine(err))
			}
			return &NotCleanedError{part, at, reason}
		}
	}
	return nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
