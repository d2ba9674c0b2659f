package move

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// Receipts returns the receipts of a reshard, or of all if it is "", in the
// order of time, and which shards did not answer.
func (e *Engine) Receipts(ctx context.Context, reshardID string) ([]reshard.Receipt, []shard.ID, error) {
	type key struct {
		id string
		p  shard.Partition
	}
	found := map[key]reshard.Receipt{}
	down, err := e.each(ctx, func(_ shard.ID, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT doc FROM control.receipts WHERE $1 = '' OR reshard = $1", reshardID)
		if err != nil {
			return err
		}
		var doc []byte
		_, err = pgx.ForEachRow(rows, []any{&doc}, func() error {
			var r reshard.Receipt
			if err := json.Unmarshal(doc, &r); err != nil {
				return err
			}
			found[key{r.Reshard, r.Partition}] = r
			return nil
		})
		return err
	})
	if len(down) < len(e.cfg.Shards()) {
		err = ctx.Err()
	}
	list := slices.SortedFunc(maps.Values(found), func(a, b reshard.Receipt) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return int(a.Partition) - int(b.Partition)
	})
	return list, down, err
}

// Proof is what Verify has found.
type Proof struct {
	Receipts int   `json:"receipts"` // checked
	Channels int   `json:"channels"`
	Messages int64 `json:"messages"` // digested again
	// Problems are in words; none: all holds.
	Problems []string   `json:"problems"`
	Down     []shard.ID `json:"down,omitempty"` // did not answer: what they have was not checked
}

func (p *Proof) problem(format string, args ...any) {
	p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
}

const (
	verifyAtOnce = 32 // partitions
	// settling is how long a partition may be between two owners.
	settling = 3 * time.Second
)

// Verify computes again, from the rows that are served now, what receipts say:
// the newest receipt of each partition, of a reshard or of all if it is "". It
// also checks that each partition is served by exactly one shard and that
// nothing is left where it was cleaned.
func (e *Engine) Verify(ctx context.Context, reshardID string) (*Proof, error) {
	receipts, _, err := e.Receipts(ctx, reshardID)
	if err != nil {
		return nil, err
	}
	newest := map[shard.Partition]reshard.Receipt{}
	for _, r := range receipts {
		newest[r.Partition] = r
	}
	proof := &Proof{Problems: []string{}}
	if err := e.oneOwner(ctx, proof); err != nil {
		return nil, err
	}
	checked := map[shard.Partition]bool{}
	proof.Down, err = e.each(ctx, func(id shard.ID, conn *pgx.Conn) error {
		owners, err := ownersOf(ctx, conn, nil)
		if err != nil {
			return err
		}
		if err := leftovers(ctx, conn, id, owners, proof); err != nil {
			return err
		}
		var here []int32
		for p := range newest {
			if o := owners[p]; o.state == reshard.Active || o.state == reshard.Fencing {
				here = append(here, int32(p))
				checked[p] = true
			}
		}
		slices.Sort(here)
		for part := range slices.Chunk(here, verifyAtOnce) {
			if err := recount(ctx, conn, id, part, newest, proof); err != nil {
				return err
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(proof.Down) == len(e.cfg.Shards()) {
		return nil, err
	}
	for p := range newest {
		if !checked[p] && len(proof.Down) == 0 {
			proof.problem("partition %s has a receipt and no shard serves it", p)
		}
	}
	slices.Sort(proof.Problems)
	return proof, nil
}

// recount computes the receipts of partitions again.
func recount(ctx context.Context, conn *pgx.Conn, id shard.ID, ps []int32, newest map[shard.Partition]reshard.Receipt, proof *Proof) error {
	upto := map[int64]int64{}
	for _, p := range ps {
		for _, c := range newest[shard.Partition(p)].Channels {
			upto[c.Channel] = c.Last
		}
	}
	got, err := channelReceipts(ctx, conn, ps, upto)
	if err != nil {
		return err
	}
	for _, p := range ps {
		now := map[int64]reshard.ChannelReceipt{}
		for _, c := range got[p] {
			now[c.Channel] = c
		}
		r := newest[shard.Partition(p)]
		proof.Receipts++
		if n := gaps(r); n > 0 {
			proof.problem("partition %d: its receipt counts %d gaps", p, n)
		}
		for _, c := range r.Channels {
			proof.Channels++
			proof.Messages += c.Rows
			if n, there := now[c.Channel]; !there {
				proof.problem("partition %d: shard %s has no channel %d any more", p, id, c.Channel)
			} else if n != c {
				proof.problem("partition %d, channel %d up to seq %d: shard %s has %d rows, digest %s; the receipt says %d rows, digest %s",
					p, c.Channel, c.Last, id, n.Rows, n.Identity, c.Rows, c.Identity)
			}
		}
	}
	return nil
}

// leftovers looks for rows of partitions that were cleaned.
func leftovers(ctx context.Context, conn *pgx.Conn, id shard.ID, owners map[shard.Partition]owner, proof *Proof) error {
	list, err := catalog(ctx, conn)
	if err != nil {
		return err
	}
	var clean []int32
	for p, o := range owners {
		if o.state == reshard.Gone && o.cleaned {
			clean = append(clean, int32(p))
		}
	}
	for _, t := range list {
		rows, err := conn.Query(ctx, "SELECT p FROM unnest($1::int[]) p WHERE EXISTS (SELECT FROM "+t.full()+" t WHERE t.partition = p)", clean)
		if err != nil {
			return err
		}
		left, err := pgx.CollectRows(rows, pgx.RowTo[int32])
		if err != nil {
			return err
		}
		for _, p := range left {
			proof.problem("shard %s has rows of partition %d in data.%s, from which it was cleaned", id, p, t.name)
		}
	}
	return nil
}

// oneOwner checks that one shard serves each partition. What is found between
// two owners is looked at again a moment later.
func (e *Engine) oneOwner(ctx context.Context, proof *Proof) error {
	for deadline := e.cfg.Now().Add(settling); ; {
		pic, err := e.Look(ctx)
		if err != nil {
			return err
		}
		var wrong []string
		for p, owners := range pic.Owners {
			var active []shard.ID
			for _, o := range owners {
				if o.State == reshard.Active {
					active = append(active, o.Shard)
				}
			}
			switch {
			case len(active) > 1:
				wrong = append(wrong, fmt.Sprintf("partition %d is active at %v", p, active))
			case len(active) == 0 && len(pic.Down) == 0:
				wrong = append(wrong, fmt.Sprintf("partition %d is active nowhere", p))
			}
		}
		if len(wrong) == 0 || !e.cfg.Now().Before(deadline) {
			proof.Problems = append(proof.Problems, wrong...)
			return nil
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

func gaps(r reshard.Receipt) (n int64) {
	for _, c := range r.Channels {
		n += c.Gaps
	}
	return n
}
