package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// owner is what the shard says about a partition.
type owner struct {
	state   string
	peer    shard.ID
	capture bool
	fenced  float64 // seconds
}

func (p *patient) readOwners(ctx context.Context) error {
	rows, err := p.conn.Query(ctx, `SELECT partition, state, peer, capture, coalesce(extract(epoch FROM clock_timestamp() - fenced_at), 0)::float8
		FROM control.partition_owner ORDER BY partition`)
	if err != nil {
		return err
	}
	p.owners = map[shard.Partition]owner{}
	var part int32
	var peer string
	var o owner
	_, err = pgx.ForEachRow(rows, []any{&part, &o.state, &peer, &o.capture, &o.fenced}, func() error {
		o.peer = shard.ID(peer)
		p.owners[shard.Partition(part)] = o
		if o.state == "active" || o.state == "fenced" {
			p.served = append(p.served, part)
		}
		if o.state == "fenced" && o.fenced > 5 {
			p.say("owners", Problem, fmt.Sprintf("partition %d is fenced for %.0f s", part, o.fenced), "nobody can write there: its mover died",
				"nodes heal that within 2 s: does one run? else gori reshard resume")
		}
		return nil
	})
	return err
}

func (p *patient) readRing(ctx context.Context) error {
	if p.schema < 7 {
		return nil
	}
	var doc []byte
	if err := p.conn.QueryRow(ctx, "SELECT max(doc::text) FROM control.ring_acceptor").Scan(&doc); err != nil || doc == nil {
		return err
	}
	p.ring = &shard.Ring{}
	return json.Unmarshal(doc, p.ring)
}

// messages looks for gaps: the seqs of a channel are 1, 2, 3 … to its last one.
// One statement has one snapshot, so a system in use does not disturb it.
func (p *patient) messages(ctx context.Context) error {
	rows, err := p.conn.Query(ctx, `SELECT c.channel_id, c.last_seq, coalesce(m.n, 0), coalesce(m.low, 1), coalesce(m.high, 0), c.last_count, coalesce(m.counted, 0)
		FROM data.channels c LEFT JOIN (SELECT partition, channel_id, count(*) AS n, min(seq) AS low, max(seq) AS high, max(count) AS counted
			FROM data.messages WHERE partition = ANY ($1) GROUP BY partition, channel_id) m USING (partition, channel_id)
		WHERE c.partition = ANY ($1) AND (coalesce(m.n, 0), coalesce(m.low, 1), coalesce(m.high, 0), coalesce(m.counted, 0)) <> (c.last_seq, 1, c.last_seq, c.last_count)
		LIMIT 20`, p.served)
	if err != nil {
		return err
	}
	bad := 0
	var id, last, n, low, high, count, counted int64
	if _, err = pgx.ForEachRow(rows, []any{&id, &last, &n, &low, &high, &count, &counted}, func() error {
		bad++
		p.say("messages", Problem, fmt.Sprintf("channel %d has %d messages from %d to %d, and its row says %d (counted %d of %d)", id, n, low, high, last, counted, count),
			"messages are missing, or its counter is wrong", "keep all data as it is and compare with a backup")
		return nil
	}); err != nil {
		return err
	}
	if bad == 0 {
		p.fine("messages", "of every channel stand without gaps")
	}
	return nil
}

// tables lists those that are divided into partitions.
func (p *patient) tables(ctx context.Context) ([]string, error) {
	rows, err := p.conn.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'partition'
		WHERE c.relnamespace = 'data'::regnamespace AND c.relkind = 'r' ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// strays looks for rows of partitions that are not served here. It goes from
// one partition to the next by the primary keys, so it reads little.
func (p *patient) strays(ctx context.Context) error {
	tables, err := p.tables(ctx)
	if err != nil {
		return err
	}
	waiting, lost := map[int32][]string{}, map[int32][]string{}
	for _, t := range tables {
		name := pgx.Identifier{"data", t}.Sanitize()
		rows, err := p.conn.Query(ctx, `WITH RECURSIVE w AS ((SELECT partition FROM `+name+` ORDER BY partition LIMIT 1)
			UNION ALL SELECT (SELECT n.partition FROM `+name+` n WHERE n.partition > w.partition ORDER BY n.partition LIMIT 1) FROM w WHERE w.partition IS NOT NULL)
			SELECT partition FROM w WHERE partition IS NOT NULL AND partition <> ALL ($1)`, p.served)
		if err != nil {
			return err
		}
		parts, err := pgx.CollectRows(rows, pgx.RowTo[int32])
		if err != nil {
			return err
		}
		for _, part := range parts {
			if o, known := p.owners[shard.Partition(part)]; known && (o.state == "gone" || o.state == "incoming") {
				waiting[part] = append(waiting[part], t)
			} else {
				lost[part] = append(lost[part], t)
			}
		}
	}
	for part, in := range lost {
		p.say("strays", Problem, fmt.Sprintf("rows of partition %d in %s, of which this shard knows nothing", part, strings.Join(in, ", ")),
			"nobody reads them; they came by hand, or an ownership row was deleted", "find out whether another shard serves the partition before deleting any")
	}
	if len(waiting) > 0 {
		p.say("strays", Note, fmt.Sprintf("rows of %d partitions that have moved away, or come, are still here", len(waiting)), "kept for a day after a move, by choice", "gori reshard clean, or wait")
	}
	if len(waiting)+len(lost) == 0 {
		p.fine("strays", "no rows of partitions that are not served here")
	}
	return nil
}

// owed looks for what should have been carried out by now.
func (p *patient) owed(ctx context.Context) error {
	var fans, effects, stuck int64
	var kinds string
	err := p.conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM control.fanout_pending WHERE made_at < now() - interval '1 minute'),
			(SELECT count(*) FROM data.effects WHERE partition = ANY ($1) AND made_at < now() - interval '1 minute'),
			(SELECT count(*) FROM data.effects WHERE partition = ANY ($1) AND attempts > 20),
			coalesce((SELECT string_agg(DISTINCT kind, ', ') FROM data.effects WHERE partition = ANY ($1) AND made_at < now() - interval '1 minute'), '')`,
		p.served).Scan(&fans, &effects, &stuck, &kinds)
	if err != nil {
		return err
	}
	const do = "nodes do it by themselves: does one run, and do all shards answer? else their logs say why"
	if fans > 0 {
		p.say("owed", Warning, fmt.Sprintf("%d fan-outs are older than a minute", fans), "people's inboxes do not show the newest messages yet", do)
	}
	if effects > 0 {
		p.say("owed", Warning, fmt.Sprintf("%d effects are older than a minute (%s), %d of them tried more than 20 times", effects, kinds, stuck), "friendships, removals or read marks are not everywhere yet", do)
	}
	if fans+effects == 0 {
		p.fine("owed", "nothing waits for long")
	}
	return nil
}

// leftovers looks for what a reshard that is over should not leave.
func (p *patient) leftovers(ctx context.Context) error {
	var dirty int64
	if err := p.conn.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM control.partition_dirty d
		WHERE NOT EXISTS (SELECT FROM control.partition_owner o WHERE o.partition = d.partition AND o.capture) LIMIT 100000) x`).Scan(&dirty); err != nil {
		return err
	}
	capturing := 0
	for _, o := range p.owners {
		if o.capture {
			capturing++
		}
	}
	if dirty > 0 {
		p.say("reshard leftovers", Note, fmt.Sprintf("%d keys of changes that nobody follows any more", dirty), "they only take room", "gori reshard clean")
	}
	if capturing > 0 && p.Ring != nil && p.Ring.Plan == nil {
		p.say("reshard leftovers", Warning, fmt.Sprintf("changes of %d partitions are noted for a move, and no reshard is under way", capturing), "writes cost more and the notes grow", "gori reshard status, then gori reshard abort or clean")
	}
	return nil
}
