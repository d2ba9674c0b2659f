package move

import (
	"context"
	"fmt"

	"gori/shard/reshard"
)

// Abandon implements reshard.Abandoner: the source, which serves the partitions
// and is not fenced, forgets a move whose target does not answer. What the
// target has of it stays there, and no mover can finish it: the source has
// another attempt.
func (e *Engine) Abandon(ctx context.Context, g reshard.Group) error {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	ps := ints(g.Partitions)
	k, err := e.keep(ctx, g.From, g.Turn, ps, lost)
	if err != nil {
		return err
	}
	defer k.close()
	conn, err := e.dial(ctx, g.From, "source", quick...)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	var fenced int
	err = conn.QueryRow(ctx, `WITH off AS (
			UPDATE control.partition_owner SET capture = false, peer = '', move_id = '', attempt = attempt + 1
			WHERE partition = ANY($1) AND state = 'active' RETURNING partition),
		cleared AS (DELETE FROM control.partition_dirty d USING off WHERE d.partition = off.partition)
		SELECT cardinality($1::int[]) - count(*) FROM off`, ps).Scan(&fenced)
	if err == nil && fenced > 0 {
		err = fmt.Errorf("%d partitions of shard %s are fenced, and whether shard %s owns them only that one can tell", fenced, g.From, g.To)
	}
	return err
}

var _ reshard.Abandoner = (*Engine)(nil)
