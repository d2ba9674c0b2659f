package replica

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// Claim is a partition that a shard serves.
type Claim struct {
	Partition shard.Partition
	Shard     shard.ID
	Epoch     shard.Epoch
}

// Claims reads what a server says it serves.
func (s *Server) Claims(ctx context.Context) ([]Claim, error) {
	var list []Claim
	err := s.with(ctx, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, `SELECT o.partition, s.shard_id, o.epoch FROM control.partition_owner o, control.shard_self s
			WHERE o.state IN ('active', 'fenced') ORDER BY 1`)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Claim, error) {
			var p int32
			var c Claim
			err := row.Scan(&p, &c.Shard, &c.Epoch)
			c.Partition = shard.Partition(p)
			return c, err
		})
		return err
	})
	return list, err
}

// Yield gives up what others serve with a higher epoch: a promoted server that
// did not have every write of its primary may not know that a partition has
// gone. It returns how many those were. What is fenced is left to those who heal
// moves: nobody can write to it, and there is a receipt to be written.
func (s *Server) Yield(ctx context.Context, others []Claim) (int64, error) {
	var ps []int32
	var peers []string
	var epochs []int64
	for _, o := range others {
		ps, peers, epochs = append(ps, int32(o.Partition)), append(peers, string(o.Shard)), append(epochs, int64(o.Epoch))
	}
	var n int64
	err := s.with(ctx, func(c *pgx.Conn) error {
		tag, err := c.Exec(ctx, `UPDATE control.partition_owner o SET state = 'gone', epoch = x.epoch, peer = x.peer, capture = false, fenced_at = NULL
			FROM unnest($1::int[], $2::text[], $3::bigint[]) AS x (partition, peer, epoch)
			WHERE o.partition = x.partition AND o.epoch < x.epoch AND o.state = 'active'
			AND x.peer <> (SELECT shard_id FROM control.shard_self)`, ps, peers, epochs)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}
