package board

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gori/chat"
	"gori/shard"
)

// Hot is a channel and how much was said there in the last minute.
type Hot struct {
	Shard     shard.ID
	Partition shard.Partition
	Channel   chat.ChannelID
	Kind      int
	Name      string
	Members   int
	LastSeq   chat.Seq
	LastAt    time.Time
	PerMinute float64
}

// The busiest are among those that spoke last, so that few need to be looked
// at; the rate of each comes from its newest messages.
const (
	hotWindow   = time.Minute
	hotChannels = 200  // of a shard that are looked at
	hotMessages = 1000 // of a channel
)

// Hot returns the busiest channels of all shards that answer, busiest first.
func (b *Board) Hot(ctx context.Context, limit int) []Hot {
	var all []Hot
	for _, a := range each(ctx, b, func(ctx context.Context, p *pgxpool.Pool) ([]Hot, error) { return hotOf(ctx, p, limit) }) {
		for _, h := range a.Value {
			h.Shard = a.Shard
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b Hot) int {
		return cmp.Or(cmp.Compare(b.PerMinute, a.PerMinute), cmp.Compare(a.Channel, b.Channel))
	})
	return all[:min(limit, len(all))]
}

// A channel with as many messages in the window as were looked at has their
// rate, over the time they took.
const sqlHot = `
	SELECT c.partition, c.channel_id, c.kind, c.name, c.member_count, c.last_seq, c.last_at, m.rate
	FROM (SELECT * FROM data.channels WHERE last_at > now() - $1::interval ORDER BY last_at DESC LIMIT $2) c
	JOIN control.partition_owner o ON o.partition = c.partition AND o.state IN ('active', 'fenced')
	CROSS JOIN LATERAL (
		SELECT CASE WHEN count(*) < $3 THEN count(*) * (60 / extract(epoch FROM $1::interval))
			ELSE 60 * count(*) / greatest(extract(epoch FROM now() - min(n.created_at)), 0.1) END::float8 AS rate
		FROM (SELECT created_at FROM data.messages x WHERE x.partition = c.partition AND x.channel_id = c.channel_id
			ORDER BY x.seq DESC LIMIT $3) n
		WHERE n.created_at > now() - $1::interval) m
	WHERE m.rate > 0 ORDER BY m.rate DESC LIMIT $4`

func hotOf(ctx context.Context, p *pgxpool.Pool, limit int) ([]Hot, error) {
	rows, err := p.Query(ctx, sqlHot, hotWindow, hotChannels, hotMessages, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h Hot, err error) {
		var at int32
		err = row.Scan(&at, &h.Channel, &h.Kind, &h.Name, &h.Members, &h.LastSeq, &h.LastAt, &h.PerMinute)
		h.Partition = shard.Partition(at)
		return h, err
	})
}
