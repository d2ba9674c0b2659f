package survey

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// Written counts, on one shard, the messages that people wrote in channels. A
// channel that is not served there is left out.
func Written(ctx context.Context, dsn string, channels []int64) (map[int64]int64, error) {
	parts := make([]int32, len(channels))
	for i, c := range channels {
		parts[i] = int32(shard.Of(c))
	}
	counts := map[int64]int64{}
	err := with(ctx, dsn, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT c.channel, count(*) FROM unnest($1::int[], $2::bigint[]) AS c (partition, channel)
			JOIN control.partition_owner o ON o.partition = c.partition AND o.state IN ('active', 'fenced')
			JOIN data.messages m ON m.partition = c.partition AND m.channel_id = c.channel
			WHERE m.kind = 0 GROUP BY c.channel`, parts, channels)
		if err != nil {
			return err
		}
		var channel, n int64
		_, err = pgx.ForEachRow(rows, []any{&channel, &n}, func() error {
			counts[channel] = n
			return nil
		})
		return err
	})
	return counts, err
}
